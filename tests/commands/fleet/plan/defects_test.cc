// The defects of the scripts that muster replaces, one test for each that is a matter of decision.
// The numbers are those of the list in the project's reference.
#include "commands/fleet/plan/pass.h"
#include "commands/fleet/plan/plan.h"
#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"

namespace muster::fleet {
namespace {

TEST(Defect01, AFailedListIsNoEmptyFleet) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0);
  const WorkerId b = stage.AddHealthy(1);
  eventpb::ObservationFailed failed;
  failed.set_what("instance");
  for (int count = 2; count < 5; ++count) {
    failed.set_count(count);
    stage.Fold(WorkerStream(a), Wrap(failed));
    stage.Fold(WorkerStream(b), Wrap(failed));
    EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  }
  stage.OnAccount(account::BeginTrouble{eventpb::AccountTroubleBegan::OUTAGE, "list", "503"});
  stage.now += absl::Hours(2);
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
}

// Found by the storm: a stopped worker is billed for its disk, and runs again when it is asked to.
TEST(Budget, AWorkerThatStandsStillCountsAtItsFullPrice) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(2);
  spec.mutable_budget()->set_per_hour_micro_usd(100'000);
  stage.Apply(spec);
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0);
  stage.See(a, ActualStatus::kStopped, 3'000);
  EXPECT_EQ(stage.Rules(), "start");
  EXPECT_EQ(stage.Waits(), "BUDGET");
  stage.See(a, ActualStatus::kNone, 3'000);  // a row without a word
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.Waits(), "BUDGET");
}

TEST(Defect01, AbsenceFromOneListLaunchesNothing) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0);
  stage.OnWorker(a, worker::ObserveAbsence{false, stage.now});
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.now += absl::Seconds(30);
  stage.OnWorker(a, worker::ObserveAbsence{false, stage.now});
  EXPECT_EQ(stage.PlanAndCarry(), "replace");  // two complete lists: it vanished
}

TEST(Defect01, NothingIsLaunchedBeforeTheFirstCompleteList) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.OnAccount(account::ObserveOffers{Stage::Plenty(3), 3, "q"});
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.Waits(), "LIST");
  stage.OnAccount(account::ObserveList{});
  EXPECT_EQ(stage.Rules(), "replenish");
}

TEST(Defect02, OfDuplicatesTheHealthyOneStaysWhateverItsAge) {
  for (const bool healthy_is_older : {true, false}) {
    Stage stage;
    stage.Apply(Stage::Spec(1));
    stage.Market({});
    WorkerId healthy, dead;
    if (healthy_is_older) healthy = stage.AddHealthy(0);
    dead = stage.AddLive(0);
    stage.See(dead, ActualStatus::kExited);
    if (!healthy_is_older) healthy = stage.AddHealthy(0);
    const auto condemned = stage.Condemned(stage.Decisions());
    ASSERT_EQ(condemned.size(), 1u);
    EXPECT_EQ(condemned.begin()->first, dead);
    EXPECT_EQ(condemned.begin()->second.evidence().rule(), "duplicate");
    EXPECT_EQ(condemned.begin()->second.strike_weight(), 0);
    EXPECT_FALSE(condemned.begin()->second.replace());
  }
}

TEST(Defect02, OfTwoHealthyDuplicatesTheOlderStays) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  stage.AddHealthy(0, 2.0, 60'000, absl::Hours(2));
  const WorkerId younger = stage.AddHealthy(0, 2.0, 60'000, absl::Hours(1));
  const auto condemned = stage.Condemned(stage.Decisions());
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_EQ(condemned.begin()->first, younger);
}

TEST(Defect03, ASlowLogFetchKillsNobody) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0, 2.0, 60'000, absl::Minutes(83));
  eventpb::ObservationFailed failed;
  failed.set_what("log");
  failed.set_detail("timed out after 7 s");
  for (int count = 2; count < 60; ++count) {
    stage.now += absl::Seconds(45);
    failed.set_count(count);
    stage.Fold(WorkerStream(a), Wrap(failed));
    EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  }
  EXPECT_EQ(stage.world.FindWorker(a)->live()->health, eventpb::WorkerHealthChanged::UNKNOWN);
}

TEST(Defect04, TimeInAPhaseRunsFromItsFirstEventNotFromTheContract) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddLive(0, absl::Hours(5));
  stage.See(a);
  stage.Log(a, LogFacts("setup"));
  stage.now += absl::Seconds(599);
  stage.Log(a, LogFacts("setup"));
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now += absl::Seconds(1);
  stage.Log(a, LogFacts("setup"));
  EXPECT_EQ(stage.Rules(), "stuck-setup");
}

TEST(Defect04, ALongUploadIsNoStandstill) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0);
  eventpb::LogObserved uploading = LogFacts("producing", 2);
  uploading.set_busy(true);
  stage.now += absl::Minutes(20);
  stage.Log(a, uploading);
  EXPECT_EQ(stage.Rules(), "nothing");
}

TEST(Defect05, ABatchAfterAnErrorClearsIt) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0);
  eventpb::LogObserved error = LogFacts("producing", 2);
  error.set_error("urllib3.exceptions.ReadTimeoutError");
  stage.Log(a, error);
  stage.now += absl::Seconds(299);
  stage.Log(a, error);
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.Log(a, LogFacts("producing", 3));
  stage.now += absl::Seconds(600);
  stage.Log(a, LogFacts("producing", 4));
  EXPECT_EQ(stage.Rules(), "nothing");
}

TEST(Defect06, TheSameBatchForTooLongIsNoHealth) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0);
  stage.now += absl::Seconds(900);
  stage.Log(a, LogFacts("producing", 2));
  EXPECT_EQ(stage.Rules(), "no-progress");
}

TEST(Defect06, AnExitedContainerIsNoHealthThoughItsLastBatchIsInTheLog) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0);
  stage.now += absl::Seconds(60);
  stage.See(a, ActualStatus::kExited);
  stage.now += absl::Seconds(300);
  stage.See(a, ActualStatus::kExited);
  stage.Log(a, LogFacts("producing", 2));
  stage.now += absl::Seconds(299);
  stage.See(a, ActualStatus::kExited);
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now += absl::Seconds(1);
  EXPECT_EQ(stage.Rules(), "nothing");  // not before it was seen so
  stage.See(a, ActualStatus::kExited);
  EXPECT_EQ(stage.Rules(), "offline");
}

TEST(Defect07, TwoLaunchesNeverPickOneOfferAcrossFleets) {
  Stage stage;
  stage.Apply(Stage::Spec(3, "zeb"));
  stage.Apply(Stage::Spec(3, "other"));
  std::vector<Offer> offers = Stage::Plenty(6);
  offers[1].machine = offers[0].machine;  // siblings on one machine
  stage.Market(offers);
  std::set<std::string> taken, machines;
  for (int round = 0; round < 3; ++round) {
    const PlanResult plan = stage.Decisions();
    for (const auto& launch : stage.Launches(plan)) {
      EXPECT_TRUE(taken.insert(launch.offer().offer()).second) << launch.offer().offer();
      EXPECT_TRUE(machines.insert(launch.offer().machine()).second);
    }
    stage.Carry(plan);
  }
  EXPECT_EQ(taken.size(), 5u);
}

TEST(Defect08, AFailedLaunchIsNoSuccessAndIsTriedElsewhereAtOnce) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  stage.PlanAndCarry();
  const WorkerId first = stage.Launching().at(0);
  stage.Reject(first, eventpb::LaunchRejected::OFFER_GONE);
  const PlanResult plan = stage.Decisions();
  ASSERT_EQ(stage.Launches(plan).size(), 1u);
  EXPECT_EQ(stage.Launches(plan)[0].offer().offer(), "o1");  // o0 is just gone
}

TEST(Defect09, IndexesAreWholeNumbersAndStrayOnesFillPlaces) {
  const specpb::FleetSpec spec = Stage::Spec(1);
  EXPECT_EQ(IndexFromLabel(spec, "zeb-worker-vast-1"), 1);
  EXPECT_EQ(IndexFromLabel(spec, "zeb-worker-vast-10"), 10);
  EXPECT_EQ(IndexFromLabel(spec, "zeb-worker-vast-10.m7k2abcde"), 10);
  EXPECT_EQ(IndexFromLabel(spec, "zeb-large-worker-vast-1"), std::nullopt);
  EXPECT_EQ(IndexFromLabel(spec, "zeb-worker-vast-1x"), std::nullopt);
  Stage stage;
  stage.Apply(Stage::Spec(3));
  stage.Market(Stage::Plenty(5));
  stage.AddHealthy(0);
  stage.AddHealthy(10);  // in no place, but there
  const PlanResult plan = stage.Decisions();
  ASSERT_EQ(stage.Launches(plan).size(), 1u);
  EXPECT_EQ(stage.Launches(plan)[0].index(), 1);
}

TEST(Defect10, AMachineBilledAboveItsOfferIsNotRentedAgainNorStruck) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  std::vector<Offer> offers = Stage::Plenty(1);
  stage.Market(offers);
  stage.PlanAndCarry();
  const WorkerId id = stage.Launching().at(0);
  stage.Accept(id);
  stage.See(id, ActualStatus::kRunning, 92'100);
  const auto condemned = stage.Condemned(stage.Decisions());
  ASSERT_EQ(condemned.count(id), 1u);
  EXPECT_EQ(condemned.at(id).strike_weight(), 0);
  EXPECT_EQ(stage.PlanAndCarry(), "over-cost");
  stage.DestroyAccepted(id);
  stage.Gone(id);
  stage.now += absl::Minutes(1);
  stage.Market(offers);
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.Waits(), "OFFERS");
}

TEST(Defect13, AFailedDestroyKeepsItsPlaceUntilItIsTaken) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddLive(0);
  stage.See(a, ActualStatus::kRunning, 95'000);
  stage.PlanAndCarry();
  stage.Fold(WorkerStream(a), DestroyAnsweredWith(eventpb::DestroyAnswered::THROTTLED));
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.DestroyAccepted(a);
  EXPECT_EQ(stage.Rules(), "replace");
}

TEST(Defect14, OurOwnFaultsStrikeNobody) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddLive(0);
  stage.See(a);
  eventpb::LogObserved broken = LogFacts("boot");
  broken.set_broken(true);
  stage.Log(a, broken);
  stage.now += absl::Seconds(300);
  stage.Log(a, broken);
  const auto condemned = stage.Condemned(stage.Decisions());
  ASSERT_EQ(condemned.count(a), 1u);
  EXPECT_EQ(condemned.at(a).evidence().rule(), "broken-launch");
  EXPECT_EQ(condemned.at(a).strike_weight(), 0);
}

TEST(Defect14, ManyMachinesThatFailAlikeSuspendStrikes) {
  for (const int machines : {2, 3}) {
    Stage stage;
    stage.Apply(Stage::Spec(5));
    stage.Market({});
    stage.AddHealthy(4);  // so the program works
    std::vector<WorkerId> stuck;
    for (int i = 0; i < machines; ++i) {
      stuck.push_back(stage.AddLive(i));
      stage.See(stuck.back());
      stage.Log(stuck.back(), LogFacts("setup"));
    }
    stage.now += absl::Seconds(600);
    for (const WorkerId& id : stuck) stage.Log(id, LogFacts("setup"));
    const PlanResult plan = stage.Decisions();
    const auto condemned = stage.Condemned(plan);
    ASSERT_EQ(condemned.size(), stuck.size());
    for (const auto& [id, verdict] : condemned) {
      EXPECT_EQ(verdict.strike_weight(), machines < 3 ? 1 : 0);
    }
    EXPECT_EQ(Stage::Rules(plan).find("common-cause") != std::string::npos, machines >= 3);
  }
}

TEST(Defect14, MachinesWhoseWorkerIsGoneAlreadyCountAmongThoseThatFailAlike) {
  Stage stage;
  stage.Apply(Stage::Spec(5));
  stage.Market({});
  stage.AddHealthy(4);  // so the program works
  std::vector<WorkerId> stuck;
  for (int i = 0; i < 3; ++i) {
    stuck.push_back(stage.AddLive(i));
    stage.See(stuck.back());
    stage.Log(stuck.back(), LogFacts("setup"));
  }
  stage.now += absl::Seconds(600);
  for (int i = 0; i < 3; ++i) {
    stage.Log(stuck[i], LogFacts("setup"));
    const PlanResult plan = stage.Decisions();
    const auto condemned = stage.Condemned(plan);
    ASSERT_EQ(condemned.count(stuck[i]), 1u);
    EXPECT_EQ(condemned.at(stuck[i]).strike_weight(), i < 2 ? 1 : 0);
    stage.Carry(plan);
    stage.Gone(stuck[i]);
    stage.now += absl::Seconds(60);
  }
}

TEST(Defect14, StrikesExpire) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(1));
  stage.Strike("mo0", 3, absl::Hours(1));
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now += absl::Hours(1) + absl::Seconds(1);
  stage.Market(Stage::Plenty(1));
  EXPECT_EQ(stage.Rules(), "replenish");
}

TEST(Defect16, AfterARestartNobodyIsJudgedBeforeItIsSeenAgain) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0);
  stage.now += absl::Hours(3);  // nobody looked
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  EXPECT_EQ(stage.world.FindWorker(a)->live()->health, eventpb::WorkerHealthChanged::UNKNOWN);
  stage.Log(a, LogFacts("producing", 90));
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  EXPECT_EQ(stage.world.FindWorker(a)->live()->health, eventpb::WorkerHealthChanged::HEALTHY);
}

TEST(Defect17, TheQuotaIsSharedByAllFleetsAndFollowsAResize) {
  Stage stage;
  specpb::FleetSpec zeb = Stage::Spec(4, "zeb"), other = Stage::Spec(4, "other");
  for (auto* spec : {&zeb, &other}) spec->mutable_quota()->set_name("huggingface-commits");
  stage.Apply(zeb);
  EXPECT_EQ(QuotaInterval(stage.world, *stage.world.FindFleet(kZeb)), 240);
  stage.Apply(other);
  EXPECT_EQ(QuotaInterval(stage.world, *stage.world.FindFleet(kZeb)), 288);
  stage.OnFleet(Scale{20});
  EXPECT_EQ(QuotaInterval(stage.world, *stage.world.FindFleet(kZeb)), 864);
  stage.Market(Stage::Plenty(3));
  for (const auto& launch : stage.Launches(stage.Decisions())) {
    EXPECT_EQ(launch.upload_interval_s(), 864);
  }
}

TEST(Defect18, InACreditWaitTheFleetDoesNotShrinkAndOneProbeRunsPerFiveMinutes) {
  Stage stage;
  stage.Apply(Stage::Spec(3));
  stage.Market(Stage::Plenty(9));
  const WorkerId a = stage.AddHealthy(0);
  stage.OnAccount(account::BeginCreditWait{"lacks credit", Because("credit-wait")});
  stage.now += absl::Seconds(60);
  stage.See(a, ActualStatus::kStopped);
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.now += absl::Seconds(239);
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.now += absl::Seconds(1);
  EXPECT_EQ(stage.PlanAndCarry(), "credit-probe");
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  EXPECT_EQ(stage.world.FindWorker(a)->live()->health, eventpb::WorkerHealthChanged::HELD);
}

TEST(Defect18, AProbeThatSaysNothingAboutCreditEndsNoWait) {
  for (const auto reason : {eventpb::LaunchRejected::OFFER_GONE, eventpb::LaunchRejected::THROTTLED,
                            eventpb::LaunchRejected::NO_CREDIT}) {
    Stage stage;
    stage.Apply(Stage::Spec(1));
    stage.Market(Stage::Plenty(9));
    stage.OnAccount(account::BeginCreditWait{"lacks credit", Because("credit-wait")});
    stage.now += absl::Minutes(5);
    EXPECT_EQ(stage.PlanAndCarry(), "credit-probe");
    stage.Reject(stage.Launching().at(0), reason);
    stage.PlanAndCarry();
    EXPECT_TRUE(stage.world.FindAccount(kVast)->credit_wait);
    EXPECT_EQ(stage.PlanAndCarry(), "nothing");
    stage.now += absl::Minutes(5);
    EXPECT_EQ(stage.PlanAndCarry(), "credit-probe");
  }
}

TEST(Defect22, AWorkerStuckInLoadingDoesNotCountForEver) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddLive(0, absl::Seconds(599));
  stage.See(a, ActualStatus::kLoading);
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now += absl::Seconds(1);
  stage.See(a, ActualStatus::kLoading);
  EXPECT_EQ(stage.Rules(), "stuck-boot");
}

TEST(Defect22, ReplenishingNumbersOnInsteadOfFromZero) {
  Stage stage;
  stage.Apply(Stage::Spec(4));
  stage.Market(Stage::Plenty(5));
  stage.AddHealthy(0);
  stage.AddHealthy(2);
  std::set<int> indexes;
  for (const auto& launch : stage.Launches(stage.Decisions())) indexes.insert(launch.index());
  EXPECT_EQ(indexes, (std::set<int>{1, 3}));
}

}  // namespace
}  // namespace muster::fleet
