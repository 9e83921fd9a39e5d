// Scan: a first reading of the log's span, before it is replayed: the moments at which the policy
// decided something, and how long things usually took. Pure; feed it the events in order.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commands/replay/recorded.h"

namespace muster::replay {

// One pass of the policy that left something in the log.
struct LivePass {
  std::uint64_t head = 0;  // it looked at the log up to there
  absl::Time at;
  std::uint64_t last = 0;         // position of the newest event that came of it
  bool marked = false;            // head and time are recorded; else taken from its first event
  std::vector<Recorded> decided;  // what may be an Act, in the order of the log
};

// Medians of what was seen, for what was not: of the machine, else of the fleet, else a default.
class Habits {
 public:
  enum class Span { kAccept, kUp, kProgress, kDestroyTaken, kDestroyed };
  void Add(Span span, const FleetName& fleet, const MachineId& machine, absl::Duration length);
  absl::Duration Of(Span span, const FleetName& fleet, const MachineId& machine) const;
  // How many were seen of the fleet; 0 = the default speaks.
  std::int64_t Seen(Span span, const FleetName& fleet) const;

 private:
  using Lengths = std::vector<absl::Duration>;
  std::map<std::pair<Span, FleetName>, Lengths> by_fleet_;
  std::map<std::pair<Span, std::pair<FleetName, MachineId>>, Lengths> by_machine_;
};

class Scan {
 public:
  // Passes that looked at the log before `start` are left out: their world is not at hand.
  explicit Scan(std::uint64_t start) : start_(start) {}
  void Add(const Recorded& recorded);

  // In the order of their heads. REQUIRES: nothing is added afterwards
  std::vector<LivePass> TakePasses();
  const Habits& habits() const { return habits_; }
  std::uint64_t last_position() const { return last_position_; }
  absl::Time last_recorded() const { return last_recorded_; }
  std::int64_t unmarked() const { return unmarked_; }  // passes whose moment is not recorded

 private:
  struct Life {
    FleetName fleet;
    MachineId machine;
    absl::Time asked, accepted = absl::InfiniteFuture(), condemned = absl::InfiniteFuture();
    bool up = false, progressed = false, taken = false;
  };
  void AddPass(const Recorded& recorded);
  void AddTo(LivePass& pass, const Recorded& recorded);
  void Follow(const std::string& worker, const Recorded& recorded);

  const std::uint64_t start_;
  std::map<std::pair<std::uint64_t, std::int64_t>, LivePass> passes_;
  std::optional<std::pair<std::uint64_t, std::int64_t>> unmarked_pass_;  // its key in passes_
  std::set<StreamId> strays_;  // taken in to be destroyed: that they are is no decision of its own
  std::map<std::string, Life> lives_;
  Habits habits_;
  std::uint64_t last_position_ = 0;
  absl::Time last_recorded_ = absl::InfinitePast();
  std::int64_t unmarked_ = 0;
};

}  // namespace muster::replay
