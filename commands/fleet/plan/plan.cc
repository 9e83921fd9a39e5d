#include "commands/fleet/plan/plan.h"

#include <algorithm>
#include <tuple>

#include "commands/fleet/plan/pass.h"

namespace muster::fleet {
namespace {

Scope ScopeOf(Pass& pass, const State& fleet, FleetBoard& board) {
  const ProviderName provider(fleet.spec.provider());
  const account::State* account = pass.world.FindAccount(provider);
  const worker::Clocks clocks = worker::ClocksOf(fleet.spec.timers());
  Scope scope{.fleet = fleet,
              .board = board,
              .provider = provider,
              .account = account,
              .gate = GateOf(account, clocks.credit_probe, pass.now),
              .clocks = clocks};
  return scope;
}

// Numbers in a text move all the time and are no news: waits are the same when they are of the same
// kind and owner. A deadline that has passed is written anew, and now and then a text that people
// act upon.
constexpr absl::Duration kTextEvery = absl::Minutes(1);

bool IsActedUpon(eventpb::Wait::Kind kind) {
  return kind == eventpb::Wait::AUTH || kind == eventpb::Wait::PREFLIGHT ||
         kind == eventpb::Wait::SECRETS || kind == eventpb::Wait::CREDIT ||
         kind == eventpb::Wait::LIST || kind == eventpb::Wait::UNCLEAR;
}
bool SameWaits(const std::vector<eventpb::Wait>& before, const std::vector<eventpb::Wait>& after,
               bool texts_too, absl::Time now) {
  const auto same = [&](const eventpb::Wait& x, const eventpb::Wait& y) {
    if (x.kind() != y.kind() || x.owner() != y.owner()) return false;
    if (texts_too && IsActedUpon(x.kind()) && x.detail() != y.detail()) return false;
    const bool passed = x.until_us() != 0 && x.until_us() <= absl::ToUnixMicros(now);
    return !passed || x.until_us() == y.until_us();
  };
  return std::equal(before.begin(), before.end(), after.begin(), after.end(), same);
}

void WriteWaits(Pass& pass, Scope& scope) {
  std::vector<eventpb::Wait> waits;
  const bool idle = scope.fleet.wanted() == 0 && scope.board.open == 0;
  if (!idle) {
    for (eventpb::Wait& wait : scope.gate.waits) {
      // A list is waited for only by whom it keeps from launching.
      if (wait.kind() != eventpb::Wait::LIST || scope.filled() < scope.fleet.wanted()) {
        waits.push_back(std::move(wait));
      }
    }
    for (eventpb::Wait& wait : scope.waits) waits.push_back(std::move(wait));
    if (scope.board.unclear > 0) {
      waits.push_back(MakeWait(eventpb::Wait::UNCLEAR,
                               "a launch ended unclearly and is being looked up", "muster"));
    }
  }
  // Of two alike the one is shown that ends last: what it says is what is waited for.
  std::sort(waits.begin(), waits.end(), [](const auto& a, const auto& b) {
    const auto ka = a.kind(), kb = b.kind();
    const auto ends_a = a.until_us(), ends_b = b.until_us();
    return std::tie(ka, a.owner(), ends_b, a.detail()) <
           std::tie(kb, b.owner(), ends_a, b.detail());
  });
  waits.erase(std::unique(waits.begin(), waits.end(),
                          [](const auto& a, const auto& b) {
                            return a.kind() == b.kind() && a.owner() == b.owner();
                          }),
              waits.end());
  const bool texts_too = OverAt(scope.fleet.waits_changed.at, kTextEvery, pass.now) <= pass.now;
  if (SameWaits(scope.fleet.waits, waits, texts_too, pass.now)) return;
  pass.decisions.push_back(
      {kRuleWaits, scope.actor(), ForFleet{scope.fleet.name, ChangeWaits{std::move(waits)}}});
}

void WriteRollUp(Pass& pass, Scope& scope) {
  const State& fleet = scope.fleet;
  // As the World has it: what this pass decided will show in the next one.
  const ReportHealth now{fleet.wanted(), scope.board.occupying, scope.board.healthy};
  if (now.wanted != fleet.wanted_seen || now.have != fleet.have_seen ||
      now.healthy != fleet.healthy_seen) {
    pass.decisions.push_back({kRuleRollUp, scope.actor(), ForFleet{fleet.name, now}});
  }
  if (fleet.down_requested && !fleet.ended && scope.board.open == 0) {
    pass.decisions.push_back({"end", scope.actor(), ForFleet{fleet.name, End{}}});
  }
}

void RunSteps(Pass& pass, Scope& scope) {
  if (scope.fleet.fleet_version == 0) return;
  if (scope.fleet.ended && scope.board.open == 0) return;
  StepStrikes(pass, scope);
  StepFailures(pass, scope);
  StepUpgrades(pass, scope);
  StepDownscale(pass, scope);
  StepReplenish(pass, scope);
  StepQuota(pass, scope);
  WriteWaits(pass, scope);
  WriteRollUp(pass, scope);
}

}  // namespace

PlanResult PlanOn(Board& board, const World& world, const PlanOptions& options, absl::Time now,
                  bool check) {
  board.Refresh(world, now);
  Pass pass{.world = world, .board = board, .options = options, .now = now};
  std::set<FleetName> dirty;
  dirty.swap(board.dirty());
  std::map<FleetName, Scope> scopes;
  std::set<ProviderName> providers;
  for (const auto& [name, fleet] : world.fleets) {
    FleetBoard* found = board.Find(name);
    if (found == nullptr || (!check && dirty.count(name) == 0)) continue;
    scopes.emplace(name, ScopeOf(pass, fleet, *found));
    providers.insert(ProviderName(fleet.spec.provider()));
  }
  for (const ProviderName& provider : providers) {
    StepCredit(pass, provider);
    StepOrphans(pass, provider, scopes);
  }
  PlanResult result;
  for (auto& [name, scope] : scopes) {
    result.looked_at.push_back(name);
    RunSteps(pass, scope);
    // Still short of workers: what another fleet sets free may be for this one.
    if (scope.filled() < scope.fleet.wanted()) board.dirty().insert(name);
  }
  result.decisions = std::move(pass.decisions);
  result.next_due = std::min(pass.next_due, board.next_due());
  for (const auto& [name, fleet] : world.fleets) {
    if (fleet.ended) continue;
    result.check_due =
        std::min(result.check_due, now + worker::ClocksOf(fleet.spec.timers()).check);
  }
  return result;
}

PlanResult Plan(const World& world, const PlanOptions& options, absl::Time now) {
  Board board;
  return PlanOn(board, world, options, now, /*check=*/true);
}

}  // namespace muster::fleet
