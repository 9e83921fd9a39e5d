// What the policy is told besides the log: limits of the installation. Values.
#pragma once

#include <map>

#include "commands/context.h"
#include "eventstore/base/ids.h"

namespace muster::fleet {

struct PlanOptions {
  // Budgets over all fleets of one account; absent or 0 = no limit.
  std::map<ProviderName, specpb::Budget> account_budgets;
  // Launches asked for and not yet answered, per account: more would wait at the provider's rate
  // limit while their offers grow old.
  int launches_in_flight_max = 8;
};

}  // namespace muster::fleet
