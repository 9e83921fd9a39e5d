// Pass: one evaluation of the policy. Its steps (the other headers of this folder) look at the
// World through the Board and add decisions; what one step decided, the next ones take as done.
// Values and borrowed references; lives for one call of Plan.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commands/fleet/plan/board.h"
#include "commands/fleet/plan/decision.h"
#include "commands/fleet/plan/evidence.h"
#include "commands/fleet/plan/gates.h"
#include "commands/fleet/plan/options.h"
#include "commands/world.h"

namespace muster::fleet {

struct Pass {
  const World& world;
  Board& board;
  const PlanOptions& options;
  absl::Time now;

  std::vector<Decision> decisions;
  absl::Time next_due = absl::InfiniteFuture();

  // Decided in this pass and not yet in the World.
  std::set<std::pair<ProviderName, OfferId>> reserved_offers;
  std::set<std::pair<ProviderName, MachineId>> reserved_machines;
  std::map<ProviderName, int> launches;
  std::map<ProviderName, MicroUsdPerHour> launch_burn;
  std::map<ProviderName, MicroUsdPerHour> given_up_burn;  // of those condemned in this pass
  std::set<ProviderName> credit_moved;  // the gates are of before: launch nothing in this pass

  void Due(absl::Time at) {
    if (at > now && at < next_due) next_due = at;
  }
};

// One fleet within a pass.
struct Scope {
  const State& fleet;
  FleetBoard& board;
  ProviderName provider;
  const account::State* account = nullptr;  // may be null
  Gate gate;
  worker::Clocks clocks;

  std::set<WorkerId> going;  // condemned in this pass
  std::set<int> taken;       // indexes given away in this pass
  int coming = 0;            // launches and adoptions decided in this pass
  MicroUsdPerHour coming_burn;
  bool strikes_suspended = false;
  std::vector<eventpb::Wait> waits;

  std::string actor() const { return "policy:" + fleet.PolicyVersion(); }
  // Workers that will stay once this pass is done. Upgrade trials are extra as long as the worker
  // they are to replace stays too.
  int have() const {
    int extra = 0;
    for (const WorkerId& id : board.RunningTrials()) {
      const WorkerId& old = board.cards.at(id).replaces;
      const bool both = going.count(id) == 0 && going.count(old) == 0 &&
                        board.cards.at(old).part == Card::Part::kLive;
      extra += both ? 1 : 0;
    }
    return board.occupying - board.leaving + coming - static_cast<int>(going.size()) - extra;
  }
  // Places that are taken once this pass is done: whoever goes leaves his only when the provider
  // has taken the order.
  int filled() const {
    return board.occupying + coming - static_cast<int>(board.RunningTrials().size());
  }
  int FreeIndex() const {
    int index = board.free_places.From(0);
    while (taken.count(index) > 0) index = board.free_places.From(index + 1);
    return index;
  }
};

// Adds the condemnation of a live worker, once.
struct Condemnation {
  specpb::Fault fault = specpb::NOBODY;
  bool replace = false;
  double strike_weight = 0;
  eventpb::Evidence evidence;
  bool by_sight = false;  // for how it was seen: stands while nobody has looked again
};
void Condemn(Pass& pass, Scope& scope, const WorkerId& id, Condemnation condemnation);

// ---- the steps, in their order; each in a .cc of its own ----

// Credit: enters the wait, notes what became of probes, leaves it. Before all else, per account.
void StepCredit(Pass& pass, const ProviderName& provider);
// Strays of the account: adopted, destroyed or left, by their fleet's setting.
void StepOrphans(Pass& pass, const ProviderName& provider, std::map<FleetName, Scope>& scopes);
// Free places whose label a stray bears that is neither adopted nor destroyed: renting into them
// would pay twice for one place.
std::set<int> PlacesOfStrays(const Pass& pass, const Scope& scope);
// The shared interval over all fleets of a quota, and its roll-out to workers on a shorter one.
std::int64_t QuotaInterval(const World& world, const State& fleet);
void StepQuota(Pass& pass, Scope& scope);
// Many machines that fail alike: strikes are suspended, and resumed when that is over.
void StepStrikes(Pass& pass, Scope& scope);
// Health, starts, verdicts, duplicates, breached budgets.
void StepFailures(Pass& pass, Scope& scope);
void StepDownscale(Pass& pass, Scope& scope);
void StepReplenish(Pass& pass, Scope& scope);
void StepUpgrades(Pass& pass, Scope& scope);

// Order in which workers are given up, first to go first: not producing, then young, then by the
// worst $ per unit of work as observed.
std::vector<WorkerId> LeastUsefulFirst(const Scope& scope, absl::Time now);

}  // namespace muster::fleet
