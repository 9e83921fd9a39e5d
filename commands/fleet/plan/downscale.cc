// Step: downscale. More workers than wanted: the least useful go first.
#include <algorithm>
#include <limits>
#include <tuple>

#include "commands/fleet/plan/pass.h"
#include "commands/rules.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

constexpr absl::Duration kYoung = absl::Seconds(120);

// 0 does not work, 1 is too young to say, 2 the rest.
int Tier(const Card& card, absl::Time now) {
  using H = eventpb::WorkerHealthChanged;
  switch (card.assessment.health) {
    case H::OFFLINE:
    case H::FAILING:
    case H::HELD:
      return 0;
    default:
      break;
  }
  if (OverAt(card.begun.at, kYoung, now) > now || !card.produced) return 1;
  return 2;
}

double UsdPerWork(const Card& card) {
  if (card.rate_per_s <= 0) return std::numeric_limits<double>::infinity();
  return MicroUsd(card.burn.micros).usd() / card.rate_per_s;
}

}  // namespace

std::vector<WorkerId> LeastUsefulFirst(const Scope& scope, absl::Time now) {
  std::vector<std::tuple<int, double, std::uint64_t, WorkerId>> order;
  for (const auto& [id, card] : scope.board.cards) {
    if (card.part != Card::Part::kLive || scope.going.count(id) > 0) continue;
    // Among equals the newest goes: it has the least behind it.
    order.emplace_back(Tier(card, now), -UsdPerWork(card), ~card.begun.position, id);
  }
  std::sort(order.begin(), order.end());
  std::vector<WorkerId> ids;
  ids.reserve(order.size());
  for (auto& entry : order) ids.push_back(std::get<3>(entry));
  return ids;
}

void StepDownscale(Pass& pass, Scope& scope) {
  int excess = scope.have() - scope.fleet.wanted();
  if (!scope.fleet.active()) excess = std::numeric_limits<int>::max();
  if (excess <= 0 || !scope.gate.may_destroy) return;
  const bool down = !scope.fleet.active();
  const auto trials = scope.board.RunningTrials();
  const std::set<WorkerId> running(trials.begin(), trials.end());
  for (const WorkerId& id : LeastUsefulFirst(scope, pass.now)) {
    if (excess <= 0) return;
    if (!down && running.count(id) > 0) continue;  // a trial is no part of the count
    const Card& card = scope.board.cards.at(id);
    Condemnation condemnation;
    const std::string summary =
        down ? Cat("the fleet is to be no more")
             : Cat(Workers(scope.have()), ", ", scope.fleet.wanted(), " wanted; ",
                   FormatUsdPerHour(card.burn), " for ", RateText(card.rate_per_s), " ",
                   scope.fleet.spec.work_unit(), "/s");
    condemnation.evidence =
        EvidenceOf(down ? rules::kDown : rules::kDownscale, summary, scope.fleet.PolicyVersion(),
                   {{"have", static_cast<double>(scope.have()),
                     static_cast<double>(scope.fleet.wanted()), "count"},
                    {"usd_per_hour_per_rate", UsdPerWork(card), 0, "usd"}},
                   {down ? scope.fleet.down.position : scope.fleet.scaled.position,
                    scope.fleet.applied.position, card.begun.position});
    Condemn(pass, scope, id, std::move(condemnation));
    --excess;
  }
}

}  // namespace muster::fleet
