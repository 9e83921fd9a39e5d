// Step: strikes. What many machines show at once is no machine's fault but ours.
#include <map>
#include <set>

#include "commands/fleet/plan/pass.h"
#include "commands/rules.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

constexpr int kCommonCauseMinDefault = 3;
constexpr absl::Duration kWindowDefault = absl::Minutes(30);

struct Alike {
  std::set<MachineId> machines;
  std::vector<std::uint64_t> positions;
  absl::Time newest = absl::InfinitePast();
};

// Failures by rule within the window: condemned lately, or about to be.
std::map<std::string, Alike> ByRule(const Pass& pass, const Scope& scope, absl::Duration window) {
  std::map<std::string, Alike> alike;
  for (const auto& [id, departure] : scope.board.departures) {
    // The machine's own, or those that would have been but for a suspension.
    const bool counts = departure.strike_weight > 0 ||
                        (departure.replace && departure.rule == scope.fleet.suspended_cause);
    if (!counts || OverAt(departure.at.at, window, pass.now) <= pass.now) continue;
    Alike& one = alike[departure.rule];
    one.machines.insert(departure.machine);
    one.positions.push_back(departure.at.position);
    one.newest = std::max(one.newest, departure.at.at);
  }
  for (const WorkerId& id : scope.board.with_verdict) {
    const Card& card = scope.board.cards.at(id);
    if (card.assessment.verdict->strike_weight <= 0) continue;
    Alike& one = alike[card.assessment.verdict->rule];
    one.machines.insert(card.machine);
    for (std::uint64_t position : card.assessment.verdict->evidence.positions()) {
      one.positions.push_back(position);
    }
    one.newest = pass.now;
  }
  return alike;
}

}  // namespace

void StepStrikes(Pass& pass, Scope& scope) {
  const specpb::StrikePolicy& policy = scope.fleet.spec.strikes();
  const int least =
      policy.common_cause_min() > 0 ? policy.common_cause_min() : kCommonCauseMinDefault;
  const absl::Duration window = policy.common_cause_window_s() > 0
                                    ? absl::Seconds(policy.common_cause_window_s())
                                    : kWindowDefault;
  scope.strikes_suspended = scope.fleet.strikes_suspended;
  const auto alike = ByRule(pass, scope, window);
  if (scope.fleet.strikes_suspended) {
    const auto still = alike.find(scope.fleet.suspended_cause);
    absl::Time over = OverAt(scope.fleet.suspended.at, window, pass.now);
    if (still != alike.end()) over = std::max(over, still->second.newest + window);
    pass.Due(over);
    if (over > pass.now) return;
    scope.strikes_suspended = false;
    pass.decisions.push_back(
        {"strikes-resumed", scope.actor(), ForFleet{scope.fleet.name, ResumeStrikes{}}});
    return;
  }
  for (const auto& [rule, one] : alike) {
    const int machines = static_cast<int>(one.machines.size());
    if (machines < least) continue;
    scope.strikes_suspended = true;
    eventpb::StrikesSuspended suspension;
    suspension.set_cause(rule);
    suspension.set_machines(machines);
    *suspension.mutable_evidence() = EvidenceOf(
        rules::kCommonCause,
        Cat(machines, " machines show ", rule, " within ", FormatSpan(window), ", limit ", least),
        scope.fleet.PolicyVersion(),
        {{"machines", static_cast<double>(machines), static_cast<double>(least), "count"}},
        one.positions);
    pass.decisions.push_back({rules::kCommonCause, scope.actor(),
                              ForFleet{scope.fleet.name, SuspendStrikes{std::move(suspension)}}});
    return;
  }
}

}  // namespace muster::fleet
