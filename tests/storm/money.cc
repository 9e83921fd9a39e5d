#include "tests/storm/money.h"

#include <algorithm>

#include "eventstore/base/strings.h"

namespace muster::storm {
namespace {

constexpr absl::Duration kCarryingOut = absl::Minutes(20);
constexpr absl::Duration kDay = absl::Hours(24);

double Usd(MicroUsd amount) { return static_cast<double>(amount.micros) / 1e6; }
double Usd(MicroUsdPerHour price) { return static_cast<double>(price.micros) / 1e6; }

std::int64_t Looser(std::int64_t a, std::int64_t b) {
  return a == 0 || b == 0 ? 0 : std::max(a, b);
}

bool IsCondemned(const LogBook& book, std::int64_t instance) {
  return book.destroyers().contains(Cat(instance));
}

// What was asked for of `fleet` ("" = all) and neither came to nothing nor lives already.
double Asked(const std::string& fleet, const LogBook& book, const Ground& ground) {
  double asked = 0;
  for (const auto& [token, intent] : book.intents()) {
    if (!fleet.empty() && intent.fleet != fleet) continue;
    if (book.ended().contains(intent.worker) || book.instances_of().contains(intent.worker)) {
      continue;
    }
    const bool there = std::any_of(ground.ledger.begin(), ground.ledger.end(),
                                   [&](const auto& line) { return line.label == intent.label; });
    if (!there) asked += Usd(intent.price);
  }
  return asked;
}

}  // namespace

void DayBook::Look(const Ground& ground, absl::Time ours) {
  const std::int64_t day = absl::ToUnixSeconds(ours) / absl::ToInt64Seconds(kDay);
  if (day > day_) {
    at_midnight_ = last_;
    day_ = day;
  }
  for (const vastsim::LedgerLine& line : ground.ledger) last_[line.instance] = Usd(line.total);
}

double DayBook::Today(const vastsim::LedgerLine& line) const {
  const auto before = at_midnight_.find(line.instance);
  return Usd(line.total) - (before == at_midnight_.end() ? 0 : before->second);
}

std::string FleetOf(const LogBook& book, std::int64_t instance, const std::string& label) {
  const auto worker = book.worker_of_instance().find(Cat(instance));
  if (worker != book.worker_of_instance().end()) {
    return book.fleet_of_worker().at(worker->second);
  }
  const auto intent = book.intents().find(TokenOf(label));
  return intent == book.intents().end() ? "" : intent->second.fleet;
}

bool IsExtra(const LogBook& book, const Deeds& deeds, const Ground& ground, std::int64_t instance,
             const std::string& label) {
  if (!deeds.rented_twice.contains(label)) return false;
  const auto owned = book.instances_of().find(TokenOf(label));
  if (owned != book.instances_of().end()) return !owned->second.contains(Cat(instance));
  return std::any_of(ground.ledger.begin(), ground.ledger.end(), [&](const auto& line) {
    return line.label == label && line.instance < instance;
  });
}

bool OutOfOurHands(const LogBook& book, const Deeds& deeds, const Ground& ground,
                   std::int64_t instance, const std::string& label) {
  return deeds.strangers.contains(instance) || deeds.strays.contains(instance) ||
         deeds.destroy_denied.contains(instance) || IsExtra(book, deeds, ground, instance, label);
}

double AgreedPrice(const LogBook& book, const vastsim::InstanceView& each) {
  const auto intent = book.intents().find(TokenOf(each.label));
  if (intent == book.intents().end()) return each.usd_per_hour;
  return std::min(each.usd_per_hour, Usd(intent->second.price));
}

Spending SpendingOf(const std::string& fleet, const LogBook& book, const Deeds& deeds,
                    const Ground& ground, const DayBook& days) {
  Spending sum;
  for (const vastsim::LedgerLine& line : ground.ledger) {
    const std::string whose = FleetOf(book, line.instance, line.label);
    if (whose.empty() || (!fleet.empty() && whose != fleet)) continue;
    if (OutOfOurHands(book, deeds, ground, line.instance, line.label)) continue;
    const vastsim::InstanceView* each = ground.Find(line.instance);
    const double agreed = AgreedPrice(book, *each);
    // Of what became dearer the part that was agreed to counts.
    const double share = each->usd_per_hour > 0 ? agreed / each->usd_per_hour : 1;
    sum.today += days.Today(line) * share;
    sum.total += Usd(line.total) * share;
    if (line.ended + absl::Hours(1) > ground.now) sum.slack_per_hour += agreed;
    if (line.ended <= ground.now) continue;
    ++sum.living;
    sum.burn += agreed;
    sum.all_condemned = sum.all_condemned && IsCondemned(book, line.instance);
  }
  sum.asked = Asked(fleet, book, ground);
  return sum;
}

specpb::Budget LoosestBudget(const std::vector<BudgetChange>& changes, absl::Time at) {
  specpb::Budget loosest;
  bool any = false;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const bool over = i + 1 < changes.size() && changes[i + 1].at < at - kCarryingOut;
    if (over) continue;
    const specpb::Budget& one = changes[i].budget;
    if (!any) {
      loosest = one;
    } else {
      loosest.set_per_hour_micro_usd(
          Looser(loosest.per_hour_micro_usd(), one.per_hour_micro_usd()));
      loosest.set_per_day_micro_usd(Looser(loosest.per_day_micro_usd(), one.per_day_micro_usd()));
      loosest.set_total_micro_usd(Looser(loosest.total_micro_usd(), one.total_micro_usd()));
    }
    any = true;
  }
  return loosest;
}

}  // namespace muster::storm
