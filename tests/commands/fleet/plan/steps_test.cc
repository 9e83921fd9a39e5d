// The steps one by one: gates and credit, quota, strikes, health, downscale, upgrades.
#include "commands/fleet/plan/pass.h"
#include "commands/fleet/plan/plan.h"
#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"

namespace muster::fleet {
namespace {

// ---- gates ----

TEST(Gates, ARefusedKeyStopsEverything) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market(Stage::Plenty(5));
  const WorkerId dear = stage.AddLive(0);
  stage.See(dear, ActualStatus::kRunning, 95'000);
  stage.OnAccount(account::BeginTrouble{eventpb::AccountTroubleBegan::AUTH, "list", "401"});
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.Waits(), "AUTH");
  stage.OnFleet(Down{"stop"});
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.OnAccount(account::EndTrouble{eventpb::AccountTroubleBegan::AUTH, "list"});
  EXPECT_EQ(stage.Rules(), "over-cost");
}

TEST(Gates, AnOutageStopsLaunchesAndVerdictsButNoOperator) {
  Stage stage;
  stage.Apply(Stage::Spec(3));
  stage.Market(Stage::Plenty(5));
  const WorkerId dear = stage.AddLive(0);
  stage.See(dear, ActualStatus::kRunning, 95'000);
  stage.AddHealthy(1);
  stage.OnAccount(account::BeginTrouble{eventpb::AccountTroubleBegan::OUTAGE, "list", "502"});
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.Waits(), "OUTAGE");
  stage.OnFleet(Scale{1});
  EXPECT_EQ(stage.Rules(), "downscale");
}

TEST(Gates, AThrottledSearchStopsNothing) {
  for (const bool search : {true, false}) {
    Stage stage;
    stage.Apply(Stage::Spec(1));
    stage.Market(Stage::Plenty(5));
    stage.OnAccount(account::BeginTrouble{eventpb::AccountTroubleBegan::THROTTLED,
                                          search ? "search" : "launch", "429"});
    EXPECT_EQ(stage.Rules(), search ? "replenish" : "nothing");
    EXPECT_EQ(stage.Waits(), search ? "unchanged" : "THROTTLE");
  }
}

TEST(Gates, AThrottledLaunchIsTriedAgainAfterALockOut) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  stage.OnAccount(account::BeginTrouble{eventpb::AccountTroubleBegan::THROTTLED, "create", "429"});
  stage.now += absl::Seconds(14);
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.Decisions().next_due, stage.now + absl::Seconds(1));
  stage.now += absl::Seconds(1);
  EXPECT_EQ(stage.Rules(), "replenish");
}

TEST(Gates, AMissingPermissionIsOfItsOwnCallsAlone) {
  for (const char* endpoint : {"log", "list"}) {
    Stage stage;
    stage.Apply(Stage::Spec(1));
    stage.Market(Stage::Plenty(5));
    stage.OnAccount(
        account::BeginTrouble{eventpb::AccountTroubleBegan::FORBIDDEN, endpoint, "403"});
    EXPECT_EQ(stage.Rules(), std::string(endpoint) == "log" ? "replenish" : "nothing");
    EXPECT_EQ(stage.Waits(), "AUTH");
  }
}

TEST(Gates, PreflightComesBeforeTheFirstLaunchOfAVersion) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(1);
  spec.add_preflight()->set_name("weights");
  stage.Apply(spec);
  stage.Market(Stage::Plenty(5));
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.Waits(), "PREFLIGHT");
  eventpb::PreflightChecked check;
  check.set_fleet_version(1);
  check.set_name("weights");
  check.set_result(eventpb::PreflightChecked::MISSING);
  stage.OnFleet(RecordPreflight{check});
  EXPECT_EQ(stage.Rules(), "nothing");
  check.set_result(eventpb::PreflightChecked::PASSED);
  stage.OnFleet(RecordPreflight{check});
  EXPECT_EQ(stage.Rules(), "replenish");
  spec.set_workers(2);
  stage.Apply(spec);  // a new version is checked anew
  EXPECT_EQ(stage.Rules(), "nothing");
}

TEST(Gates, AnUnclearLaunchIsWaitedForAndKeepsItsPlace) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  stage.PlanAndCarry();
  const WorkerId id = stage.Launching().at(0);
  stage.OnWorker(id, worker::LaunchLost{"timed out"});
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.Waits(), "UNCLEAR");
  stage.OnWorker(id, worker::LaunchSettledAbsent{3, absl::Minutes(3)});
  stage.now += absl::Seconds(11);
  EXPECT_EQ(stage.Rules(), "replenish");
}

TEST(Gates, AWaitSaysWhenTheNextProbeIsDue) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(9));
  stage.OnAccount(account::BeginCreditWait{"lacks credit", Because("credit-wait")});
  stage.PlanAndCarry();
  const auto until = [&] { return stage.world.FindFleet(kZeb)->waits.at(0).until_us(); };
  EXPECT_EQ(until(), absl::ToUnixMicros(At(300)));
  stage.now += absl::Minutes(5);
  stage.PlanAndCarry();
  stage.Reject(stage.Launching().at(0), eventpb::LaunchRejected::NO_CREDIT);
  for (int i = 0; i < 3; ++i) stage.PlanAndCarry();
  EXPECT_EQ(until(), absl::ToUnixMicros(At(600)));
  EXPECT_TRUE(stage.Decisions().decisions.empty());
}

// ---- credit ----

TEST(Credit, ARefusedLaunchBeginsTheWaitAndAnAcceptedProbeEndsIt) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market(Stage::Plenty(9));
  stage.PlanAndCarry();
  for (const WorkerId& id : stage.Launching()) {
    stage.Reject(id, eventpb::LaunchRejected::NO_CREDIT);
  }
  EXPECT_EQ(stage.PlanAndCarry(), "credit-wait");
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.now += absl::Minutes(5);
  EXPECT_EQ(stage.PlanAndCarry(), "credit-probe");
  stage.Accept(stage.Launching().at(0));
  EXPECT_EQ(stage.PlanAndCarry(), "credit-probe credit-back");
  EXPECT_FALSE(stage.world.FindAccount(kVast)->credit_wait);
  // The old refusals do not begin it again; the other place is filled.
  EXPECT_EQ(stage.PlanAndCarry(), "replenish");
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
}

TEST(Credit, NoCreditAtAllBeginsTheWaitBeforeAnythingIsRefused) {
  for (const std::int64_t micros : {1, 0, -1}) {
    Stage stage;
    stage.Apply(Stage::Spec(1));
    stage.Market(Stage::Plenty(9));
    stage.OnAccount(account::ObserveCredit{MicroUsd(micros), MicroUsd(micros)});
    EXPECT_EQ(stage.Rules(), micros > 0 ? "replenish" : "credit-wait") << micros;
  }
}

TEST(Credit, SeenCreditThatPaysForAnHourEndsTheWait) {
  for (const std::int64_t micros : {89'999, 90'000}) {
    Stage stage;
    stage.Apply(Stage::Spec(1));
    stage.Market({});
    const WorkerId a = stage.AddHealthy(0);
    stage.OnAccount(account::BeginCreditWait{"lacks credit", Because("credit-wait")});
    stage.See(a, ActualStatus::kStopped);
    stage.PlanAndCarry();
    stage.now += absl::Minutes(6);
    stage.See(a, ActualStatus::kStopped);
    stage.OnAccount(account::ObserveCredit{MicroUsd(micros), MicroUsd(micros)});
    EXPECT_EQ(stage.PlanAndCarry(), micros < 90'000 ? "nothing" : "credit-back");
    // What the provider stopped is asked to start again, once.
    EXPECT_EQ(stage.PlanAndCarry(), micros < 90'000 ? "nothing" : "start");
    EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  }
}

TEST(Credit, OneProbeForAllFleetsOfTheAccount) {
  Stage stage;
  stage.Apply(Stage::Spec(2, "zeb"));
  stage.Apply(Stage::Spec(2, "other"));
  stage.Market(Stage::Plenty(9));
  stage.OnAccount(account::BeginCreditWait{"lacks credit", Because("credit-wait")});
  stage.now += absl::Minutes(5);
  EXPECT_EQ(stage.PlanAndCarry(), "credit-probe");
}

// ---- quota ----

TEST(Quota, IntervalHoldsTheAimExactly) {
  struct Case {
    int workers;
    std::int64_t interval;
  };
  for (const Case& one : {Case{1, 240}, {6, 240}, {7, 252}, {8, 288}, {20, 720}, {101, 3636}}) {
    Stage stage;
    specpb::FleetSpec spec = Stage::Spec(one.workers);
    spec.mutable_quota()->set_name("huggingface-commits");
    stage.Apply(spec);
    EXPECT_EQ(QuotaInterval(stage.world, *stage.world.FindFleet(kZeb)), one.interval);
  }
}

TEST(Quota, AChangeIsWrittenOnceAndOldWorkersAreRolledOneByOneWhileTheLimitIsBroken) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(12);
  spec.mutable_quota()->set_name("huggingface-commits");
  stage.Apply(spec);
  stage.Market(Stage::Plenty(30));
  std::vector<WorkerId> workers;
  for (int i = 0; i < 12; ++i) workers.push_back(stage.AddHealthy(i));  // on the least, 240 s
  // 12 x 15 commits per hour = 180 > 128.
  EXPECT_EQ(stage.PlanAndCarry(), "quota-interval quota-rollout");
  EXPECT_EQ(stage.world.FindFleet(kZeb)->upload_interval_s, 432);
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
}

TEST(Quota, WithinTheLimitNobodyIsRestartedForIt) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(8);
  spec.mutable_quota()->set_name("huggingface-commits");
  stage.Apply(spec);
  stage.Market(Stage::Plenty(30));
  for (int i = 0; i < 8; ++i) stage.AddHealthy(i);  // 8 x 15 = 120 <= 128
  EXPECT_EQ(stage.PlanAndCarry(), "quota-interval");
}

// ---- strikes ----

TEST(Strikes, ASuspensionEndsAWindowAfterTheLastSuchFailure) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  eventpb::StrikesSuspended suspended;
  suspended.set_cause("stuck-setup");
  *suspended.mutable_evidence() = Because("common-cause");
  stage.OnFleet(SuspendStrikes{suspended});
  stage.now += absl::Seconds(1799);
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now += absl::Seconds(1);
  EXPECT_EQ(stage.PlanAndCarry(), "strikes-resumed");
  EXPECT_EQ(stage.Rules(), "nothing");
}

TEST(Strikes, FailuresOfOneMachineOrOfManyRulesAreNoCommonCause) {
  Stage stage;
  stage.Apply(Stage::Spec(3));
  stage.Market({});
  const WorkerId a = stage.AddLive(0), b = stage.AddLive(1), c = stage.AddLive(2);
  for (const WorkerId& id : {a, b, c}) stage.See(id);
  stage.Log(a, LogFacts("setup"));
  stage.Log(b, LogFacts("setup"));
  stage.Log(c, LogFacts("producing", 4));
  stage.now += absl::Seconds(900);
  stage.Log(a, LogFacts("setup"));
  stage.Log(b, LogFacts("setup"));
  stage.Log(c, LogFacts("producing", 4));
  const PlanResult plan = stage.Decisions();
  EXPECT_EQ(Stage::Rules(plan).find("common-cause"), std::string::npos);
  EXPECT_EQ(stage.Condemned(plan).size(), 3u);
}

// ---- health ----

TEST(Unheard, AWorkerWhoseLogCannotBeReadIsShownAfterHalfAnHourAndNeverDestroyed) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  const WorkerId id = stage.AddLive(0, absl::ZeroDuration());
  const auto fail = [&](absl::Duration after) {
    stage.now += after;
    stage.See(id);
    eventpb::ObservationFailed failed;
    failed.set_what("log");
    failed.set_count(2);
    stage.Fold(WorkerStream(id), Wrap(failed));
    EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  };
  fail(absl::Minutes(30) - absl::Seconds(1));
  EXPECT_TRUE(stage.world.FindFleet(kZeb)->waits.empty());
  fail(absl::Seconds(1));
  const auto& waits = stage.world.FindFleet(kZeb)->waits;
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_EQ(waits[0].kind(), eventpb::Wait::UNCLEAR);
  EXPECT_EQ(waits[0].owner(), "operator");
  EXPECT_EQ(waits[0].detail(), Cat("worker ", id.str(), " unobserved for ",
                                   FormatSpan(absl::Minutes(30)), ": its log cannot be read"));
  fail(absl::Minutes(100));
  EXPECT_NE(waits[0].detail().find(FormatSpan(absl::Hours(2))), std::string::npos)
      << waits[0].detail();
  const auto before = stage.world.FindFleet(kZeb)->waits_changed;
  fail(absl::Minutes(5));  // the text does not change by the minute
  EXPECT_EQ(stage.world.FindFleet(kZeb)->waits_changed, before);
  EXPECT_EQ(stage.world.FindWorker(id)->live()->health, eventpb::WorkerHealthChanged::UNKNOWN);
  stage.Produce(id);
  stage.PlanAndCarry();
  EXPECT_TRUE(stage.world.FindFleet(kZeb)->waits.empty());
}

// ---- downscale ----

TEST(Downscale, GivesUpTheLeastUsefulFirst) {
  Stage stage;
  stage.Apply(Stage::Spec(4));
  stage.Market({});
  const WorkerId slow = stage.AddHealthy(0, /*rate=*/1.0);  // 0.06 per game/s
  const WorkerId fast = stage.AddHealthy(1, /*rate=*/3.0);  // 0.02
  const WorkerId young = stage.AddLive(2, absl::Seconds(60));
  const WorkerId dead = stage.AddLive(3);
  stage.See(dead, ActualStatus::kExited);
  std::vector<WorkerId> order;
  for (int wanted : {3, 2, 1, 0}) {
    stage.OnFleet(Scale{wanted});
    const auto condemned = stage.Condemned(stage.Decisions());
    ASSERT_EQ(condemned.size(), 1u);
    EXPECT_EQ(condemned.begin()->second.evidence().rule(), "downscale");
    EXPECT_EQ(condemned.begin()->second.strike_weight(), 0);
    EXPECT_FALSE(condemned.begin()->second.replace());
    order.push_back(condemned.begin()->first);
    stage.PlanAndCarry();
  }
  EXPECT_EQ(order, (std::vector<WorkerId>{dead, young, slow, fast}));
}

TEST(Downscale, ObservedSpeedCountsNotTheTable) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  const WorkerId table_says_fast = stage.AddHealthy(0, /*rate=*/1.2);
  stage.AddHealthy(1, /*rate=*/3.4);
  const auto condemned = stage.Condemned(stage.Decisions());
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_EQ(condemned.begin()->first, table_says_fast);
}

TEST(Downscale, ExactlyAsManyAsWantedGivesNothing) {
  for (const int have : {2, 3, 4}) {
    Stage stage;
    stage.Apply(Stage::Spec(3));
    stage.Market({});
    for (int i = 0; i < have; ++i) stage.AddHealthy(i);
    EXPECT_EQ(stage.Condemned(stage.Decisions()).size(), have > 3 ? 1u : 0u) << have;
  }
}

// ---- upgrades ----

struct UpgradeStage : Stage {
  explicit UpgradeStage(std::int64_t offer_micros) {
    specpb::FleetSpec spec = Spec(2);
    spec.mutable_upgrades()->set_enabled(true);
    spec.mutable_upgrades()->set_gain_min(0.15);
    spec.mutable_upgrades()->set_payback_s_max(7 * 24 * 3600);
    spec.mutable_upgrades()->set_per_hour_max(1);
    spec.mutable_upgrades()->set_cooldown_s(1800);
    spec.mutable_upgrades()->set_trial_s_max(900);
    Apply(spec);
    worst = AddHealthy(0, /*rate=*/2.0, /*micros=*/80'000);  // $0.04 per game/s
    best = AddHealthy(1, /*rate=*/2.0, /*micros=*/60'000);
    Market({MakeOffer("up", "RTX 3070", offer_micros)});
  }
  WorkerId worst, best;
};

TEST(Upgrades, OnlyAClearGainIsTaken) {
  // Expected 2.0 games/s: the gain over $0.04 is 15 % at $0.068/h.
  for (const std::int64_t micros : {67'999, 68'000, 68'100}) {
    UpgradeStage stage(micros);
    EXPECT_EQ(stage.Rules(), micros <= 68'000 ? "upgrade" : "nothing") << micros;
  }
}

TEST(Upgrades, TheTrialTakesOverOnceItWorks) {
  UpgradeStage stage(40'000);
  EXPECT_EQ(stage.PlanAndCarry(), "upgrade");
  const WorkerId trial = stage.Launching().at(0);
  EXPECT_EQ(stage.world.FindWorker(trial)->identity.replaces, stage.worst);
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");  // it is extra, not one too many
  stage.Accept(trial);
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.now += absl::Minutes(4);
  stage.Produce(stage.worst);
  stage.Produce(stage.best);
  stage.Produce(trial);
  const auto condemned = stage.Condemned(stage.Decisions());
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_EQ(condemned.begin()->first, stage.worst);
  EXPECT_EQ(condemned.begin()->second.evidence().rule(), "upgrade");
  stage.PlanAndCarry();
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.DestroyAccepted(stage.worst);
  stage.Gone(stage.worst);
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
}

TEST(Upgrades, ATrialThatDoesNotWorkInTimeIsGivenUp) {
  UpgradeStage stage(40'000);
  stage.PlanAndCarry();
  const WorkerId trial = stage.Launching().at(0);
  stage.Accept(trial);
  for (const int s : {899, 900}) {
    stage.now = At(s);
    stage.Log(trial, LogFacts("setup", -1));
    EXPECT_EQ(stage.Condemned(stage.Decisions()).count(trial), s >= 900 ? 1u : 0u) << s;
  }
  EXPECT_EQ(stage.PlanAndCarry(), "upgrade-failed");
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
}

TEST(Upgrades, ATrialThatNobodyCouldLookAtIsNotGivenUp) {
  UpgradeStage stage(40'000);
  stage.PlanAndCarry();
  const WorkerId trial = stage.Launching().at(0);
  stage.Accept(trial);
  stage.now = At(3'600);
  EXPECT_EQ(stage.Condemned(stage.Decisions()).count(trial), 0u);
}

TEST(Upgrades, NoneWhileSomethingIsWrong) {
  UpgradeStage stage(40'000);
  eventpb::LogObserved error = LogFacts("producing", 2);
  error.set_error("Traceback");
  stage.Log(stage.best, error);
  EXPECT_EQ(stage.Rules(), "nothing");
}

TEST(Upgrades, TheBootMustBePaidBackInTime) {
  // Saving ($0.04 - $0.02) x 2.0 = $0.04/h; ten minutes of boot at $0.04/h cost $0.006667: 600 s.
  for (const int payback_s : {599, 601}) {
    UpgradeStage stage(40'000);
    specpb::FleetSpec spec = stage.world.FindFleet(kZeb)->spec;
    spec.mutable_upgrades()->set_payback_s_max(payback_s);
    stage.Apply(spec);
    EXPECT_EQ(stage.Rules(), payback_s > 600 ? "upgrade" : "nothing") << payback_s;
  }
}

}  // namespace
}  // namespace muster::fleet
