// Step: failures. Health as judged is written down, stopped workers are asked to start, and those
// with a verdict are condemned; then duplicates, and what a breached budget no longer allows.
#include <algorithm>

#include "commands/fleet/plan/budget.h"
#include "commands/fleet/plan/pass.h"
#include "commands/rules.h"
#include "eventstore/base/canary.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

void WriteHealth(Pass& pass, Scope& scope) {
  for (const WorkerId& id : scope.board.health_news) {
    const worker::Assessment& judged = scope.board.cards.at(id).assessment;
    eventpb::WorkerHealthChanged change;
    change.set_health(judged.health);
    change.set_detail(judged.detail);
    *change.mutable_evidence() = judged.evidence;
    pass.decisions.push_back(
        {kRuleHealth, scope.actor(), ForWorker{id, worker::ReportHealth{std::move(change)}}});
  }
}

void AskToStart(Pass& pass, Scope& scope) {
  if (!scope.gate.may_destroy || !scope.fleet.active()) return;
  for (const WorkerId& id : scope.board.to_start) {
    if (scope.going.count(id) > 0) continue;
    eventpb::Evidence evidence = scope.board.cards.at(id).assessment.evidence;
    evidence.set_rule(rules::kStart);
    pass.decisions.push_back(
        {rules::kStart, scope.actor(), ForWorker{id, worker::RequestStart{std::move(evidence)}}});
  }
}

// A span that is written anew every hour, not every minute.
std::string RoughSpan(absl::Duration span) {
  const absl::Duration step = span < absl::Hours(1) ? absl::Minutes(30) : absl::Hours(1);
  return FormatSpan(absl::Floor(span, step));
}

// Whom nobody can judge nobody destroys; but people are to know of it.
void TellOfUnheard(Pass& pass, Scope& scope) {
  if (!scope.fleet.active()) return;
  const WorkerId* longest = nullptr;
  absl::Time since = absl::InfiniteFuture();
  int count = 0;
  for (const WorkerId& id : scope.board.unheard) {
    const absl::Time heard = scope.board.cards.at(id).assessment.unheard_since;
    if (scope.going.count(id) > 0 || pass.now - heard < worker::kUnheardMax) continue;
    ++count;
    if (heard < since) {
      since = heard;
      longest = &id;
    }
  }
  if (longest == nullptr) return;
  const std::string others = count > 1 ? Cat(" (and ", count - 1, " more)") : "";
  scope.waits.push_back(
      MakeWait(eventpb::Wait::UNCLEAR,
               Cat("worker ", longest->str(), " unobserved for ", RoughSpan(pass.now - since),
                   ": its log cannot be read", others),
               "operator"));
}

void CarryOutVerdicts(Pass& pass, Scope& scope) {
  for (const WorkerId& id : scope.board.with_verdict) {
    const worker::Verdict& verdict = *scope.board.cards.at(id).assessment.verdict;
    Condemnation condemnation;
    condemnation.fault = verdict.fault;
    condemnation.replace = verdict.replace && scope.fleet.active();
    condemnation.strike_weight = scope.strikes_suspended ? 0 : verdict.strike_weight;
    if (MUSTER_CANARY("strike-on-our-fault")) condemnation.strike_weight = 1;
    condemnation.evidence = verdict.evidence;
    condemnation.by_sight = true;
    Condemn(pass, scope, id, std::move(condemnation));
  }
}

int HealthRank(worker::Health health) {
  using H = eventpb::WorkerHealthChanged;
  switch (health) {
    case H::HEALTHY:
      return 0;
    case H::STALLED:
      return 1;
    case H::WARMUP:
      return 2;
    case H::SETUP:
      return 3;
    case H::BOOT:
      return 4;
    case H::UNKNOWN:
      return 5;
    case H::HELD:
      return 6;
    case H::FAILING:
      return 7;
    case H::OFFLINE:
      return 8;
    default:
      return 9;
  }
}

// Two in one place: the healthier stays; among equals the one that has been there longer.
void ResolveDuplicates(Pass& pass, Scope& scope) {
  for (const int index : scope.board.crowded) {
    if (index < 0) continue;
    std::vector<WorkerId> live;
    for (const WorkerId& id : scope.board.places.at(index)) {
      const Card& card = scope.board.cards.at(id);
      if (card.part == Card::Part::kLive && scope.going.count(id) == 0) live.push_back(id);
    }
    if (live.size() < 2) continue;
    std::sort(live.begin(), live.end(), [&](const WorkerId& a, const WorkerId& b) {
      const Card& x = scope.board.cards.at(a);
      const Card& y = scope.board.cards.at(b);
      const int rx = HealthRank(x.assessment.health), ry = HealthRank(y.assessment.health);
      if (rx != ry) return rx < ry;
      return x.begun.position < y.begun.position;
    });
    const Card& kept = scope.board.cards.at(live.front());
    for (std::size_t i = 1; i < live.size(); ++i) {
      const Card& card = scope.board.cards.at(live[i]);
      Condemnation condemnation;
      condemnation.evidence =
          EvidenceOf(rules::kDuplicate,
                     Cat("place ", index, " is held by ", live.front().str(), " (",
                         worker::HealthName(kept.assessment.health), ") too"),
                     scope.fleet.PolicyVersion(),
                     {{"workers_in_place", static_cast<double>(live.size()), 1, "count"}},
                     {kept.begun.position, card.begun.position});
      Condemn(pass, scope, live[i], std::move(condemnation));
    }
  }
}

// A stray that was taken in only to be destroyed, and whose condemnation did not follow.
void FinishStrays(Pass& pass, Scope& scope) {
  const auto strays = scope.board.places.find(-1);
  if (strays == scope.board.places.end()) return;
  for (const WorkerId& id : strays->second) {
    Condemnation condemnation;
    condemnation.evidence =
        EvidenceOf(rules::kOrphan, "taken in to be destroyed", scope.fleet.PolicyVersion(), {},
                   {scope.board.cards.at(id).begun.position});
    Condemn(pass, scope, id, std::move(condemnation));
  }
}

MicroUsdPerHour BurnOf(const Scope& scope, const std::set<WorkerId>& workers) {
  MicroUsdPerHour burn;
  for (const WorkerId& id : workers) burn += scope.board.cards.at(id).burn;
  return burn;
}

// A limit and what counts against it. What is on its way out already counts as gone.
struct Purse {
  specpb::Budget budget;
  Money money;
  std::string whose;
};

Purse PurseOfFleet(const Pass& pass, const Scope& scope) {
  Money money = pass.board.MoneyOf(pass.world, scope.fleet.name, pass.now);
  money.burn -= BurnOf(scope, scope.going) + scope.board.leaving_burn;
  return {scope.fleet.spec.budget(), money, Cat("fleet ", scope.fleet.name.str())};
}

// What will go of a fleet that this pass comes to later: all of one that is taken down, and who has
// a verdict. On their account nobody else has to.
MicroUsdPerHour GoingAnyway(const Pass& pass, const FleetName& name, const FleetBoard& fleet) {
  const State* state = pass.world.FindFleet(name);
  if (state == nullptr) return {};
  if (!state->active()) return fleet.burn - fleet.leaving_burn;
  MicroUsdPerHour burn;
  for (const WorkerId& id : fleet.with_verdict) burn += fleet.cards.at(id).burn;
  return burn;
}

Purse PurseOfAccount(const Pass& pass, const Scope& scope) {
  const auto limits = pass.options.account_budgets.find(scope.provider);
  if (limits == pass.options.account_budgets.end()) return {};
  Money money = pass.board.MoneyOfAccount(pass.world, scope.provider, pass.now);
  for (const auto& [name, fleet] : pass.board.fleets()) {
    if (fleet.provider != scope.provider) continue;
    money.burn -= fleet.leaving_burn;
    if (scope.fleet.name < name) money.burn -= GoingAnyway(pass, name, fleet);
  }
  const auto given_up = pass.given_up_burn.find(scope.provider);
  if (given_up != pass.given_up_burn.end()) money.burn -= given_up->second;
  return {limits->second, money, Cat("account ", scope.provider.str())};
}

// Gives up workers until the rest fits. Of an account's fleets the one that is looked at first
// gives way first.
void TrimTo(Purse purse, Pass& pass, Scope& scope) {
  Money& money = purse.money;
  const specpb::Budget& budget = purse.budget;
  if (BudgetBreach(budget, money, purse.whose, pass.now).empty()) return;
  for (const WorkerId& id : LeastUsefulFirst(scope, pass.now)) {
    const std::string breach = BudgetBreach(budget, money, purse.whose, pass.now);
    if (breach.empty()) return;
    const Card& card = scope.board.cards.at(id);
    Condemnation condemnation;
    condemnation.evidence = EvidenceOf(
        rules::kOverBudget, breach, scope.fleet.PolicyVersion(),
        {{"burn", MicroUsd(money.burn.micros).usd(), 0, "usd_per_hour"},
         {"spent_today", money.today.usd(), MicroUsd(budget.per_day_micro_usd()).usd(), "usd"},
         {"spent_total", money.total.usd(), MicroUsd(budget.total_micro_usd()).usd(), "usd"}},
        {card.begun.position, scope.fleet.applied.position});
    Condemn(pass, scope, id, std::move(condemnation));
    money.burn -= card.burn;
  }
}

// When the budget will be reached at today's burn: time enough to look again.
void BudgetDue(Pass& pass, const Purse& purse) {
  const specpb::Budget& budget = purse.budget;
  const Money& money = purse.money;
  if (money.burn.micros <= 0) return;
  const auto look = [&](std::int64_t limit, MicroUsd spent) {
    if (limit <= 0 || limit <= spent.micros) return;
    const double hours =
        static_cast<double>(limit - spent.micros) / static_cast<double>(money.burn.micros);
    if (hours < 1e6) pass.Due(pass.now + absl::Hours(1) * hours - kBudgetMargin);
  };
  look(budget.per_day_micro_usd(), money.today);
  look(budget.total_micro_usd(), money.total);
}

}  // namespace

void Condemn(Pass& pass, Scope& scope, const WorkerId& id, Condemnation condemnation) {
  const Card& card = scope.board.cards.at(id);
  if (card.part != Card::Part::kLive || !scope.going.insert(id).second) return;
  pass.given_up_burn[scope.provider] += card.burn;
  eventpb::WorkerCondemned verdict;
  verdict.set_fault(condemnation.fault);
  verdict.set_replace(condemnation.replace);
  verdict.set_strike_weight(condemnation.strike_weight);
  const std::string rule = condemnation.evidence.rule();
  *verdict.mutable_evidence() = std::move(condemnation.evidence);
  if (MUSTER_CANARY("evidence-missing")) verdict.mutable_evidence()->clear_positions();
  worker::Condemn command{std::move(verdict)};
  const worker::State* state = pass.world.FindWorker(id);
  if (condemnation.by_sight && state != nullptr && state->live() != nullptr) {
    command.judged_to = state->live()->seen.newest();
  }
  pass.decisions.push_back({rule, scope.actor(), ForWorker{id, std::move(command)}});
}

void StepFailures(Pass& pass, Scope& scope) {
  WriteHealth(pass, scope);
  if (scope.gate.may_destroy) {
    CarryOutVerdicts(pass, scope);
    FinishStrays(pass, scope);
    if (!scope.gate.credit_wait) ResolveDuplicates(pass, scope);
    TrimTo(PurseOfFleet(pass, scope), pass, scope);
    TrimTo(PurseOfAccount(pass, scope), pass, scope);
    BudgetDue(pass, PurseOfFleet(pass, scope));
    BudgetDue(pass, PurseOfAccount(pass, scope));
  }
  AskToStart(pass, scope);
  TellOfUnheard(pass, scope);
}

}  // namespace muster::fleet
