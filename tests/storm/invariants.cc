#include "tests/storm/invariants.h"

#include <algorithm>
#include <map>

#include "commands/snapshot.h"
#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"

namespace muster::storm {
namespace {

using vastsim::Failure;
using vastsim::FailureSeen;
using vastsim::InstanceView;

// The slowest healthy worker prints a batch well within this.
constexpr absl::Duration kProducing = absl::Minutes(10);

bool IsOneOf(const std::string& rule, std::initializer_list<const char*> rules) {
  return std::find(rules.begin(), rules.end(), rule) != rules.end();
}

// Failures that end a worker, unlike those that pass by themselves. An error after which nothing
// was done any more has not passed.
bool Ends(const InstanceView& instance, const FailureSeen& seen) {
  if (seen.how == Failure::kRecoveredError) return instance.last_batch <= seen.at;
  return seen.how != Failure::kUploadsFail && seen.how != Failure::kRepair;
}
// Those that are nobody's but the machine's.
bool MachineFault(const InstanceView& instance, const FailureSeen& seen) {
  return Ends(instance, seen) && seen.how != Failure::kImageError &&
         seen.how != Failure::kLaunchBroken && seen.how != Failure::kStopped &&
         seen.how != Failure::kVanish;
}
template <class Predicate>
bool Failed(const InstanceView& instance, Predicate counts) {
  return std::any_of(instance.failures.begin(), instance.failures.end(),
                     [&](const FailureSeen& seen) { return counts(instance, seen); });
}

std::string FleetOf(const Facts& facts, const std::string& label) {
  const auto intent = facts.book.intents().find(TokenOf(label));
  return intent == facts.book.intents().end() ? "" : intent->second.fleet;
}

std::map<std::string, std::vector<InstanceView>> LivingByFleet(const Facts& facts) {
  std::map<std::string, std::vector<InstanceView>> out;
  for (InstanceView& each : facts.sim.Instances()) {
    out[FleetOf(facts, each.label)].push_back(std::move(each));
  }
  return out;
}

std::string Tell(const InstanceView& each) {
  std::string text = Cat("instance ", each.id, " (", each.label, ", machine ", each.machine, ", ",
                         each.batches, " batches");
  for (const FailureSeen& seen : each.failures) {
    text += Cat(", ", vastsim::FailureName(seen.how), " at ", FormatClock(seen.at));
  }
  return Cat(text, ")");
}

// Whether the world, as it really was, gives `verdict` on `gone` a ground.
bool Justified(const Facts& facts, const Condemned& verdict, const InstanceView& gone) {
  const std::string& rule = verdict.rule;
  const Deeds& deeds = facts.deeds;
  if (IsOneOf(rule, {"fatal-error", "broken-launch", "stuck-boot", "stuck-setup", "stuck-warmup",
                     "no-progress", "offline", "upgrade-failed"})) {
    return Failed(gone, Ends);
  }
  if (rule == "over-cost") {
    const auto limit = facts.book.price_max_least().find(verdict.fleet);
    return limit != facts.book.price_max_least().end() && gone.usd_per_hour > limit->second;
  }
  if (rule == "over-budget") {
    for (const FleetDraw& fleet : facts.weather.fleets) {
      if (fleet.name == verdict.fleet && fleet.budget_per_hour > 0) return true;
    }
    return false;
  }
  if (rule == "upgrade") {
    for (const FleetDraw& fleet : facts.weather.fleets) {
      if (fleet.name == verdict.fleet && fleet.upgrades) return true;
    }
    return false;
  }
  if (IsOneOf(rule, {"downscale", "down"})) return deeds.fleets_shrunk.contains(verdict.fleet);
  // Strays and doubles come of answers that were lost; with none lost there are none.
  if (IsOneOf(rule, {"duplicate", "orphan"})) return !deeds.traps_fired.empty();
  return false;
}

}  // namespace

std::string TokenOf(const std::string& label) {
  const std::size_t dot = label.rfind('.');
  return dot == std::string::npos ? "" : label.substr(dot + 1);
}

std::string NoContractWithoutIntent(const Facts& facts) {
  for (const vastsim::LedgerLine& line : facts.sim.Ledger()) {
    if (!facts.book.intents().contains(TokenOf(line.label))) {
      return Cat("instance ", line.instance, " labelled '", line.label, "' was never intended");
    }
  }
  return "";
}

std::string NeverTwoLivingForOneToken(const Facts& facts) {
  std::map<std::string, std::int64_t> seen;
  for (const InstanceView& each : facts.sim.Instances()) {
    const auto [other, first] = seen.emplace(each.label, each.id);
    if (!first && !facts.deeds.rented_twice.contains(each.label)) {
      return Cat("instances ", other->second, " and ", each.id, " for ", each.label);
    }
  }
  return "";
}

std::string EveryDestroyWasDecided(const Facts& facts) {
  for (const InstanceView& gone : facts.sim.PastInstances()) {
    if (gone.end_cause != "destroyed") continue;
    if (!facts.book.destroyers().contains(Cat(gone.id))) {
      return Cat(Tell(gone), " was destroyed, and no event asked for it");
    }
  }
  return "";
}

std::string NobodyProducingIsDestroyedWithoutAReason(const Facts& facts) {
  for (const InstanceView& gone : facts.sim.PastInstances()) {
    if (gone.end_cause != "destroyed") continue;
    const auto by = facts.book.destroyers().find(Cat(gone.id));
    if (by == facts.book.destroyers().end()) continue;
    bool justified = false;
    std::string rules;
    for (const std::string& worker : by->second) {
      const auto verdict = facts.book.condemned().find(worker);
      if (verdict == facts.book.condemned().end()) continue;
      rules += Cat(rules.empty() ? "" : ", ", verdict->second.rule);
      const bool asked = facts.deeds.workers_named.contains(worker) ||
                         facts.deeds.fleets_shrunk.contains(verdict->second.fleet);
      justified = justified || Justified(facts, verdict->second, gone) ||
                  (asked && verdict->second.actor.rfind("operator:", 0) == 0);
    }
    if (justified) continue;
    return Cat(Tell(gone), " was destroyed at ", FormatClock(gone.ended), " for '", rules,
               gone.ended - gone.last_batch < kProducing ? "' while it was producing"
                                                         : "' and nothing was wrong with it");
  }
  return "";
}

std::string StrikesOnlyForFailuresOfTheMachine(const Facts& facts) {
  if (facts.book.struck().empty()) return "";
  std::map<std::string, InstanceView> all;
  for (InstanceView& each : facts.sim.Instances()) all[Cat(each.id)] = std::move(each);
  for (InstanceView& each : facts.sim.PastInstances()) all[Cat(each.id)] = std::move(each);
  for (const Struck& strike : facts.book.struck()) {
    if (facts.deeds.workers_named.contains(strike.worker)) continue;
    const auto had = facts.book.instances_of().find(strike.worker);
    bool failed = false;
    std::string who = "no instance";
    if (had != facts.book.instances_of().end()) {
      for (const std::string& id : had->second) {
        const auto found = all.find(id);
        if (found == all.end()) continue;
        who = Tell(found->second);
        failed = failed || Failed(found->second, MachineFault);
      }
    }
    if (!failed) {
      return Cat("event ", strike.position, " strikes machine ", strike.machine, " (", strike.rule,
                 ") for ", who);
    }
  }
  return "";
}

std::string BurnWithinTheBudget(const Facts& facts) {
  // A provider that says it destroyed and did not, or rents twice or dearer than it offered, can
  // break any budget.
  for (const char* trap : {"create_twice", "price_above_offer", "destroy_ignored"}) {
    if (facts.deeds.traps_fired.contains(trap)) return "";
  }
  const auto living = LivingByFleet(facts);
  for (const FleetDraw& fleet : facts.weather.fleets) {
    const auto mine = living.find(fleet.name);
    if (fleet.budget_per_hour <= 0 || mine == living.end()) continue;
    double burn = 0;
    bool raised = false;
    for (const InstanceView& each : mine->second) {
      burn += each.usd_per_hour;
      raised = raised || facts.deeds.prices_raised.contains(each.id);
    }
    if (!raised && burn > fleet.budget_per_hour + 1e-5) {
      return Cat(fleet.name, " burns $", burn, "/h, allowed are $", fleet.budget_per_hour,
                 "/h, by ", mine->second.size(), " machines");
    }
  }
  return "";
}

std::string EveryDecisionHasEvidenceBeforeIt(const Facts& facts) {
  return facts.book.evidence_problem();
}
std::string NoSecretInTheLog(const Facts& facts) { return facts.book.secret_problem(); }
std::string NoKeyGivenToOthers(const Facts& facts) {
  const int leaked = facts.sim.KeysLeaked();
  return leaked == 0 ? "" : Cat("the API key went to a log host ", leaked, " times");
}

std::string NothingOfAnEndedFleetIsLeft(const Facts& facts) {
  for (const auto& [name, living] : LivingByFleet(facts)) {
    const fleet::State* fleet = facts.book.world().FindFleet(FleetName(name));
    if (fleet != nullptr && fleet->active()) continue;
    return Cat(living.size(), " left of ", name, ", ", Tell(living.front()));
  }
  return "";
}

std::string TargetReached(const Facts& facts) {
  const auto living = LivingByFleet(facts);
  for (const auto& [name, fleet] : facts.book.world().fleets) {
    if (!fleet.active()) continue;
    const auto mine = living.find(name.str());
    int producing = 0;
    int have = 0;
    if (mine != living.end()) {
      have = static_cast<int>(mine->second.size());
      for (const InstanceView& each : mine->second) {
        producing += facts.sim.now() - each.last_batch < kProducing;
      }
    }
    // A budget that does not allow more, said so, is a target too.
    const bool at_budget =
        std::any_of(fleet.waits.begin(), fleet.waits.end(),
                    [](const eventpb::Wait& wait) { return wait.kind() == eventpb::Wait::BUDGET; });
    const bool enough = have == fleet.wanted() || (at_budget && have < fleet.wanted());
    if (enough && producing == have) continue;
    std::string waits;
    for (const eventpb::Wait& wait : fleet.waits) waits += Cat("; waits: ", wait.detail());
    return Cat(name.str(), " wants ", fleet.wanted(), ", at the provider live ", have,
               ", of which ", producing, " produce", waits);
  }
  return "";
}

std::string OneMachineForEachOpenWorker(const Facts& facts) {
  std::size_t open = 0;
  for (const auto& [fleet, workers] : facts.book.world().open_by_fleet) open += workers.size();
  const std::size_t living = facts.sim.Instances().size();
  return open == living ? "" : Cat(open, " open workers by the log, ", living, " machines live");
}

std::string FoldingAnewGivesTheSameWorld(const Facts& facts) {
  const std::string live = Digest(facts.daemon.world());
  if (live != Digest(facts.book.world())) return "the live World is not the fold of the log";
  LogBook anew({});
  const Status read = anew.ReadOn(facts.daemon.store());
  if (!read.ok()) return std::string(Message(read));
  if (live != Digest(anew.world())) return "two folds of one log differ";
  const StatusOr<World> parsed = ParseWorld(SerializeWorld(facts.daemon.world()));
  if (!parsed.ok()) return std::string(Message(parsed.status()));
  return live == Digest(*parsed) ? "" : "a snapshot of the World is not the World";
}

std::string RebuiltReadModelsAreTheLiveOnes(const Facts& facts) {
  const queries::ReadModels& live = facts.daemon.projector().models();
  const Status& following = facts.daemon.projector().status();
  if (!following.ok()) return std::string(Message(following));
  if (live.position() != facts.daemon.store().Head()) return "";  // still reading
  queries::ReadModels anew(facts.daemon.store());
  Status bad;
  const Status read = facts.daemon.store().ReadAll(0, SIZE_MAX, [&](const RecordedEvent& each) {
    bad = anew.Apply(each);
    return bad.ok();
  });
  if (!read.ok() || !bad.ok()) return std::string(Message(read.ok() ? bad : read));
  return anew.Digest() == live.Digest() ? "" : "the rebuilt models differ";
}

#define MUSTER_INVARIANT(name) \
  Invariant { #name, name }

const std::vector<Invariant>& WhenRented() {
  static const std::vector<Invariant> all = {MUSTER_INVARIANT(NoContractWithoutIntent),
                                             MUSTER_INVARIANT(NeverTwoLivingForOneToken),
                                             MUSTER_INVARIANT(BurnWithinTheBudget)};
  return all;
}
const std::vector<Invariant>& Always() {
  static const std::vector<Invariant> all = {
      MUSTER_INVARIANT(NoContractWithoutIntent),
      MUSTER_INVARIANT(NeverTwoLivingForOneToken),
      MUSTER_INVARIANT(EveryDestroyWasDecided),
      MUSTER_INVARIANT(NobodyProducingIsDestroyedWithoutAReason),
      MUSTER_INVARIANT(StrikesOnlyForFailuresOfTheMachine),
      MUSTER_INVARIANT(BurnWithinTheBudget),
      MUSTER_INVARIANT(EveryDecisionHasEvidenceBeforeIt),
      MUSTER_INVARIANT(NoSecretInTheLog),
      MUSTER_INVARIANT(NoKeyGivenToOthers)};
  return all;
}
const std::vector<Invariant>& AfterCalm() {
  static const std::vector<Invariant> all = {MUSTER_INVARIANT(NothingOfAnEndedFleetIsLeft),
                                             MUSTER_INVARIANT(TargetReached),
                                             MUSTER_INVARIANT(OneMachineForEachOpenWorker)};
  return all;
}
const std::vector<Invariant>& OfTheLog() {
  static const std::vector<Invariant> all = {MUSTER_INVARIANT(FoldingAnewGivesTheSameWorld),
                                             MUSTER_INVARIANT(RebuiltReadModelsAreTheLiveOnes)};
  return all;
}

std::string FirstBroken(const std::vector<Invariant>& all, const Facts& facts) {
  for (const Invariant& each : all) {
    const std::string broken = each.broken(facts);
    if (!broken.empty()) return Cat(each.name, ": ", broken);
  }
  return "";
}

}  // namespace muster::storm
