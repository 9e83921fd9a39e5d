// Ground: what is the case at the provider at one moment, drawn from the simulator alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::storm {

// The slowest healthy worker prints a batch well within this.
inline constexpr absl::Duration kProducing = absl::Minutes(10);

struct Ground {
  explicit Ground(const vastsim::VastSim& sim);
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  // nullptr when there never was such an instance. "" and other texts that are no number: nullptr.
  const vastsim::InstanceView* Find(std::int64_t id) const;
  const vastsim::InstanceView* Find(const std::string& id) const;
  // What lived at `at`, and at any time between two, in the order of their ids.
  std::vector<const vastsim::InstanceView*> LivingAt(absl::Time at) const;
  std::vector<const vastsim::InstanceView*> LivedBetween(absl::Time from, absl::Time to) const;

  absl::Time now;
  std::vector<vastsim::InstanceView> living;
  std::vector<vastsim::InstanceView> past;
  std::vector<vastsim::LedgerLine> ledger;

 private:
  std::map<std::int64_t, const vastsim::InstanceView*> by_id_;
};

// "instance 21900001 (zeb-worker-vast-0.m7k2a, machine 5512, 7 batches, stall at 12:00:00)".
std::string Tell(const vastsim::InstanceView& each);

// "zeb-worker-vast-3.m7k2abcde" -> "m7k2abcde"; "" when there is no token.
std::string TokenOf(const std::string& label);
// The same label without its token: the place that it stands for.
std::string PlaceOf(const std::string& label);

// Whether a failure of this kind can be what `rule` says, told apart from one that merely also
// happened.
bool Explains(const std::string& rule, vastsim::Failure how);
// Nobody's fault but the machine's.
// What worked was launched well: when its commands are missing later on, the machine lost them.
bool MachinesOwn(const vastsim::InstanceView& instance, vastsim::Failure how);
// A failure that the instance had, that explains `rule`, and that had not passed by `at`.
bool HadFailure(const vastsim::InstanceView& instance, const std::string& rule, absl::Time at,
                bool machines_own);

}  // namespace muster::storm
