// Budget: whether one more price still fits under a fleet's or an account's limits. Pure.
#pragma once

#include <string>
#include <string_view>

#include "commands/fleet/plan/board.h"

namespace muster::fleet {

// Why renting one more machine at `price` could break `budget`, with the numbers: "fleet zeb per
// day: $9.11 + $8.90 until midnight UTC > $18.00". "" = it fits. `whose`: "fleet zeb".
//   per hour  what everything costs per hour
//   per day   spent since midnight UTC, plus everything until the next midnight
//   total     spent ever, plus everything for one more hour
std::string BudgetRefusal(const specpb::Budget& budget, const Money& money, MicroUsdPerHour price,
                          std::string_view whose, absl::Time now);

// What runs will break `budget` unless it stops within kBudgetMargin: "" = it will not. Happens
// when prices rose, or a limit was lowered.
inline constexpr absl::Duration kBudgetMargin = absl::Minutes(10);
std::string BudgetBreach(const specpb::Budget& budget, const Money& money, std::string_view whose,
                         absl::Time now);

// What is spent until the next midnight UTC if nobody acts any more.
MicroUsd WorstCase(const Money& money, absl::Time now);

}  // namespace muster::fleet
