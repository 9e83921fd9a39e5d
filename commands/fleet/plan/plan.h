// Plan: the fleet policy. World in, ordered decisions with evidence out.
//
//   account gates -> strays -> per fleet: quota, failures, downscale, replenish, upgrades
//
// Pure: no clock, no chance, no I/O; the same World and time give the same decisions, live, in
// replay and in previews. An intent in the World counts as done, so folding what was decided and
// planning again gives nothing.
#pragma once

#include <vector>

#include "commands/fleet/plan/board.h"
#include "commands/fleet/plan/decision.h"
#include "commands/fleet/plan/options.h"

namespace muster::fleet {

struct PlanResult {
  std::vector<Decision> decisions;  // in the order in which they are to be carried out
  // Without any event, the next plan may differ from then on.
  absl::Time next_due = absl::InfiniteFuture();
  // When all fleets are to be looked at again though nothing happened: the shortest timers.check_s.
  absl::Time check_due = absl::InfiniteFuture();
  std::vector<FleetName> looked_at;  // by name
};

// Everything anew, whatever changed. For replay, tests and previews.
PlanResult Plan(const World& world, const PlanOptions& options, absl::Time now);

// The same for fleets that `board` finds touched or due since its last Refresh; the others are
// left alone, since nothing that they depend on has changed. With `check` all fleets are looked at.
PlanResult PlanOn(Board& board, const World& world, const PlanOptions& options, absl::Time now,
                  bool check);

}  // namespace muster::fleet
