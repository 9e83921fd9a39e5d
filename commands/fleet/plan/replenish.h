// Choosing and asking for a launch: shared by replenishing, probing and upgrades.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/fleet/plan/pass.h"
#include "commands/fleet/plan/ranking.h"

namespace muster::fleet {

// Why a machine or offer cannot be had though the spec would take it: reserved, ours already,
// just gone, or billed above its offer an hour ago.
TakenFn TakenBy(const Pass& pass, const Board& board, const ProviderName& provider);

// Offers too old to choose from are no offers.
bool OffersFresh(const account::State* account, const worker::Clocks& clocks, absl::Time now);

// Why a launch at `price` is refused by the fleet's or the account's budget; "" = it is not.
std::string BudgetSays(const Pass& pass, const Scope& scope, MicroUsdPerHour price);

struct LaunchAsk {
  std::string rule;  // "replenish", "replace", "credit-probe", "upgrade"
  std::string why;
  int index = 0;
  WorkerId replaces;
  bool trial = false;
  bool probe = false;
  std::vector<Compared> compared;
  std::vector<std::uint64_t> positions;
};
// Decides to rent `choice` and reserves it.
void DecideLaunch(Pass& pass, Scope& scope, const Ranked& choice, LaunchAsk ask);

// Unmet preflight checks of the current fleet version: "" = none.
std::string PreflightSays(const State& fleet);

}  // namespace muster::fleet
