// Replay: the policy's own code over the recorded observations and offers of a log, at the moments
// at which it decided live and at those at which another policy would.
//
//   Scan scan(start.head);                      // first reading of the span
//   Replay replay(std::move(start), options, scan);
//   replay.Take(event);                         // second reading, event by event
//   const Report report = replay.Finish(end);
//
// Up to the first divergence both policies look at the same World, so every difference is exact;
// from then on the trial's world is modelled (other_world.h), and the report says so.
// Deterministic, no I/O. Any thread; one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/fleet/plan/plan.h"
#include "commands/replay/act.h"
#include "commands/replay/other_world.h"
#include "commands/replay/scan.h"
#include "commands/world.h"

namespace muster::replay {

struct Options {
  std::optional<FleetName> fleet;  // nullopt: all, which only a replay without a trial can do
  std::optional<Trial> trial;      // nullopt: what was in force, which must decide the same
  fleet::PlanOptions plan;
  std::size_t differences_max = 20;
};

struct Sided {
  bool replayed = false;  // by the trial; else live
  std::uint64_t position = 0;
  absl::Time at;
  Act act;
};

struct Divergence {
  std::uint64_t position = 0;  // of the newest event that was known when it was decided
  absl::Time at;
  std::vector<Act> live;      // none = nothing was decided there
  std::vector<Act> replayed;  // the same
  MicroUsd spent;             // in the span up to then; the same for both
};

struct SideSum {
  Tally tally;
  MicroUsd spent;
  int running = 0;  // at the end, with those on their way in or out
  MicroUsdPerHour burn;
  std::map<std::string, std::int64_t> by_rule;
};

struct Report {
  std::uint64_t first_position = 0, last_position = 0;  // the state before, the newest event
  absl::Time from, to;
  std::int64_t events = 0;
  std::int64_t moments = 0;
  std::int64_t decisions = 0;     // in the log
  std::int64_t reproduced = 0;    // by the policy that was in force
  std::int64_t same_numbers = 0;  // of these, from the same numbers and events
  std::vector<Sided> unreproduced;
  std::string digest, digest_replayed;
  std::optional<Divergence> first;
  std::int64_t both = 0, live_only = 0, replayed_only = 0;
  std::vector<Sided> differences;
  SideSum live, replayed;
  std::vector<std::string> model;    // how the world after the divergence was made up
  std::vector<std::string> unknown;  // what the log does not hold
  std::vector<std::string> work_units;
};

class Replay {
 public:
  // `start` is the World when the log's span begins, at `from`; `scan` has read the span, is
  // borrowed, and its passes are taken.
  Replay(World start, absl::Time from, Options options, Scan& scan);
  ~Replay();
  void Take(Recorded recorded);
  // `end` is not before the newest event.
  Report Finish(absl::Time end);

 private:
  using Acts = std::vector<Act>;
  struct Asked {
    fleet::PlanResult plan;
    Acts acts;
  };

  void Settle(const Recorded& recorded, const Recorded* next);
  // Asks at the times at which the policy itself wants to be asked, before `until`.
  void RunDue(absl::Time until);
  void Evaluate(absl::Time at, const LivePass* pass);
  void EvaluateExact(absl::Time at, const LivePass* pass, Asked& asked);
  void EvaluateModelled(absl::Time at, const LivePass* pass, Asked asked);
  void Begin(absl::Time at, const Asked& asked, const Acts& live, const Acts& instead);
  Asked Ask(const World& world, fleet::Board& board, absl::Time at) const;
  Acts LiveActs(const LivePass* pass) const;
  Acts Upcoming(absl::Time at) const;
  bool Concerns(const Act& act) const;
  Acts Afresh(const World& world, const Acts& live, absl::Time at) const;
  void Note(bool replayed, const Act& act, absl::Time at);
  void Keep(std::vector<Sided>& list, Sided sided) const;
  MicroUsd SpentAt(const World& world, absl::Time at) const;
  SideSum SumOf(const World& world, const Counter& counter, MicroUsd before, absl::Time end) const;
  void CountLines(Report& report) const;
  void TellModel(Report& report) const;
  void TellUnknown(Report& report) const;

  const Options options_;
  const Scan& scan_;
  const absl::Time from_;
  std::vector<LivePass> passes_;
  std::size_t next_pass_ = 0;
  World live_;
  fleet::Board live_board_;
  Counter live_counter_;
  std::unique_ptr<OtherWorld> other_;
  MicroUsd live_before_, other_before_;  // spent before the span
  bool diverged_ = false;
  std::optional<Recorded> pending_;
  std::uint64_t busy_until_ = 0;  // a pass was being carried out up to there
  absl::Time due_ = absl::InfinitePast();
  absl::Time heard_ = absl::InfinitePast();  // of the newest event
  ActDigest digest_, digest_replayed_;
  std::vector<specpb::FleetSpec> live_specs_;  // of the trial's fleet, in force within the span
  Report report_;
  std::map<std::string, std::int64_t> lines_live_, lines_replayed_;  // after the divergence
  std::vector<Sided> after_;
};

}  // namespace muster::replay
