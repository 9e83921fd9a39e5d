// Invariants of money. What was spent is the simulator's ledger; limits and intents are the log's.
#include <algorithm>
#include <map>

#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"
#include "tests/storm/invariants.h"

namespace muster::storm {
namespace {

using vastsim::InstanceView;
using vastsim::LedgerLine;

double Usd(MicroUsd amount) { return static_cast<double>(amount.micros) / 1e6; }
double Usd(MicroUsdPerHour price) { return static_cast<double>(price.micros) / 1e6; }
double Usd(std::int64_t micros) { return static_cast<double>(micros) / 1e6; }

// The published bound: what the log may miss of one contract is what it costs in this time, plus
// what it is dearer than the log knows, until a list has shown it.
constexpr absl::Duration kAnswerLag = absl::Minutes(2);
// Clocks that are set back lose what was not written yet.
constexpr absl::Duration kLostPerStep = absl::Minutes(7);

// Since when the log knows that this contract costs as much as it does; now when it does not.
absl::Time PriceKnown(const Facts& facts, const std::string& worker, const InstanceView& each) {
  const auto prices = facts.book.prices().find(worker);
  if (prices == facts.book.prices().end()) return facts.ground.now;
  for (const PriceSeen& seen : prices->second) {
    if (Usd(seen.price) >= each.usd_per_hour - 1e-6) return seen.at;
  }
  return facts.ground.now;
}

double HighestKnown(const Facts& facts, const std::string& worker, const InstanceView& each) {
  double highest = each.usd_per_hour;
  const auto prices = facts.book.prices().find(worker);
  if (prices != facts.book.prices().end()) {
    for (const PriceSeen& seen : prices->second) highest = std::max(highest, Usd(seen.price));
  }
  const auto intent = facts.book.intents().find(TokenOf(each.label));
  if (intent != facts.book.intents().end()) {
    highest = std::max(highest, Usd(intent->second.price));
  }
  return highest;
}

bool StoodStill(const InstanceView& each, absl::Time at) {
  return each.last_batch <= at &&
         std::any_of(each.failures.begin(), each.failures.end(), [&](const auto& failure) {
           return failure.how == vastsim::Failure::kStopped && failure.at <= at;
         });
}

std::string Compare(const Facts& facts, const LedgerLine& line, const std::string& worker) {
  const InstanceView& each = *facts.ground.Find(line.instance);
  const auto ended = facts.book.ended().find(worker);
  const worker::State* state = facts.book.world().FindWorker(WorkerId(worker));
  if (ended == facts.book.ended().end() && state == nullptr) return "";
  const bool over = ended != facts.book.ended().end();
  const double by_log = over ? Usd(ended->second.spent) : Usd(state->SpentAt(facts.ours));
  const double by_ledger = Usd(line.total);
  const double highest = HighestKnown(facts, worker, each);
  const auto taken_in = facts.book.adopted().find(worker);
  const bool adopted = taken_in != facts.book.adopted().end();
  const auto intent = facts.book.intents().find(TokenOf(each.label));
  const absl::Time begun = adopted                                ? taken_in->second
                           : intent == facts.book.intents().end() ? each.created
                                                                  : intent->second.at;
  const double agreed =
      intent == facts.book.intents().end() ? each.usd_per_hour : Usd(intent->second.price);
  const absl::Duration unknown = std::max(
      absl::ZeroDuration(), std::min(PriceKnown(facts, worker, each), each.ended) - each.created);
  double missed =
      highest * absl::ToDoubleHours(kAnswerLag + facts.deeds.clock_set_back * kLostPerStep);
  missed += std::max(0.0, each.usd_per_hour - agreed) * absl::ToDoubleHours(unknown);
  if (adopted) missed += highest * absl::ToDoubleHours(begun - each.created);
  // A stray that stood still when it was taken in is listed at its disk's price: what it had cost
  // while it ran nobody can know.
  if (adopted && StoodStill(each, begun)) missed += Usd(line.gpu);
  if (by_ledger > by_log + missed + 1e-4) {
    return Cat("the ledger has $", by_ledger, " for ", Tell(each), ", the log $", by_log,
               " for worker ", worker, ", and at most $", missed, " may be missing");
  }
  const absl::Time end = over ? ended->second.at : facts.ground.now;
  const double most =
      highest * absl::ToDoubleHours(end - begun + kAnswerLag + facts.deeds.clock_moved);
  if (by_log > most + 1e-4) {
    return Cat("the log has $", by_log, " for worker ", worker, ", which from begin to end at $",
               highest, "/h is at most $", most, "; the ledger has $", by_ledger);
  }
  return "";
}

// One fleet, or with "" the account.
struct Party {
  std::string fleet;
  specpb::Budget budget;
  std::string name;
};
std::vector<Party> Parties(const Facts& facts) {
  std::vector<Party> parties;
  for (const auto& [fleet, changes] : facts.book.budgets()) {
    parties.push_back({fleet, LoosestBudget(changes, facts.ground.now), Cat("fleet ", fleet)});
  }
  parties.push_back({"", facts.weather.account_budget, "the account"});
  return parties;
}
bool Limited(const specpb::Budget& budget) {
  return budget.per_hour_micro_usd() > 0 || budget.per_day_micro_usd() > 0 ||
         budget.total_micro_usd() > 0;
}
absl::Duration UntilMidnight(absl::Time at) {
  return absl::Seconds(86'400 - absl::ToUnixSeconds(at) % 86'400);
}

}  // namespace

std::string TheLedgerIsWhatTheLogSays(const Facts& facts) {
  for (const LedgerLine& line : facts.ground.ledger) {
    const auto worker = facts.book.worker_of_instance().find(Cat(line.instance));
    if (worker == facts.book.worker_of_instance().end()) continue;
    std::string wrong = Compare(facts, line, worker->second);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string BurnWithinTheBudget(const Facts& facts) {
  for (const Party& party : Parties(facts)) {
    const double limit = Usd(party.budget.per_hour_micro_usd());
    if (limit <= 0) continue;
    const Spending now = SpendingOf(party.fleet, facts.book, facts.deeds, facts.ground, facts.days);
    if (now.burn + now.asked <= limit + 1e-5) continue;
    return Cat(party.name, " burns $", now.burn, "/h with ", now.living,
               " machines and asked for $", now.asked, "/h more, allowed are $", limit, "/h");
  }
  return "";
}

// Asked right after a rent: of whoever rented, since what already runs may come near its limits.
std::string WorstCaseWithinTheBudget(const Facts& facts) {
  if (facts.ground.ledger.empty()) return "";
  const LedgerLine& newest =
      *std::max_element(facts.ground.ledger.begin(), facts.ground.ledger.end(),
                        [](const auto& a, const auto& b) { return a.created < b.created; });
  // The request may have come to nothing.
  if (newest.created + absl::Seconds(1) < facts.ground.now) return "";
  const std::string renter = FleetOf(facts.book, newest.instance, newest.label);
  for (const Party& party : Parties(facts)) {
    if (!party.fleet.empty() && party.fleet != renter) continue;
    const double day = Usd(party.budget.per_day_micro_usd());
    const double total = Usd(party.budget.total_micro_usd());
    if (day <= 0 && total <= 0) continue;
    const Spending now = SpendingOf(party.fleet, facts.book, facts.deeds, facts.ground, facts.days);
    const double burn = now.burn + now.asked;
    const double slack =
        now.slack_per_hour * absl::ToDoubleHours(kAnswerLag + facts.deeds.clock_moved) + 1e-4;
    // Asked for before midnight, rented after it: the new day was not known to the asking.
    const absl::Duration rest = UntilMidnight(facts.ours);
    const bool new_day = rest + absl::Minutes(20) > absl::Hours(24) ||
                         facts.deeds.leapt + absl::Minutes(20) > facts.ground.now;
    const double until = now.today + burn * absl::ToDoubleHours(rest);
    if (day > 0 && !new_day && until > day + slack) {
      return Cat(party.name, " rents, and spends $", until,
                 " until midnight if nobody acts any "
                 "more, allowed are $",
                 day);
    }
    if (total > 0 && now.total + burn > total + slack) {
      return Cat(party.name, " rents with $", now.total, " spent and $", burn,
                 "/h running or asked for, allowed are $", total, " in all");
    }
  }
  return "";
}

std::string SpentWithinTheBudget(const Facts& facts) {
  const account::State* account = facts.book.world().FindAccount(ProviderName("vast"));
  // With a key that is refused nothing can be ended.
  const bool refused =
      account != nullptr && account->Find(eventpb::AccountTroubleBegan::AUTH) != nullptr;
  for (const Party& party : Parties(facts)) {
    if (!Limited(party.budget) || refused) continue;
    const Spending now = SpendingOf(party.fleet, facts.book, facts.deeds, facts.ground, facts.days);
    if (now.living == 0 || now.all_condemned) continue;  // what can be done was done
    const double slack =
        now.slack_per_hour * absl::ToDoubleHours(kAnswerLag + facts.deeds.clock_moved) + 1e-4;
    const double day = Usd(party.budget.per_day_micro_usd());
    if (day > 0 && now.today > day + slack) {
      return Cat(party.name, " spent $", now.today, " today and goes on, allowed are $", day);
    }
    const double total = Usd(party.budget.total_micro_usd());
    if (total > 0 && now.total > total + slack) {
      return Cat(party.name, " spent $", now.total, " and goes on, allowed are $", total);
    }
  }
  return "";
}

std::string NoSpendWhileWaitingForCredit(const Facts& facts) {
  absl::Time last_probe = absl::InfinitePast();
  std::map<Position, const Intent*> in_order;
  for (const auto& [token, intent] : facts.book.intents()) in_order[intent.position] = &intent;
  for (const auto& [position, intent] : in_order) {
    if (!intent->credit_wait) continue;
    if (!intent->probe) {
      return Cat("event ", position, " asks for ", intent->label, " while there is no credit");
    }
    const absl::Duration pause = intent->at - last_probe + facts.deeds.clock_moved;
    if (pause < absl::Minutes(5) - absl::Seconds(1)) {
      return Cat("event ", position, " probes for credit ", FormatSpan(intent->at - last_probe),
                 " after the last probe");
    }
    last_probe = intent->at;
  }
  return "";
}

std::string CreditWaitEndsWithCredit(const Facts& facts) {
  for (const absl::Time at : facts.book.credit_waits_ended()) {
    for (const auto& [from, to] : facts.deeds.credit_out) {
      // What was under way when it ended may still tell of before.
      if (at <= from + absl::Minutes(3) || at >= to) continue;
      return Cat("the wait for credit was ended at ", FormatClock(at),
                 ", and there was none until ", FormatClock(to));
    }
  }
  return "";
}

}  // namespace muster::storm
