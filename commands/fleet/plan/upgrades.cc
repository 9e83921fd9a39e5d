// Step: upgrades. All is well and a clearly better machine is to be had: rent it beside the worst
// worker, and let that one go once the new one works.
#include <algorithm>
#include <limits>

#include "absl/strings/str_format.h"
#include "commands/fleet/plan/replenish.h"
#include "commands/rules.h"
#include "eventstore/base/canary.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

constexpr absl::Duration kCooldownDefault = absl::Minutes(30);
constexpr absl::Duration kTrialDefault = absl::Minutes(15);
constexpr absl::Duration kPaybackDefault = absl::Hours(2);
constexpr double kGainDefault = 0.15;

absl::Duration Or(std::int64_t seconds, absl::Duration otherwise) {
  return seconds > 0 ? absl::Seconds(seconds) : otherwise;
}

// The launch, and the observations that show what came of it.
std::vector<std::uint64_t> SeenToWork(const Card& trial) {
  const auto& seen = trial.assessment.evidence.positions();
  std::vector<std::uint64_t> positions(seen.begin(), seen.end());
  positions.push_back(trial.begun.position);
  return positions;
}

void SettleTrials(Pass& pass, Scope& scope) {
  const absl::Duration limit = Or(scope.fleet.spec.upgrades().trial_s_max(), kTrialDefault);
  for (const WorkerId& id : scope.board.RunningTrials()) {
    const Card& trial = scope.board.cards.at(id);
    if (trial.part != Card::Part::kLive || scope.going.count(id) > 0) continue;
    const absl::Duration age = pass.now - trial.watched_since;
    Condemnation condemnation;
    if (trial.assessment.health == eventpb::WorkerHealthChanged::HEALTHY && trial.produced) {
      condemnation.evidence =
          EvidenceOf(rules::kUpgrade, Cat("worker/", id.str(), " works and takes its place"),
                     scope.fleet.PolicyVersion(), {}, SeenToWork(trial));
      Condemn(pass, scope, trial.replaces, std::move(condemnation));
    } else if (age < limit) {
      pass.Due(trial.watched_since + limit);
    } else if (trial.assessment.health == eventpb::WorkerHealthChanged::UNKNOWN ||
               trial.assessment.health == eventpb::WorkerHealthChanged::HELD) {
      // Nobody can say whether it works: judged when its health is known again.
    } else {
      condemnation.evidence =
          EvidenceOf(rules::kUpgradeFailed,
                     Cat("does not work after ", FormatSpan(age), " >= ", FormatSpan(limit)),
                     scope.fleet.PolicyVersion(),
                     {{"trial", absl::ToDoubleSeconds(age), absl::ToDoubleSeconds(limit), "s"}},
                     {trial.begun.position});
      condemnation.by_sight = true;
      Condemn(pass, scope, id, std::move(condemnation));
    }
  }
}

// All wanted are there and work, nothing is in motion, and the churn budget allows one more.
bool Calm(Pass& pass, Scope& scope) {
  const specpb::Upgrades& upgrades = scope.fleet.spec.upgrades();
  if (!scope.gate.may_launch || pass.credit_moved.count(scope.provider) > 0) return false;
  if (!scope.going.empty() || scope.coming > 0) return false;
  if (!scope.board.RunningTrials().empty()) return false;
  if (scope.board.launching > 0 || scope.board.occupying != scope.board.open) return false;
  if (scope.have() != scope.fleet.wanted() || scope.board.healthy != scope.fleet.wanted()) {
    return false;
  }
  const Stamp last = std::max(scope.board.last_trial, scope.fleet.last_upgrade,
                              [](const Stamp& a, const Stamp& b) { return a.at < b.at; });
  const absl::Duration cooldown = Or(upgrades.cooldown_s(), kCooldownDefault);
  const absl::Time cooled = OverAt(last.at, cooldown, pass.now);
  if (last.seen() && cooled > pass.now && !MUSTER_CANARY("flapping-upgrades")) {
    pass.Due(cooled);
    return false;
  }
  int recent = 0;
  for (const WorkerId& id : scope.board.trials_all) {
    const absl::Time begun = scope.board.cards.at(id).begun.at;
    if (OverAt(begun, absl::Hours(1), pass.now) > pass.now) ++recent;
  }
  return recent < std::max(1, upgrades.per_hour_max()) || MUSTER_CANARY("flapping-upgrades");
}

struct Worst {
  WorkerId id;
  double value = 0;
};
Worst WorstWorker(const Scope& scope) {
  const auto& order = scope.board.worst_first;
  if (order.empty()) return {};
  return {order.begin()->second, -order.begin()->first};
}

}  // namespace

void StepUpgrades(Pass& pass, Scope& scope) {
  SettleTrials(pass, scope);
  const specpb::Upgrades& upgrades = scope.fleet.spec.upgrades();
  if (!upgrades.enabled() || !scope.fleet.active() || scope.fleet.wanted() == 0) return;
  if (!Calm(pass, scope) || !PreflightSays(scope.fleet).empty()) return;
  if (!OffersFresh(scope.account, scope.clocks, pass.now)) return;
  const Worst worst = WorstWorker(scope);
  if (worst.id.empty()) return;
  const auto ranked = RankOffers(pass.world, scope.fleet.spec, scope.account->offers,
                                 TakenBy(pass, pass.board, scope.provider), pass.now);
  if (ranked.empty() || !ranked.front().verdict.empty()) return;
  const Ranked& best = ranked.front();
  const double gain = 1 - best.usd_per_hour_per_rate / worst.value;
  const double gain_min = upgrades.gain_min() > 0 ? upgrades.gain_min() : kGainDefault;
  if (gain < gain_min - 1e-9) return;  // at the threshold counts, whatever the rounding
  // Both run until the new one works: that is the price; what the same work costs less, the gain.
  const absl::Duration boot = scope.clocks.boot;
  const double saved_per_hour =
      (worst.value - best.usd_per_hour_per_rate) * best.expected.rate_per_s;
  const double boot_cost = MicroUsd(Cost(best.offer.price, boot)).usd();
  const absl::Duration payback = absl::Hours(1) * (boot_cost / saved_per_hour);
  const absl::Duration payback_max = Or(upgrades.payback_s_max(), kPaybackDefault);
  if (payback > payback_max || !BudgetSays(pass, scope, best.offer.price).empty()) return;
  LaunchAsk ask;
  ask.rule = rules::kUpgrade;
  ask.why = Cat(absl::StrFormat("%.0f", gain * 100), " % cheaper work than worker/", worst.id.str(),
                ", paid back in ", FormatSpan(payback));
  ask.index = scope.FreeIndex();
  ask.replaces = worst.id;
  ask.trial = true;
  ask.compared = {
      {"gain", gain, gain_min, "ratio"},
      {"payback", absl::ToDoubleSeconds(payback), absl::ToDoubleSeconds(payback_max), "s"}};
  ask.positions = {scope.board.cards.at(worst.id).begun.position};
  DecideLaunch(pass, scope, best, std::move(ask));
}

}  // namespace muster::fleet
