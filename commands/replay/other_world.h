// OtherWorld: the World as it would be under another policy. Up to the first divergence it follows
// the log event by event; from then on it follows what the log says of everything the policy has no
// hand in, and makes up the rest by a small model that README.md describes.
//
// Deterministic: no chance, no clock; the same events and decisions give the same World.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "commands/fleet/plan/board.h"
#include "commands/replay/act.h"
#include "commands/replay/made_up.h"
#include "commands/replay/recorded.h"
#include "commands/replay/scan.h"
#include "commands/replay/tally.h"
#include "commands/world.h"

namespace muster::replay {

// The policy that is tried in the place of a fleet's own.
struct Trial {
  FleetName fleet;
  specpb::FleetSpec spec;
  // The number of workers that the fleet's own file named before the log's span; where the trial
  // names the same, an operator's scaling stays.
  std::optional<int> file_workers;
};

class OtherWorld {
 public:
  // `habits` is borrowed. Without a trial it is the recorded World and never diverges.
  OtherWorld(World start, std::optional<Trial> trial, const Habits& habits, Counter counter);
  OtherWorld(const OtherWorld&) = delete;
  OtherWorld& operator=(const OtherWorld&) = delete;

  const World& world() const { return world_; }
  fleet::Board& board() { return board_; }
  const Counter& counter() const { return counter_; }

  // The next event of the log, which `live` has folded already.
  void Follow(const Recorded& recorded, const World& live);

  // From here on the log is no longer this world's.
  void Diverge() { diverged_ = true; }
  // Carries out what was decided on this world; `live` is what the log decides at that moment, so
  // that what both do alike goes on as recorded. REQUIRES: Diverge was called
  void Carry(const fleet::Decision& decision, absl::Time at, const std::vector<Act>& live);
  // Lets what is made up go on to `at`; `next` says when there is something to do.
  void Advance(absl::Time at);
  absl::Time next() const;

  // What was made up, for the report.
  const MadeUp::Counts& made_up() const { return made_up_->counts(); }

 private:
  void Fold(const StreamId& stream, const eventpb::EventBody& body, absl::Time at);
  void FollowFleet(const Recorded& recorded);
  void FollowWorker(const Recorded& recorded, const WorkerId& id);
  specpb::FleetSpec TrialSpec(const specpb::FleetSpec& live, int workers) const;

  WorkerId FreshId();
  const Act* Alike(const fleet::Decision& decision, const std::vector<Act>& live) const;
  void CarryLaunch(eventpb::LaunchRequested intent, const Act* alike, absl::Time at);
  void CarryTakeIn(const fleet::TakeIn& take, const Act* alike, absl::Time at);
  void CarryWorker(const fleet::ForWorker& act, const Act* alike, absl::Time at);
  void CarryFleet(const fleet::ForFleet& act, absl::Time at);
  void Condemn(const WorkerId& id, const worker::Condemn& command, const Act* alike, absl::Time at);
  void Strike(const worker::State& worker, const eventpb::WorkerCondemned& verdict, absl::Time at);

  World world_;
  fleet::Board board_;
  const std::optional<Trial> trial_;
  Counter counter_;
  std::optional<MadeUp> made_up_;  // with a trial
  bool diverged_ = false;
  std::uint64_t position_ = 0;  // of the newest event of the log
  int fresh_ = 0;
};

}  // namespace muster::replay
