#include "tests/storm/calamities.h"

#include <algorithm>
#include <iterator>

#include "eventstore/base/strings.h"
#include "eventstore/base/units.h"

namespace muster::storm {
namespace {

using vastsim::Failure;
using vastsim::InstanceView;
using vastsim::Trap;

// More than one page of a list holds.
constexpr int kCrowd = 30;

}  // namespace

void Calamities::One(const Limits& limits) {
  using Kind = void (Calamities::*)();
  constexpr Kind kKinds[] = {
      &Calamities::LoseMachine, &Calamities::ChangeKey,  &Calamities::Leap,
      &Calamities::LoseSecret,  &Calamities::FailAlike,  &Calamities::BreakBirths,
      &Calamities::Crowd,       &Calamities::KeepGhosts, &Calamities::QueueStarts};
  static_assert(std::size(kKinds) == std::size(kCalamities));
  const std::size_t which = rng_.Below(std::size(kKinds));
  if (limits.without.contains(kCalamities[which])) return;
  ++stage_.report.happened[kCalamities[which]];
  (this->*kKinds[which])();
}

std::vector<InstanceView> Calamities::Ours() const {
  std::vector<InstanceView> ours = stage_.sim.Instances();
  std::erase_if(ours, [&](const auto& each) { return stage_.deeds.strangers.contains(each.id); });
  return ours;
}

void Calamities::SetKeys() { stage_.daemon()->SetKeys(stage_.keys); }

// With all that ran on it. Its contracts are gone from the list, or stay there and are never heard
// of again; nobody can rent it any more.
void Calamities::LoseMachine() {
  const std::vector<InstanceView> ours = Ours();
  if (ours.empty()) return;
  const std::int64_t machine = ours[rng_.Below(ours.size())].machine;
  const bool listed = rng_.Chance(0.5);
  stage_.did(Cat("machine ", machine, " is gone for good, its contracts ",
                 listed ? "stay listed" : "with it"));
  for (const InstanceView& each : ours) {
    if (each.machine != machine) continue;
    if (listed) {
      (void)stage_.sim.FailWorker(each.id,
                                  {.how = Failure::kOffline, .span = absl::InfiniteDuration()});
    } else {
      (void)stage_.sim.FailWorker(each.id, Failure::kVanish);
    }
  }
  for (const vastsim::OfferView& offer : stage_.sim.Offers()) {
    if (offer.machine == machine) (void)stage_.sim.RemoveOffer(offer.id);
  }
}

// Until an operator has made another one and put it in the old one's place.
void Calamities::ChangeKey() {
  stage_.did("the key is revoked for good");
  const std::string key = Cat(kApiKey, "-", rng_.Token(8));
  stage_.sim.SetKeys({key});
  stage_.pass(absl::Minutes(5) + absl::Minutes(170) * rng_.Unit());
  stage_.did("there is a new key");
  stage_.keys.api_key = key;
  SetKeys();
  stage_.pass(absl::Minutes(5));
}

// A clock that was wrong since the machine started, and is put right, or the other way round. Spans
// are as exact as without it: no invariant is given any slack for a leap.
void Calamities::Leap() {
  const absl::Duration by = rng_.Chance(0.5) ? absl::Hours(1) + absl::Minutes(60) * rng_.Unit()
                                             : absl::Hours(23) + absl::Hours(3) * rng_.Unit();
  stage_.did(Cat("the clock leaps ahead by ", FormatSpan(by)));
  stage_.set_clock(by);
  stage_.pass(absl::Minutes(20) * rng_.Unit());
}

void Calamities::LoseSecret() {
  stage_.did("a worker's secret is gone");
  stage_.keys.hf_token = "";
  SetKeys();
  stage_.end_a_worker();
  stage_.pass(absl::Minutes(5) + absl::Minutes(35) * rng_.Unit());
  stage_.keys.hf_token = kHfToken;
  SetKeys();
  stage_.did("the secret is back");
}

// All at about the same time, so that it is nobody's own fault.
void Calamities::FailAlike() {
  constexpr Failure kKinds[] = {Failure::kStall, Failure::kFatalError, Failure::kHostError,
                                Failure::kExit, Failure::kOffline};
  const Failure how = kKinds[rng_.Below(std::size(kKinds))];
  stage_.did(Cat("all get ", vastsim::FailureName(how)));
  for (const InstanceView& each : Ours()) {
    (void)stage_.sim.FailWorker(
        each.id, {.how = how, .after = absl::Minutes(5) * rng_.Unit(), .span = absl::Minutes(30)});
  }
}

void Calamities::BreakBirths() {
  stage_.did("what is rented from now on is broken");
  births_broken_ = true;
  stage_.end_a_worker();
  stage_.pass(absl::Minutes(10) + absl::Minutes(50) * rng_.Unit());
  births_broken_ = false;
  stage_.did("what is rented is whole again");
}

void Calamities::Born() {
  for (const InstanceView& each : stage_.sim.Instances()) {
    if (each.id <= newest_) continue;
    newest_ = each.id;
    if (!births_broken_ || stage_.deeds.strangers.contains(each.id)) continue;
    // Once its container runs, however long that takes.
    (void)stage_.sim.FailWorker(each.id,
                                {.how = Failure::kLaunchBroken,
                                 .after = stage_.weather.market.boot_max + absl::Seconds(20)});
  }
}

// Lists of more than one page, some of which break off between two.
void Calamities::Crowd() {
  stage_.did(Cat(kCrowd, " strangers rent at once"));
  for (int i = 0; i < kCrowd; ++i) {
    stage_.deeds.strangers.insert(
        stage_.sim.AddForeign({.label = Cat("crowd-", stage_.deeds.strangers.size())}));
  }
  if (!rng_.Chance(0.6)) return;
  stage_.did("places in the list get lost");
  stage_.sim.SetFault({.trap = Trap::kListTokenInvalid, .chance = rng_.Between(0.2, 1)});
  stage_.pass(absl::Minutes(2) + absl::Minutes(20) * rng_.Unit());
  Restore(stage_, Trap::kListTokenInvalid);
}

void Calamities::KeepGhosts() {
  stage_.did("what was destroyed stays listed for a while");
  stage_.sim.SetFault({.trap = Trap::kDestroyLag, .value = rng_.Between(20, 600)});
  stage_.end_a_worker();
  stage_.pass(absl::Minutes(5) + absl::Minutes(25) * rng_.Unit());
  Restore(stage_, Trap::kDestroyLag);
}

// Credit ends and returns, and what is to start again has to wait for its place.
void Calamities::QueueStarts() {
  stage_.did("credit ends, and starts will be queued");
  stage_.sim.SetFault({.trap = Trap::kStartQueued, .chance = 0.7, .value = rng_.Between(30, 900)});
  stage_.end_credit(absl::Minutes(10) + absl::Minutes(30) * rng_.Unit());
  stage_.pass(absl::Minutes(15));
  Restore(stage_, Trap::kStartQueued);
}

}  // namespace muster::storm
