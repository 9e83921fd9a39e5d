// Deeds: what the storm did on its own account, and what the provider's traps did: the only grounds
// on which an invariant excuses anything, each with the one contract, worker or time it excuses.
// Times are the provider's. Values.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::storm {

struct Deeds {
  // Requests of operators. Those that came to nothing count too.
  struct Named {
    absl::Time at;
    bool strike = false;
  };
  std::map<std::string, std::vector<Named>> workers_named;       // their end was asked for
  std::map<std::string, std::vector<absl::Time>> fleets_downed;  // by fleet
  std::set<std::string> machines_imported;                       // as bad hosts

  // The market and the clock.
  struct Price {
    absl::Time at;
    double usd_per_hour = 0;
  };
  std::map<std::int64_t, std::vector<Price>> prices_set;      // of running contracts
  std::vector<std::pair<absl::Time, absl::Time>> credit_out;  // from, to
  absl::Duration clock_moved;                                 // sum of all steps, either way
  int clock_set_back = 0;
  absl::Time leapt = absl::InfinitePast();  // newest leap of the clock: exact, and in no sum
  std::set<std::int64_t> strangers;         // instances of somebody else: never to be touched
  std::set<std::int64_t> strays;            // nobody rented them, and they bear a fleet's label

  std::map<std::int64_t, double> rented_at;  // $/h, as billed when it was rented

  // What traps did.
  std::map<std::string, int> rented_twice;            // by label: how often
  std::map<std::int64_t, absl::Time> destroy_denied;  // newest refusal to end it
  std::map<std::string, absl::Time> traps_fired;      // newest

  // Takes in a contract that was just made.
  void NoteRent(const vastsim::InstanceView& made) {
    rented_at.emplace(made.id, made.usd_per_hour);
  }
  // Takes in one call that the provider served.
  void Note(const vastsim::JournalEntry& call);
  bool Fired(const std::string& trap) const { return traps_fired.contains(trap); }
};

}  // namespace muster::storm
