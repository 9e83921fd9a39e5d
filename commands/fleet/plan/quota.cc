// Step: shared quotas. The interval is computed over all fleets that name the quota, given to
// workers at launch, and rolled out to older ones while their sum breaks the limit.
#include <algorithm>
#include <limits>

#include "commands/fleet/plan/pass.h"
#include "commands/rules.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

constexpr int kAimDefault = 100;
constexpr int kLimitDefault = 128;
constexpr std::int64_t kIntervalMinDefault = 240;

template <class T>
T Or(T value, T otherwise) {
  return value > 0 ? value : otherwise;
}

bool Shares(const State& fleet, const std::string& quota) {
  return fleet.active() && fleet.spec.quota().name() == quota;
}
int WorkersSharing(const World& world, const std::string& quota) {
  int workers = 0;
  for (const auto& [name, fleet] : world.fleets) {
    if (Shares(fleet, quota)) workers += fleet.wanted();
  }
  return workers;
}

struct InUse {
  double per_hour = 0;  // of all sharing workers, with the intervals they run with
  int on_old = 0;       // of this fleet, on a shorter interval than allowed
  std::int64_t shortest = std::numeric_limits<std::int64_t>::max();
};
InUse Measure(const Pass& pass, const Scope& scope, std::int64_t interval) {
  const specpb::SharedQuota& quota = scope.fleet.spec.quota();
  const std::int64_t unknown = Or<std::int64_t>(quota.interval_s_min(), kIntervalMinDefault);
  InUse use;
  for (const auto& [name, fleet] : pass.world.fleets) {
    const auto board = pass.board.fleets().find(name);
    if (fleet.spec.quota().name() != quota.name() || board == pass.board.fleets().end()) continue;
    for (const auto& [seconds, count] : board->second.by_interval) {
      const std::int64_t running_with = Or<std::int64_t>(seconds, unknown);
      use.per_hour += count * 3600.0 / static_cast<double>(running_with);
      if (name != scope.fleet.name || running_with >= interval) continue;
      use.on_old += count;
      use.shortest = std::min(use.shortest, seconds);
    }
  }
  return use;
}

void RollOut(Pass& pass, Scope& scope, std::int64_t interval, const InUse& use) {
  const int limit = Or(scope.fleet.spec.quota().limit_per_hour(), kLimitDefault);
  if (use.on_old == 0 || use.per_hour <= limit || !scope.gate.may_launch) return;
  // One at a time, and only while all others work.
  if (!scope.going.empty() || scope.have() < scope.fleet.wanted() ||
      scope.board.healthy < scope.board.occupying) {
    return;
  }
  for (const auto& [id, card] : scope.board.cards) {
    if (card.part != Card::Part::kLive || card.upload_interval_s != use.shortest) continue;
    Condemnation condemnation;
    condemnation.replace = true;
    condemnation.evidence = EvidenceOf(
        rules::kQuotaRollout,
        Cat("uploads every ", card.upload_interval_s, "s, allowed every ", interval, "s"),
        scope.fleet.PolicyVersion(),
        {{"commits_per_hour", use.per_hour, static_cast<double>(limit), "count"},
         {"interval", static_cast<double>(card.upload_interval_s), static_cast<double>(interval),
          "s"}},
        {card.begun.position, scope.fleet.applied.position, scope.fleet.scaled.position});
    return Condemn(pass, scope, id, std::move(condemnation));
  }
}

}  // namespace

std::int64_t QuotaInterval(const World& world, const State& fleet) {
  const specpb::SharedQuota& quota = fleet.spec.quota();
  if (quota.name().empty()) return 0;
  const std::int64_t aim = Or(quota.aim_per_hour(), kAimDefault);
  const std::int64_t workers = WorkersSharing(world, quota.name());
  return std::max(Or<std::int64_t>(quota.interval_s_min(), kIntervalMinDefault),
                  (workers * 3600 + aim - 1) / aim);
}

void StepQuota(Pass& pass, Scope& scope) {
  const std::string& quota = scope.fleet.spec.quota().name();
  if (quota.empty() || !scope.fleet.active()) return;
  const std::int64_t interval = QuotaInterval(pass.world, scope.fleet);
  const InUse use = Measure(pass, scope, interval);
  if (interval != scope.fleet.upload_interval_s) {
    eventpb::QuotaIntervalChanged change;
    change.set_quota(quota);
    change.set_interval_s(interval);
    change.set_interval_before_s(scope.fleet.upload_interval_s);
    change.set_workers_sharing(WorkersSharing(pass.world, quota));
    change.set_workers_on_old(use.on_old);
    pass.decisions.push_back({"quota-interval", scope.actor(),
                              ForFleet{scope.fleet.name, ChangeQuotaInterval{std::move(change)}}});
  }
  RollOut(pass, scope, interval, use);
}

}  // namespace muster::fleet
