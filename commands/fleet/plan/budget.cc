#include "commands/fleet/plan/budget.h"

#include <algorithm>

#include "eventstore/base/canary.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

std::string Over(std::string_view whose, std::string_view which, std::string_view sum,
                 MicroUsd limit, std::string_view unit) {
  return Cat(whose, " ", which, ": ", sum, " > ", FormatUsd(limit), unit);
}

}  // namespace

std::string BudgetRefusal(const specpb::Budget& budget, const Money& money, MicroUsdPerHour price,
                          std::string_view whose, absl::Time now) {
  const MicroUsdPerHour burn = money.burn + price;
  if (budget.per_hour_micro_usd() > 0 && burn.micros > budget.per_hour_micro_usd()) {
    return Over(whose, "per hour",
                Cat(FormatUsdPerHour(money.burn), " + ", FormatUsdPerHour(price)),
                MicroUsd(budget.per_hour_micro_usd()), "/h");
  }
  const MicroUsd rest =
      MUSTER_CANARY("day-without-worst-case") ? MicroUsd() : Cost(burn, NextMidnight(now) - now);
  if (budget.per_day_micro_usd() > 0 && (money.today + rest).micros > budget.per_day_micro_usd()) {
    return Over(whose, "per day",
                Cat(FormatUsd(money.today), " + ", FormatUsd(rest), " until midnight UTC"),
                MicroUsd(budget.per_day_micro_usd()), "");
  }
  if (MUSTER_CANARY("total-budget-forgotten")) return "";
  const MicroUsd hour = Cost(burn, absl::Hours(1));
  if (budget.total_micro_usd() > 0 && (money.total + hour).micros > budget.total_micro_usd()) {
    return Over(whose, "total", Cat(FormatUsd(money.total), " + ", FormatUsd(hour), " for an hour"),
                MicroUsd(budget.total_micro_usd()), "");
  }
  return "";
}

std::string BudgetBreach(const specpb::Budget& budget, const Money& money, std::string_view whose,
                         absl::Time now) {
  if (money.burn.micros <= 0) return "";
  if (budget.per_hour_micro_usd() > 0 && money.burn.micros > budget.per_hour_micro_usd()) {
    return Over(whose, "per hour", FormatUsdPerHour(money.burn),
                MicroUsd(budget.per_hour_micro_usd()), "/h");
  }
  const MicroUsd day_rest = Cost(money.burn, std::min(kBudgetMargin, NextMidnight(now) - now));
  if (budget.per_day_micro_usd() > 0 &&
      (money.today + day_rest).micros > budget.per_day_micro_usd()) {
    return Over(
        whose, "per day",
        Cat(FormatUsd(money.today), " + ", FormatUsd(day_rest), " for ", FormatSpan(kBudgetMargin)),
        MicroUsd(budget.per_day_micro_usd()), "");
  }
  const MicroUsd rest = Cost(money.burn, kBudgetMargin);
  if (budget.total_micro_usd() > 0 && (money.total + rest).micros > budget.total_micro_usd()) {
    return Over(
        whose, "total",
        Cat(FormatUsd(money.total), " + ", FormatUsd(rest), " for ", FormatSpan(kBudgetMargin)),
        MicroUsd(budget.total_micro_usd()), "");
  }
  return "";
}

MicroUsd WorstCase(const Money& money, absl::Time now) {
  return Cost(money.burn, NextMidnight(now) - now);
}

}  // namespace muster::fleet
