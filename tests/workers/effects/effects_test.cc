#include "workers/effects/effects.h"

#include "tests/support/pch.h"
#include "tests/workers/support/rig.h"

namespace muster {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

class EffectsTest : public testing::Test {
 protected:
  EffectsTest() { rig.Apply(); }
  void Start() {
    effects = std::make_unique<Effects>(rig.link());
    effects->Start();
  }
  void Fail(Trouble trouble, bool rents) {
    rig.provider.create_faults.push_back({MakeTrouble(trouble, "as the test says"), rents});
  }
  int Rented() const { return static_cast<int>(rig.provider.instances.size()); }

  Rig rig;
  std::unique_ptr<Effects> effects;
};

TEST_F(EffectsTest, LaunchesWhatWasRequestedAndRecordsTheInstance) {
  Start();
  const WorkerId id = rig.RequestLaunch(3);
  rig.rt.RunFor(absl::Seconds(5));
  const auto* live = rig.In<worker::Live>(id);
  ASSERT_NE(live, nullptr);
  EXPECT_TRUE(rig.provider.instances.contains(live->instance));
  ASSERT_THAT(rig.provider.launches, SizeIs(1));
  const LaunchSpec& sent = rig.provider.launches[0];
  EXPECT_EQ(sent.offer.str(), "9001");
  EXPECT_EQ(sent.label, Cat("zeb-worker-vast-3.", id.str()));
  EXPECT_EQ(sent.env.at("HF_TOKEN"), "hf_planted");
  EXPECT_EQ(sent.env.at("WORKER_ID"), "worker-vast-3");
  EXPECT_EQ(sent.onstart, "run worker-vast-3 every 240 for zeb/3 {other}");
  EXPECT_EQ(sent.disk_gb, 15);
}

TEST_F(EffectsTest, AMissingSecretRefusesTheLaunchBeforeAnythingIsSent) {
  rig.secrets.Set("env:HF_TOKEN", "");
  Start();
  const WorkerId id = rig.RequestLaunch();
  rig.rt.RunFor(absl::Seconds(5));
  const auto* ended = rig.In<worker::Ended>(id);
  ASSERT_NE(ended, nullptr);
  EXPECT_EQ(ended->rejected, eventpb::LaunchRejected::SECRET_MISSING);
  EXPECT_THAT(rig.provider.launches, IsEmpty());
}

TEST_F(EffectsTest, EveryClearNoBecomesItsReason) {
  const std::pair<Trouble, eventpb::LaunchRejected::Reason> rows[] = {
      {Trouble::kThrottled, eventpb::LaunchRejected::THROTTLED},
      {Trouble::kNoCredit, eventpb::LaunchRejected::NO_CREDIT},
      {Trouble::kAuth, eventpb::LaunchRejected::AUTH},
      {Trouble::kForbidden, eventpb::LaunchRejected::AUTH},
      {Trouble::kOfferGone, eventpb::LaunchRejected::OFFER_GONE},
      {Trouble::kRejected, eventpb::LaunchRejected::REJECTED},
      {Trouble::kUnavailable, eventpb::LaunchRejected::UNAVAILABLE},
  };
  Start();
  for (const auto& [trouble, reason] : rows) {
    Fail(trouble, /*rents=*/false);
    const WorkerId id = rig.RequestLaunch();
    rig.rt.RunFor(absl::Seconds(5));
    const auto* ended = rig.In<worker::Ended>(id);
    ASSERT_NE(ended, nullptr) << TroubleName(trouble);
    EXPECT_EQ(ended->rejected, reason) << TroubleName(trouble);
  }
  EXPECT_EQ(rig.provider.lookups, 0);
}

TEST_F(EffectsTest, AnUnclearLaunchThatRentedIsFoundByItsLabel) {
  for (const Trouble trouble : {Trouble::kUnclear, Trouble::kMalformed}) {
    Rig fresh;
    fresh.Apply();
    Effects e(fresh.link());
    e.Start();
    fresh.provider.create_faults.push_back({MakeTrouble(trouble, "cut"), true});
    fresh.provider.list_lag = absl::Seconds(30);
    const WorkerId id = fresh.RequestLaunch();
    fresh.rt.RunFor(absl::Minutes(2));
    ASSERT_NE(fresh.In<worker::Live>(id), nullptr) << TroubleName(trouble);
    EXPECT_EQ(fresh.provider.instances.size(), 1u);
    EXPECT_THAT(fresh.provider.launches, SizeIs(1));
    EXPECT_THAT(fresh.Kinds(id), Contains(Key("worker.launch_unclear")));
  }
}

TEST_F(EffectsTest, AnUnclearLaunchThatDidNotRentIsSettledAfterTheSettleTimeNotBefore) {
  Fail(Trouble::kUnclear, /*rents=*/false);
  Start();
  const WorkerId id = rig.RequestLaunch();
  rig.rt.RunFor(absl::Seconds(175));
  EXPECT_NE(rig.In<worker::Launching>(id), nullptr);
  rig.rt.RunFor(absl::Seconds(30));
  const auto* ended = rig.In<worker::Ended>(id);
  ASSERT_NE(ended, nullptr);
  EXPECT_EQ(ended->how, eventpb::WorkerEnded::NEVER_BEGAN);
  EXPECT_THAT(rig.provider.launches, SizeIs(1));
  EXPECT_GE(rig.provider.lookups, 3);
  EXPECT_EQ(rig.provider.lists, 1);  // the last look goes through the whole list
}

TEST_F(EffectsTest, AFleetSetsTheTimeBetweenLookUpsAndUntilADestroyIsAskedForAgain) {
  specpb::FleetSpec spec = ZebSpec();
  spec.mutable_timers()->set_launch_settle_s(2);
  spec.mutable_timers()->set_launch_lookup_s(1);
  spec.mutable_timers()->set_destroy_again_s(2);
  rig.Apply(spec);
  Fail(Trouble::kUnclear, /*rents=*/false);
  Start();
  const WorkerId lost = rig.RequestLaunch();
  rig.rt.RunFor(absl::Milliseconds(1500));
  EXPECT_NE(rig.In<worker::Launching>(lost), nullptr);
  rig.rt.RunFor(absl::Seconds(9));
  EXPECT_NE(rig.In<worker::Ended>(lost), nullptr);
  EXPECT_GE(rig.provider.lookups + rig.provider.lists, 3);  // a shorter time makes them no fewer

  const WorkerId kept = rig.LiveWorker();
  rig.provider.failing["destroy"] = MakeTrouble(Trouble::kUnavailable, "502");
  EXPECT_THAT(rig.Condemn(kept), IsOk());
  rig.rt.RunFor(absl::Seconds(9));
  EXPECT_GE(rig.provider.destroys.size(), 2u);
}

TEST_F(EffectsTest, FailedLookUpsSettleNothingHoweverLong) {
  Fail(Trouble::kUnclear, /*rents=*/true);
  rig.provider.failing["lookup"] = MakeTrouble(Trouble::kUnavailable, "502");
  rig.provider.failing["list"] = MakeTrouble(Trouble::kUnavailable, "502");
  Start();
  const WorkerId id = rig.RequestLaunch();
  rig.rt.RunFor(absl::Hours(3));
  EXPECT_NE(rig.In<worker::Launching>(id), nullptr);
  EXPECT_THAT(rig.provider.launches, SizeIs(1));
  rig.provider.failing.clear();
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_NE(rig.In<worker::Live>(id), nullptr);
}

TEST_F(EffectsTest, ABlindLabelFilterDoesNotHideARental) {
  Fail(Trouble::kUnclear, /*rents=*/true);
  rig.provider.blind_filter = true;
  Start();
  const WorkerId id = rig.RequestLaunch();
  rig.rt.RunFor(absl::Minutes(5));
  EXPECT_NE(rig.In<worker::Live>(id), nullptr);
}

TEST_F(EffectsTest, AHungCreateEndsAtItsDeadlineAndIsLookedUp) {
  rig.provider.slow["create"] = absl::Hours(5);
  Start();
  const WorkerId id = rig.RequestLaunch();
  rig.rt.RunFor(absl::Minutes(3));
  EXPECT_NE(rig.In<worker::Live>(id), nullptr);
  EXPECT_EQ(Rented(), 1);
}

TEST_F(EffectsTest, AnIntentFoundAfterACrashIsLookedUpNeverSentAgain) {
  const WorkerId sent = rig.RequestLaunch(0);      // crashed after the call
  const WorkerId not_sent = rig.RequestLaunch(1);  // crashed before it
  rig.provider.Rent(rig.State(sent).identity.label);
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_NE(rig.In<worker::Live>(sent), nullptr);
  EXPECT_NE(rig.In<worker::Launching>(not_sent), nullptr);
  rig.rt.RunFor(absl::Minutes(4));
  EXPECT_NE(rig.In<worker::Ended>(not_sent), nullptr);
  EXPECT_THAT(rig.provider.launches, IsEmpty());
}

TEST_F(EffectsTest, OfTwoRentalsWithOneLabelTheOldestIsTaken) {
  const WorkerId id = rig.RequestLaunch();
  const InstanceId first = rig.provider.Rent(rig.State(id).identity.label);
  rig.provider.Rent(rig.State(id).identity.label);
  Start();
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_EQ(rig.State(id).instance, first);
}

TEST_F(EffectsTest, AnAnswerThatNamesAnotherWorkersInstanceIsLookedUp) {
  const WorkerId other = rig.LiveWorker(0);
  rig.provider.create_names = rig.State(other).instance;
  Start();
  const WorkerId id = rig.RequestLaunch(1);
  rig.rt.RunFor(absl::Minutes(1));
  ASSERT_NE(rig.In<worker::Live>(id), nullptr);
  EXPECT_NE(rig.State(id).instance, rig.State(other).instance);
  EXPECT_THAT(rig.provider.launches, SizeIs(1));
}

TEST_F(EffectsTest, DestroysAndAsksAgainUntilListsConfirm) {
  const WorkerId id = rig.LiveWorker();
  Start();
  rig.provider.destroy_answers = {absl::OkStatus(), MakeTrouble(Trouble::kUnclear, "cut")};
  EXPECT_THAT(rig.Condemn(id), IsOk());
  rig.rt.RunFor(absl::Seconds(20));
  EXPECT_THAT(rig.provider.destroys, SizeIs(1));
  rig.rt.RunFor(absl::Seconds(20));
  EXPECT_THAT(rig.provider.destroys, SizeIs(2));
  rig.rt.RunFor(absl::Minutes(10));
  EXPECT_GE(rig.provider.destroys.size(), 4u);
  EXPECT_LE(rig.provider.destroys.size(), 6u);         // the wait doubles
  ASSERT_NE(rig.In<worker::Destroying>(id), nullptr);  // "not found" alone is no proof
  EXPECT_EQ(rig.In<worker::Destroying>(id)->answer, eventpb::DestroyAnswered::NOT_FOUND);
  EXPECT_THAT(rig.Tell(id, worker::ObserveAbsence{.definite = true, .at = rig.rt.Now()}), IsOk());
  const std::size_t calls = rig.provider.destroys.size();
  rig.rt.RunFor(absl::Hours(2));
  EXPECT_EQ(rig.provider.destroys.size(), calls);
  EXPECT_EQ(effects->in_flight(), 0);
}

TEST_F(EffectsTest, NeverTwoDestroyCallsAtOnce) {
  const WorkerId id = rig.LiveWorker();
  Start();
  rig.provider.slow["destroy"] = absl::Seconds(50);
  EXPECT_THAT(rig.Condemn(id), IsOk());
  rig.rt.RunFor(absl::Seconds(45));
  EXPECT_THAT(rig.Condemn(id), IsOk());  // another rule finds it guilty too
  rig.rt.RunFor(absl::Seconds(30));
  EXPECT_THAT(rig.provider.destroys, SizeIs(1));
}

TEST_F(EffectsTest, ADestroyFoundInFlightAfterACrashIsCalledAgain) {
  const WorkerId id = rig.LiveWorker();
  EXPECT_THAT(rig.Condemn(id), IsOk());
  Start();
  rig.rt.RunFor(absl::Seconds(5));
  EXPECT_THAT(rig.provider.destroys, SizeIs(1));
  EXPECT_EQ(Rented(), 0);
  EXPECT_EQ(rig.In<worker::Destroying>(id)->answer, eventpb::DestroyAnswered::ACCEPTED);
}

TEST_F(EffectsTest, StartsAStoppedInstanceAndReportsARefusal) {
  const WorkerId id = rig.LiveWorker();
  Start();
  const auto ask = [&] {
    worker::RequestStart start{MakeEvidence("credit-again", "as the test says")};
    EXPECT_THAT(rig.Tell(id, start), IsOk());
    rig.rt.RunFor(absl::Seconds(5));
  };
  ask();
  EXPECT_THAT(rig.provider.starts, SizeIs(1));
  rig.provider.failing["start"] = MakeTrouble(Trouble::kRejected, "state change queued");
  ask();
  EXPECT_THAT(rig.provider.starts, SizeIs(2));
  EXPECT_THAT(rig.Kinds(id), Contains(Pair("worker.start_answered", 2)));
}

TEST_F(EffectsTest, AHundredLaunchesWaitForNobody) {
  Start();
  rig.provider.create_faults.push_back({});
  rig.provider.slow["create"] = absl::Seconds(80);
  const WorkerId slow = rig.RequestLaunch(0);
  rig.rt.RunFor(absl::Milliseconds(1));
  rig.provider.slow.clear();
  std::vector<WorkerId> others;
  for (int i = 1; i <= 100; ++i) others.push_back(rig.RequestLaunch(i));
  rig.rt.RunFor(absl::Seconds(10));
  EXPECT_NE(rig.In<worker::Launching>(slow), nullptr);
  for (const WorkerId& id : others) EXPECT_NE(rig.In<worker::Live>(id), nullptr);
}

TEST_F(EffectsTest, StopLeavesTheFleetAndTheNextStartGoesOn) {
  Fail(Trouble::kUnclear, /*rents=*/true);
  Start();
  const WorkerId unclear = rig.RequestLaunch(0);
  const WorkerId live = rig.RequestLaunch(1);
  rig.provider.list_lag = absl::Seconds(60);
  rig.rt.RunFor(absl::Seconds(5));
  rig.rt.Run([](Effects& e) -> Task<int> {
    co_await e.Stop();
    co_return 0;
  }(*effects));
  EXPECT_EQ(effects->in_flight(), 0);
  EXPECT_THAT(rig.provider.destroys, IsEmpty());
  EXPECT_NE(rig.In<worker::Live>(live), nullptr);
  EXPECT_NE(rig.In<worker::Launching>(unclear), nullptr);
  Start();
  rig.rt.RunFor(absl::Minutes(2));
  EXPECT_NE(rig.In<worker::Live>(unclear), nullptr);
  EXPECT_EQ(Rented(), 2);
}

specpb::FleetSpec WithPreflight() {
  specpb::FleetSpec spec = ZebSpec();
  specpb::Preflight& check = *spec.add_preflight();
  check.set_name("weights");
  check.set_url("https://hub.example/zeb.pt");
  check.set_bearer_ref("env:HF_TOKEN");
  check.set_missing_help("upload the weights first");
  return spec;
}

TEST_F(EffectsTest, ChecksTheWeightsAndAsksAgainUntilTheyAreThere) {
  Start();
  rig.http.answers["https://hub.example/zeb.pt"] = {404, 503, 200};
  rig.Apply(WithPreflight());
  const auto result = [&] { return rig.handler.world().FindFleet(FleetName("zeb"))->preflight; };
  rig.rt.RunFor(absl::Seconds(1));
  EXPECT_EQ(result().at("weights").result, eventpb::PreflightChecked::MISSING);
  EXPECT_EQ(result().at("weights").detail, "upload the weights first");
  rig.rt.RunFor(absl::Minutes(2));
  EXPECT_EQ(result().at("weights").result, eventpb::PreflightChecked::FAILED);
  rig.rt.RunFor(absl::Minutes(2));
  EXPECT_EQ(result().at("weights").result, eventpb::PreflightChecked::PASSED);
  rig.rt.RunFor(absl::Hours(1));
  EXPECT_THAT(rig.http.requests, SizeIs(3));
  EXPECT_EQ(rig.http.requests[0].method, "HEAD");
  EXPECT_EQ(FindHeader(rig.http.requests[0].headers, "Authorization"), "Bearer hf_planted");
}

TEST_F(EffectsTest, AFileBehindARedirectToItsStoreIsThere) {
  Start();
  rig.http.answers["https://hub.example/zeb.pt"] = {302};
  rig.Apply(WithPreflight());
  rig.rt.RunFor(absl::Seconds(1));
  const auto& checks = rig.handler.world().FindFleet(FleetName("zeb"))->preflight;
  EXPECT_EQ(checks.at("weights").result, eventpb::PreflightChecked::PASSED);
}

TEST_F(EffectsTest, ARefusedKeyIsAccountTroubleUntilACallGoesThrough) {
  Start();
  Fail(Trouble::kAuth, /*rents=*/false);
  rig.RequestLaunch(0);
  rig.rt.RunFor(absl::Seconds(5));
  const account::State* account = rig.handler.world().FindAccount(ProviderName("vast"));
  ASSERT_NE(account, nullptr);
  EXPECT_NE(account->Find(eventpb::AccountTroubleBegan::AUTH), nullptr);
  rig.RequestLaunch(1);
  rig.rt.RunFor(absl::Seconds(5));
  EXPECT_EQ(account->Find(eventpb::AccountTroubleBegan::AUTH), nullptr);
}

TEST_F(EffectsTest, SecretsNeverReachTheLog) {
  EXPECT_THAT(rig.secrets.Resolve("env:HF_TOKEN"), IsOk());
  rig.provider.create_faults.push_back(
      {MakeTrouble(Trouble::kRejected, rig.secrets.Mask("bad HF_TOKEN=hf_planted")), false});
  Start();
  rig.RequestLaunch(0);
  rig.RequestLaunch(1);
  rig.rt.RunFor(absl::Minutes(1));
  EXPECT_THAT(rig.store.ReadAll(0, 10'000,
                                [](const RecordedEvent& e) {
                                  EXPECT_THAT(e.event.payload, Not(HasSubstr("hf_planted")));
                                  return true;
                                }),
              IsOk());
}

}  // namespace
}  // namespace muster
