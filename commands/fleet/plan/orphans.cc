// Step: strays, instances that bear our mark and that no worker of the log accounts for.
#include "commands/fleet/plan/label.h"
#include "commands/fleet/plan/pass.h"
#include "commands/fleet/plan/preview.h"
#include "commands/rules.h"
#include "eventstore/base/canary.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

enum class Fate { kLeave, kAdopt, kDestroy };

// An instance that carries the token of a worker which has another instance: rented twice.
bool TokenTwice(const World& world, const account::Orphan& stray) {
  const std::string_view token = TokenIn(stray.label);
  const worker::State* owner = token.empty() ? nullptr : world.FindWorker(WorkerId(token));
  return owner != nullptr && owner->open() && !owner->instance.empty() &&
         owner->instance != stray.instance;
}
// The look-up of an unclear launch will claim it.
bool BeingLookedUp(const World& world, const account::Orphan& stray) {
  if (MUSTER_CANARY("orphan-killed-while-busy")) return false;
  const std::string_view token = TokenIn(stray.label);
  const worker::State* owner = token.empty() ? nullptr : world.FindWorker(WorkerId(token));
  return owner != nullptr && std::holds_alternative<worker::Launching>(owner->phase);
}
// Its worker has ended, as far as the log knows: a launch that was given up and came through after
// all, or an instance that lists had lost.
const worker::Ended* EndedOwner(const World& world, const account::Orphan& stray) {
  const std::string_view token = TokenIn(stray.label);
  const worker::State* owner = token.empty() ? nullptr : world.FindWorker(WorkerId(token));
  return owner == nullptr ? nullptr : std::get_if<worker::Ended>(&owner->phase);
}
bool TokenOfOurs(const World& world, const account::Orphan& stray) {
  const std::string_view token = TokenIn(stray.label);
  return !world.installation.empty() && token.size() > world.installation.size() &&
         token.substr(0, world.installation.size()) == world.installation;
}

struct Judged {
  Fate fate = Fate::kLeave;
  std::string rule;
  std::string summary;
};

Judged FateOf(const World& world, const State& fleet, const account::Orphan& stray) {
  if (BeingLookedUp(world, stray)) return {};
  if (TokenTwice(world, stray)) {
    return {Fate::kDestroy, rules::kDuplicate,
            Cat("a second instance bears the token of ", stray.label)};
  }
  const worker::Ended* ended = EndedOwner(world, stray);
  if (ended != nullptr && ended->how != eventpb::WorkerEnded::VANISHED) {
    return {Fate::kDestroy, rules::kOrphan, Cat("the worker of ", stray.label, " has ended")};
  }
  if (!fleet.active()) {
    // Rented by us for a fleet that is to be no more.
    if (!TokenOfOurs(world, stray)) return {};
    return {Fate::kDestroy, rules::kOrphan, Cat("fleet ", fleet.name.str(), " is down")};
  }
  if (ended != nullptr) return {Fate::kAdopt, rules::kOrphan, "it was lost and is back"};
  switch (fleet.spec.orphans()) {
    case specpb::ADOPT:
      return {Fate::kAdopt, rules::kOrphan, "the fleet adopts strays"};
    case specpb::DESTROY:
      return {Fate::kDestroy, rules::kOrphan, "the fleet destroys strays"};
    case specpb::REPORT:
    case specpb::ORPHAN_POLICY_UNSPECIFIED:
    default:
      return {};  // open enum: a policy of a newer writer is a report
  }
}

void Take(Pass& pass, Scope& scope, const account::Orphan& stray, const Judged& judged) {
  TakeIn take{AdoptionOf(pass.world, scope.fleet, stray), std::nullopt};
  take.adoption.set_orphan(true);
  if (judged.fate == Fate::kDestroy) {
    take.adoption.set_index(-1);
    take.condemn.emplace();
    take.condemn->set_fault(specpb::NOBODY);
    *take.condemn->mutable_evidence() = EvidenceOf(
        judged.rule, judged.summary, scope.fleet.PolicyVersion(), {}, {stray.found.position});
  } else {
    if (scope.board.places.count(take.adoption.index()) > 0 ||
        scope.taken.count(take.adoption.index()) > 0) {
      take.adoption.set_index(scope.FreeIndex());
    }
    scope.taken.insert(take.adoption.index());
    ++scope.coming;
    scope.coming_burn += stray.price;
  }
  pass.decisions.push_back({judged.rule, scope.actor(), std::move(take)});
}

}  // namespace

std::set<int> PlacesOfStrays(const Pass& pass, const Scope& scope) {
  std::set<int> places;
  if (scope.account == nullptr) return places;
  for (const auto& [instance, stray] : scope.account->orphans) {
    if (stray.fleet != scope.fleet.name || pass.world.by_instance.contains(instance)) continue;
    if (BeingLookedUp(pass.world, stray)) continue;
    if (FateOf(pass.world, scope.fleet, stray).fate != Fate::kLeave) continue;
    const auto index = IndexFromLabel(scope.fleet.spec, stray.label);
    if (index && scope.board.places.count(*index) == 0) places.insert(*index);
  }
  return places;
}

void StepOrphans(Pass& pass, const ProviderName& provider, std::map<FleetName, Scope>& scopes) {
  const account::State* account = pass.world.FindAccount(provider);
  if (account == nullptr) return;
  for (const auto& [instance, stray] : account->orphans) {
    const auto known = pass.world.by_instance.find(instance);
    if (known != pass.world.by_instance.end()) {
      pass.decisions.push_back(
          {rules::kOrphan, Cat("policy:", provider.str()),
           ForAccount{provider, account::ResolveOrphan{instance, eventpb::OrphanResolved::ADOPTED,
                                                       known->second}}});
      continue;
    }
    const auto scope = scopes.find(stray.fleet);
    if (scope == scopes.end() || scope->second.provider != provider) continue;
    const Judged judged = FateOf(pass.world, scope->second.fleet, stray);
    if (judged.fate == Fate::kLeave) continue;
    if (judged.fate == Fate::kDestroy && !scope->second.gate.may_destroy) continue;
    Take(pass, scope->second, stray, judged);
  }
}

}  // namespace muster::fleet
