// Invariants of verdicts: who is destroyed, on what ground, and what is held against whom. The
// ground is looked for in what the simulator did to that machine, at that time.
#include <algorithm>
#include <set>

#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"
#include "tests/storm/invariants.h"

namespace muster::storm {
namespace {

using vastsim::InstanceView;

double Usd(MicroUsdPerHour price) { return static_cast<double>(price.micros) / 1e6; }

const std::set<std::string>& RulesOfSight() {
  static const std::set<std::string> rules = {"fatal-error", "broken-launch", "stuck-boot",
                                              "stuck-setup", "stuck-warmup",  "no-progress",
                                              "offline"};
  return rules;
}

// The dearest that a contract ever was.
double DearestPrice(const Facts& facts, const InstanceView& each) {
  double dearest = each.usd_per_hour;
  const auto rented = facts.deeds.rented_at.find(each.id);
  if (rented != facts.deeds.rented_at.end()) dearest = std::max(dearest, rented->second);
  const auto set = facts.deeds.prices_set.find(each.id);
  if (set != facts.deeds.prices_set.end()) {
    for (const Deeds::Price& price : set->second) dearest = std::max(dearest, price.usd_per_hour);
  }
  return dearest;
}

// Contracts of the verdict's fleet (of all with "") that lived when it was given and were not
// condemned before.
std::vector<const InstanceView*> Remaining(const Facts& facts, const Condemned& verdict,
                                           const std::string& fleet) {
  std::vector<const InstanceView*> out;
  for (const InstanceView* each : facts.ground.LivingAt(verdict.at)) {
    const std::string whose = FleetOf(facts.book, each->id, each->label);
    if (whose.empty() || (!fleet.empty() && whose != fleet)) continue;
    const auto worker = facts.book.worker_of_instance().find(Cat(each->id));
    if (worker != facts.book.worker_of_instance().end()) {
      const auto before = facts.book.condemned().find(worker->second);
      if (before != facts.book.condemned().end() && before->second.position < verdict.position) {
        continue;
      }
    }
    out.push_back(each);
  }
  return out;
}

bool TooMany(const Facts& facts, const Condemned& verdict) {
  const std::size_t have = Remaining(facts, verdict, verdict.fleet).size();
  return static_cast<int>(have) + verdict.launching > verdict.wanted;
}

// By full prices and whole lives, as the log counts, which is never less than the ledger.
struct Full {
  double burn = 0, day = 0, total = 0, slack = 0;
};
Full FullPrice(const Facts& facts, const Condemned& verdict, const std::string& fleet) {
  Full full{.burn = Usd(verdict.launching_burn)};
  for (const InstanceView* each : Remaining(facts, verdict, fleet)) {
    full.burn += DearestPrice(facts, *each);
  }
  const absl::Duration moved = facts.deeds.clock_moved;
  const absl::Time midnight =
      absl::FromUnixSeconds(absl::ToUnixSeconds(verdict.at) / 86'400 * 86'400);
  for (const vastsim::LedgerLine& line : facts.ground.ledger) {
    const std::string whose = FleetOf(facts.book, line.instance, line.label);
    if (whose.empty() || (!fleet.empty() && whose != fleet)) continue;
    const InstanceView* each = facts.ground.Find(line.instance);
    const double price = DearestPrice(facts, *each);
    const absl::Time end = std::min(each->ended + absl::Minutes(10), verdict.at);
    const absl::Duration life =
        std::max(absl::ZeroDuration(), end - each->created + absl::Minutes(3) + moved);
    full.total += price * absl::ToDoubleHours(life);
    full.day += price * absl::ToDoubleHours(std::min(life, end - midnight + moved));
  }
  full.slack = full.burn * absl::ToDoubleHours(absl::Minutes(10) + moved) + 1e-4;
  return full;
}
bool Over(const specpb::Budget& budget, const Full& full) {
  const auto over = [](std::int64_t limit, double amount) {
    return limit > 0 && amount >= static_cast<double>(limit) / 1e6 - 1e-5;
  };
  return over(budget.per_hour_micro_usd(), full.burn) ||
         over(budget.per_day_micro_usd(), full.day + full.slack) ||
         over(budget.total_micro_usd(), full.total + full.slack);
}
bool OverBudget(const Facts& facts, const Condemned& verdict) {
  return Over(verdict.budget, FullPrice(facts, verdict, verdict.fleet)) ||
         Over(facts.weather.account_budget, FullPrice(facts, verdict, ""));
}

// The newcomer that the worker made room for works.
bool ReplacedByAWorkingOne(const Facts& facts, const Condemned& verdict) {
  for (const auto& [token, intent] : facts.book.intents()) {
    if (!intent.trial || intent.replaces != verdict.worker) continue;
    const auto had = facts.book.instances_of().find(intent.worker);
    if (had == facts.book.instances_of().end()) continue;
    for (const std::string& id : had->second) {
      const InstanceView* newcomer = facts.ground.Find(id);
      // A container that was started anew counts its batches from nothing.
      const bool worked = newcomer != nullptr &&
                          (newcomer->batches > 0 || newcomer->last_batch > absl::InfinitePast());
      if (worked) return true;
    }
  }
  return false;
}

// Another one holds the same place, or has the same token, and was not the worse of the two.
bool IsDoubled(const Facts& facts, const Condemned& verdict, const InstanceView& gone) {
  const bool worked = gone.failures.empty() && gone.last_batch + kProducing > verdict.at;
  for (const InstanceView* each :
       facts.ground.LivedBetween(verdict.at - absl::Minutes(10), verdict.at)) {
    if (each->id == gone.id) continue;
    const bool twin = each->label == gone.label;
    const bool same_place = PlaceOf(each->label) == PlaceOf(gone.label);
    // Who was taken in may have been given another place than its label says.
    const auto worker = facts.book.worker_of_instance().find(Cat(each->id));
    const bool taken_in = worker != facts.book.worker_of_instance().end() &&
                          (verdict.adopted || facts.book.adopted().contains(worker->second)) &&
                          facts.book.fleet_of_worker().at(worker->second) == verdict.fleet;
    if (!twin && !same_place && !taken_in) continue;
    if (worked && !twin && each->batches == 0) continue;  // the worse one was kept
    return true;
  }
  return false;
}

// Nobody in the log accounts for it, or whoever did has ended.
bool IsOrphan(const Facts& facts, const Condemned& verdict, const InstanceView& gone) {
  if (IsExtra(facts.book, facts.deeds, facts.ground, gone.id, gone.label)) return true;
  if (facts.deeds.strays.contains(gone.id)) return true;
  if (!verdict.fleet_active) return true;
  const auto ended = facts.book.ended().find(TokenOf(gone.label));
  return ended != facts.book.ended().end() && ended->second.position < verdict.position;
}

bool WasNamed(const Facts& facts, const Condemned& verdict, bool with_strike) {
  const auto named = facts.deeds.workers_named.find(verdict.worker);
  if (named == facts.deeds.workers_named.end()) return false;
  return std::any_of(named->second.begin(), named->second.end(), [&](const Deeds::Named& one) {
    return one.at <= verdict.at && (one.strike || !with_strike);
  });
}
bool WasDowned(const Facts& facts, const Condemned& verdict) {
  const auto downs = facts.deeds.fleets_downed.find(verdict.fleet);
  if (downs == facts.deeds.fleets_downed.end()) return false;
  // Taken up again at the same moment: what the down made us decide is carried out all the same.
  const bool just_now = std::any_of(downs->second.begin(), downs->second.end(), [&](absl::Time at) {
    return at <= verdict.at && verdict.at - at <= absl::Seconds(1);
  });
  return just_now || (!verdict.fleet_active && downs->second.front() <= verdict.at);
}

// The provider stopped it because nobody paid: no ground to give it up, while that is so.
bool StoppedForCredit(const Facts& facts, const Condemned& verdict, const InstanceView& gone) {
  for (const auto& [from, to] : facts.deeds.credit_out) {
    if (verdict.at < from + absl::Minutes(3) || verdict.at >= to) continue;
    const auto other = [&](const vastsim::FailureSeen& seen) {
      return seen.at <= verdict.at && Explains(verdict.rule, seen.how) &&
             (seen.how != vastsim::Failure::kStopped || seen.at < from);
    };
    return std::none_of(gone.failures.begin(), gone.failures.end(), other);
  }
  return false;
}

// Whether the world, as it really was, gives `verdict` on `gone` a ground.
bool Justified(const Facts& facts, const Condemned& verdict, const InstanceView& gone) {
  const std::string& rule = verdict.rule;
  if (RulesOfSight().contains(rule) || rule == "upgrade-failed") {
    return HadFailure(gone, rule, verdict.at, /*machines_own=*/false) &&
           !StoppedForCredit(facts, verdict, gone);
  }
  if (rule == "over-cost") return DearestPrice(facts, gone) > Usd(verdict.price_max);
  if (rule == "over-budget") return OverBudget(facts, verdict);
  if (rule == "upgrade") return ReplacedByAWorkingOne(facts, verdict);
  if (rule == "downscale") return TooMany(facts, verdict);
  if (rule == "down") return WasDowned(facts, verdict);
  if (rule == "duplicate") return IsDoubled(facts, verdict, gone);
  if (rule == "orphan") return IsOrphan(facts, verdict, gone);
  if (rule == "quota-rollout") return verdict.quota;
  if (rule == "operator") return WasNamed(facts, verdict, /*with_strike=*/false);
  return false;
}

}  // namespace

std::string EveryDestroyWasDecided(const Facts& facts) {
  for (const InstanceView& gone : facts.ground.past) {
    if (gone.end_cause != "destroyed") continue;
    if (!facts.book.destroyers().contains(Cat(gone.id))) {
      return Cat(Tell(gone), " was destroyed, and no event asked for it");
    }
  }
  return "";
}

std::string NobodyProducingIsDestroyedWithoutAReason(const Facts& facts) {
  for (const InstanceView& gone : facts.ground.past) {
    if (gone.end_cause != "destroyed") continue;
    const auto by = facts.book.destroyers().find(Cat(gone.id));
    if (by == facts.book.destroyers().end()) continue;
    bool justified = false;
    std::string rules;
    for (const std::string& worker : by->second) {
      const auto verdict = facts.book.condemned().find(worker);
      if (verdict == facts.book.condemned().end()) continue;
      rules +=
          Cat(rules.empty() ? "" : ", ", verdict->second.rule, " (", verdict->second.summary, ")");
      justified = justified || Justified(facts, verdict->second, gone);
    }
    if (justified) continue;
    return Cat(Tell(gone), " was destroyed at ", FormatClock(gone.ended), " for '", rules,
               gone.ended - gone.last_batch < kProducing ? "' while it was producing"
                                                         : "' and that was not so");
  }
  return "";
}

std::string NobodyIsCondemnedUnseen(const Facts& facts) {
  for (const auto& [worker, verdict] : facts.book.condemned()) {
    if (!RulesOfSight().contains(verdict.rule)) continue;
    using H = eventpb::WorkerHealthChanged;
    const bool unwell =
        verdict.health != H::HEALTHY && verdict.health != H::UNKNOWN && verdict.health != H::HELD;
    // A machine that does not come up is judged by lists too; one that is away by lists alone.
    const bool by_lists = verdict.rule == "offline" || verdict.rule == "stuck-boot";
    const bool by_log = verdict.rule != "offline";
    const bool seen =
        (by_lists && verdict.list_failures == 0) || (by_log && verdict.log_failures == 0);
    if (unwell && seen) continue;
    return Cat("event ", verdict.position, " condemns ", worker, " for ", verdict.rule, " while ",
               H::Health_Name(verdict.health), ", after ", verdict.log_failures,
               " failed looks at its log and ", verdict.list_failures, " at lists");
  }
  return "";
}

std::string StrikesOnlyForFailuresOfTheMachine(const Facts& facts) {
  for (const Struck& strike : facts.book.struck()) {
    const auto verdict = facts.book.condemned().find(strike.worker);
    if (verdict == facts.book.condemned().end()) {
      return Cat("event ", strike.position, " strikes machine ", strike.machine,
                 " for a worker that was never condemned");
    }
    if (strike.rule == "operator" && WasNamed(facts, verdict->second, /*with_strike=*/true)) {
      continue;
    }
    const auto had = facts.book.instances_of().find(strike.worker);
    bool failed = false;
    std::string who = "no instance";
    if (had != facts.book.instances_of().end()) {
      for (const std::string& id : had->second) {
        const InstanceView* instance = facts.ground.Find(id);
        if (instance == nullptr) continue;
        who = Tell(*instance);
        const bool same_machine = Cat(instance->machine) == strike.machine;
        failed = failed || (same_machine && HadFailure(*instance, strike.rule, verdict->second.at,
                                                       /*machines_own=*/true));
      }
    }
    if (!failed) {
      return Cat("event ", strike.position, " strikes machine ", strike.machine, " (", strike.rule,
                 ") for ", who);
    }
  }
  return "";
}

}  // namespace muster::storm
