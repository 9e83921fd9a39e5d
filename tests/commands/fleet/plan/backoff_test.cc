// When the policy takes a breath before it rents again, what it says meanwhile, and that a clock
// that was set back holds up nothing for longer than the pause itself.
#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"

namespace muster::fleet {
namespace {

constexpr absl::Duration kBack = absl::Hours(6);

// The first wait of a kind that the fleet would be said to have.
eventpb::Wait WaitOf(const Stage& stage, eventpb::Wait::Kind kind) {
  const PlanResult plan = stage.Decisions();
  for (const Decision& decision : plan.decisions) {
    const auto* act = std::get_if<ForFleet>(&decision.act);
    const auto* changed = act == nullptr ? nullptr : std::get_if<ChangeWaits>(&act->command);
    if (changed == nullptr) continue;
    for (const eventpb::Wait& wait : changed->waits) {
      if (wait.kind() == kind) return wait;
    }
  }
  return {};
}

void RejectAll(Stage& stage, eventpb::LaunchRejected::Reason reason, std::string detail) {
  for (const WorkerId& id : stage.Launching()) {
    stage.OnWorker(id, worker::LaunchRefused{reason, detail});
  }
}

// ---- refused launches ----

TEST(Backoff, OfTwoPausesForOneReasonTheLongerIsShown) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  stage.PlanAndCarry();
  RejectAll(stage, eventpb::LaunchRejected::THROTTLED, "429");  // 10 s
  const absl::Time refused = stage.now;
  stage.now += absl::Seconds(1);
  stage.OnAccount(account::BeginTrouble{eventpb::AccountTroubleBegan::THROTTLED, "create", "429"});
  const eventpb::Wait wait = WaitOf(stage, eventpb::Wait::THROTTLE);
  EXPECT_EQ(wait.detail(), "too many requests (create)");
  EXPECT_EQ(absl::FromUnixMicros(wait.until_us()), refused + absl::Seconds(16));
}

TEST(Backoff, AMissingSecretIsNamed) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  stage.PlanAndCarry();
  RejectAll(stage, eventpb::LaunchRejected::SECRET_MISSING, "env:NOPE is not set");
  const eventpb::Wait wait = WaitOf(stage, eventpb::Wait::SECRETS);
  EXPECT_EQ(wait.detail(), "launches were refused: secret missing (env:NOPE is not set)");
  EXPECT_EQ(wait.owner(), "operator");
}

TEST(Backoff, ANewSpecIsTriedAtOnceWhateverWasRefusedBefore) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(9));
  for (int i = 0; i < 4; ++i) {
    stage.now += absl::Minutes(1);
    ASSERT_EQ(stage.PlanAndCarry(), "replenish");
    RejectAll(stage, eventpb::LaunchRejected::SECRET_MISSING, "env:NOPE is not set");
  }
  ASSERT_EQ(stage.PlanAndCarry(), "nothing");
  specpb::FleetSpec mended = Stage::Spec(3);
  mended.mutable_launch()->set_image("pytorch:2");
  stage.Apply(mended);
  EXPECT_EQ(stage.Rules(), "replenish x3");
}

TEST(Backoff, AClockThatWasSetBackDoesNotProlongThePauseAfterARefusal) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(9));
  stage.PlanAndCarry();
  RejectAll(stage, eventpb::LaunchRejected::REJECTED, "400");
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now -= kBack;
  stage.Market(Stage::Plenty(9));
  EXPECT_EQ(stage.PlanAndCarry(), "replenish");
  // And refused again it waits again.
  RejectAll(stage, eventpb::LaunchRejected::REJECTED, "400");
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.now += absl::Seconds(20);
  EXPECT_EQ(stage.PlanAndCarry(), "replenish");
}

// ---- failed workers ----

void FailOne(Stage& stage, specpb::Fault fault, std::string summary,
             std::string_view rule = "stuck-boot") {
  const WorkerId id = stage.AddLive(0, absl::ZeroDuration());
  eventpb::WorkerCondemned verdict = Verdict(rule);
  verdict.set_fault(fault);
  verdict.set_strike_weight(fault == specpb::MACHINE ? 1 : 0);
  verdict.mutable_evidence()->set_summary(std::move(summary));
  stage.OnWorker(id, worker::Condemn{verdict});
  stage.DestroyAccepted(id);
  stage.Gone(id);
}

// Failures that are no common cause, however alike.
specpb::FleetSpec EachForItself() {
  specpb::FleetSpec spec = Stage::Spec(1);
  spec.mutable_strikes()->set_common_cause_min(100);
  return spec;
}

TEST(Backoff, FailuresSayWhatTheLastOneDiedOf) {
  Stage stage;
  stage.Apply(EachForItself());
  stage.Market(Stage::Plenty(3));
  for (int i = 0; i < 6; ++i) FailOne(stage, specpb::MACHINE, Cat("BOOT for ", i, "m"));
  EXPECT_EQ(stage.Rules(), "nothing");
  const eventpb::Wait wait = WaitOf(stage, eventpb::Wait::BUDGET);
  EXPECT_EQ(wait.detail(),
            "6 workers failed within an hour, the last by stuck-boot: BOOT for 5m; look at "
            "`muster explain`");
  EXPECT_EQ(wait.owner(), "operator");
  specpb::FleetSpec mended = EachForItself();
  mended.mutable_launch()->set_image("pytorch:2");
  stage.Apply(mended);
  EXPECT_EQ(stage.Rules(), "replace");
}

TEST(Backoff, AClockThatWasSetBackDoesNotProlongThePauseAfterFailures) {
  Stage stage;
  stage.Apply(EachForItself());
  stage.Market(Stage::Plenty(3));
  for (int i = 0; i < 6; ++i) FailOne(stage, specpb::MACHINE, "BOOT");
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now -= kBack;
  stage.Market(Stage::Plenty(3));
  EXPECT_EQ(stage.Rules(), "replace");
}

// ---- launches that come to nothing ----

TEST(Backoff, TheFirstLaunchThatComesToNothingIsReplacedAtOnceThenThePauseDoubles) {
  Stage stage;
  stage.Apply(EachForItself());
  FailOne(stage, specpb::MACHINE, "BOOT");
  stage.Market(Stage::Plenty(9));
  EXPECT_EQ(stage.Rules(), "replace");
  for (const int minutes : {2, 4, 8, 16}) {
    FailOne(stage, specpb::MACHINE, "BOOT");
    const absl::Time failed = stage.now;
    const eventpb::Wait wait = WaitOf(stage, eventpb::Wait::BUDGET);
    EXPECT_EQ(wait.owner(), "operator");
    EXPECT_EQ(wait.until_us(), absl::ToUnixMicros(failed + absl::Minutes(minutes)));
    EXPECT_THAT(wait.detail(), ::testing::HasSubstr("came to nothing, the last by stuck-boot"));
    stage.now += absl::Minutes(minutes) - absl::Seconds(1);
    stage.Market(Stage::Plenty(9));
    EXPECT_EQ(stage.Rules(), "nothing") << minutes;
    stage.now += absl::Seconds(1);
    EXPECT_EQ(stage.Rules(), "replace") << minutes;
  }
}

TEST(Backoff, AfterLaunchesThatCameToNothingOneIsTried) {
  Stage stage;
  specpb::FleetSpec spec = EachForItself();
  spec.set_workers(4);
  stage.Apply(spec);
  FailOne(stage, specpb::MACHINE, "BOOT");
  FailOne(stage, specpb::MACHINE, "BOOT");
  stage.now += absl::Minutes(2);
  stage.Market(Stage::Plenty(9));
  EXPECT_EQ(stage.PlanAndCarry(), "replace");
  const WorkerId tried = stage.Launching().at(0);
  stage.Accept(tried);
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");  // its fate is waited for
  stage.Produce(tried);
  EXPECT_EQ(stage.PlanAndCarry(), "replenish x3");  // and when it works, all come
}

TEST(Backoff, LaunchesThatFailTogetherAreOneRound) {
  Stage stage;
  specpb::FleetSpec spec = EachForItself();
  spec.set_workers(3);
  stage.Apply(spec);
  stage.Market(Stage::Plenty(9));
  stage.PlanAndCarry();
  for (const WorkerId& id : stage.Launching()) stage.Accept(id);
  for (const auto& [name, ids] : std::map(stage.world.open_by_fleet)) {
    for (const WorkerId& id : ids) {
      stage.OnWorker(id, worker::Condemn{Verdict("stuck-boot")});
      stage.DestroyAccepted(id);
      stage.Gone(id);
    }
  }
  EXPECT_EQ(stage.world.FindFleet(kZeb)->failing.rounds, 1);
  EXPECT_EQ(stage.Rules(), "replace x3");
}

TEST(Backoff, AWorkerThatOnceProducedIsReplacedAtOnceHoweverOften) {
  Stage stage;
  stage.Apply(EachForItself());
  stage.Market(Stage::Plenty(9));
  for (int i = 0; i < 5; ++i) {
    const WorkerId id = stage.AddHealthy(0);
    stage.OnWorker(id, worker::Condemn{Verdict("no-progress")});
    stage.DestroyAccepted(id);
    stage.Gone(id);
    EXPECT_EQ(stage.Rules(), "replace");
  }
}

TEST(Backoff, NeitherOperatorNorPriceMakeALaunchFail) {
  for (const char* rule : {"over-cost", "operator", "quota-rollout", "upgrade"}) {
    Stage stage;
    stage.Apply(EachForItself());
    stage.Market(Stage::Plenty(9));
    for (int i = 0; i < 3; ++i) FailOne(stage, specpb::NOBODY, "as asked", rule);
    EXPECT_EQ(stage.Rules(), "replace") << rule;
  }
}

// What a fleet costs whose program can never work: every worker dies after five minutes.
TEST(Backoff, AFleetOfWhichEveryLaunchFailsRentsASingleMachineNowAndThen) {
  for (const int longest_s : {0, 600}) {
    Stage stage;
    specpb::FleetSpec spec = EachForItself();
    spec.set_workers(4);
    spec.mutable_timers()->set_launch_backoff_s_max(longest_s);
    stage.Apply(spec);
    std::map<WorkerId, absl::Time> born;
    int first_hour = 0;
    const absl::Time began = stage.now;
    while (stage.now < began + absl::Hours(24)) {
      stage.now += absl::Minutes(1);
      if (stage.now - began <= absl::Hours(1)) first_hour = static_cast<int>(born.size());
      stage.Market(Stage::Plenty(30));
      stage.PlanAndCarry();
      for (const WorkerId& id : stage.Launching()) {
        born.emplace(id, stage.now);
        stage.Accept(id);
      }
      for (const auto& [id, at] : born) {
        const worker::State* state = stage.world.FindWorker(id);
        if (state == nullptr || state->live() == nullptr) continue;
        if (stage.now - at < absl::Minutes(5)) continue;
        eventpb::WorkerCondemned verdict = Verdict("fatal-error");
        verdict.set_strike_weight(0);
        stage.OnWorker(id, worker::Condemn{verdict});
        stage.DestroyAccepted(id);
        stage.Gone(id);
      }
    }
    EXPECT_LE(first_hour, 4 + 4 + 4);
    const int per_hour = longest_s == 0 ? 2 : 5;
    EXPECT_LE(born.size(), 12u + 24u * per_hour);
    EXPECT_GE(born.size(), 12u + 20u * (per_hour - 1));  // it never gives up either
  }
}

constexpr char kImage[] = "loading for 10m >= 10m; manifest unknown: Error response from daemon";

TEST(Backoff, AnImageThatFailsOnTwoMachinesIsTriedNowAndThenOnly) {
  Stage stage;
  stage.Apply(Stage::Spec(4));
  stage.Market(Stage::Plenty(30));
  FailOne(stage, specpb::OURS, kImage);
  EXPECT_EQ(stage.Rules(), "replace replenish x3");  // one alone may be a machine's whim
  FailOne(stage, specpb::OURS, kImage);
  EXPECT_EQ(stage.Rules(), "nothing");
  const eventpb::Wait wait = WaitOf(stage, eventpb::Wait::BUDGET);
  EXPECT_NE(wait.detail().find("manifest unknown"), std::string::npos) << wait.detail();
  EXPECT_EQ(wait.owner(), "operator");
  stage.now += absl::Minutes(10) - absl::Seconds(1);
  stage.Market(Stage::Plenty(30));
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now += absl::Seconds(1);
  EXPECT_EQ(stage.PlanAndCarry(), "replace");  // a single one
  stage.Accept(stage.Launching().at(0));
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");  // whose fate is waited for
}

TEST(Backoff, AnImageFaultNeverChurnsForEver) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market(Stage::Plenty(30));
  int rented = 0;
  for (int minute = 0; minute < 24 * 60; ++minute) {
    stage.now += absl::Minutes(1);
    if (minute % 5 == 0) stage.Market(Stage::Plenty(30));
    stage.PlanAndCarry();
    for (const WorkerId& id : stage.Launching()) {
      ++rented;
      stage.Accept(id);
      eventpb::WorkerCondemned verdict = Verdict("stuck-boot");
      verdict.set_fault(specpb::OURS);
      verdict.set_strike_weight(0);
      verdict.mutable_evidence()->set_summary(kImage);
      stage.OnWorker(id, worker::Condemn{verdict});
      stage.DestroyAccepted(id);
      stage.Gone(id);
    }
  }
  EXPECT_LE(rented, 2 + 24 * 6);
  EXPECT_GE(rented, 2 + 20);  // and it never gives up either
}

TEST(Backoff, OneWorkerThatProducedClearsTheImage) {
  Stage stage;
  stage.Apply(Stage::Spec(4));
  stage.Market(Stage::Plenty(30));
  FailOne(stage, specpb::OURS, kImage);
  FailOne(stage, specpb::OURS, kImage);
  ASSERT_EQ(stage.Rules(), "nothing");
  stage.AddHealthy(1);
  EXPECT_EQ(stage.Rules(), "replace replenish x2");
}

TEST(Backoff, AClockThatWasSetBackDoesNotProlongThePauseAfterImageFaults) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  FailOne(stage, specpb::OURS, kImage);
  FailOne(stage, specpb::OURS, kImage);
  ASSERT_EQ(stage.Rules(), "nothing");
  stage.now -= kBack;
  stage.Market(Stage::Plenty(3));
  EXPECT_EQ(stage.Rules(), "replace");
}

TEST(Backoff, AMachineThatFailedWithoutAStrikeIsTakenOnlyWhenNothingElseIsLeft) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(2));
  stage.PlanAndCarry();
  const WorkerId id = stage.Launching().at(0);
  ASSERT_EQ(stage.world.FindWorker(id)->identity.offered.offer, OfferId("o0"));
  stage.Accept(id);
  eventpb::WorkerCondemned verdict = Verdict("stuck-setup");
  verdict.set_fault(specpb::OURS);
  verdict.set_strike_weight(0);
  stage.OnWorker(id, worker::Condemn{verdict});
  stage.DestroyAccepted(id);
  stage.Gone(id);
  EXPECT_EQ(stage.Launches(stage.Decisions()).at(0).offer().offer(), "o1");
  stage.Market(Stage::Plenty(1));
  EXPECT_EQ(stage.Launches(stage.Decisions()).at(0).offer().offer(), "o0");
}

// ---- offers ----

TEST(Backoff, WithoutAnAcceptableOfferTheReasonsAreCounted) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  std::vector<Offer> offers = Stage::Plenty(3);
  offers[2].price = MicroUsdPerHour(200'000);
  stage.Market(offers);
  stage.Strike("mo0", 3);
  stage.Strike("mo1", 3);
  EXPECT_EQ(WaitOf(stage, eventpb::Wait::OFFERS).detail(),
            "no acceptable offer among 3: 3 strikes (2), price over $0.09/h (1)");
}

// ---- the other pauses, with the clock set back ----

TEST(ClockSetBack, AProbeOfCreditIsNotHeldUp) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  stage.OnAccount(account::BeginCreditWait{"lacks credit", Because("credit-wait")});
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.now -= kBack;
  stage.Market(Stage::Plenty(3));
  EXPECT_EQ(stage.PlanAndCarry(), "credit-probe");
  RejectAll(stage, eventpb::LaunchRejected::NO_CREDIT, "");
  stage.PlanAndCarry();
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.now += absl::Minutes(5);
  EXPECT_EQ(stage.PlanAndCarry(), "credit-probe");
}

TEST(ClockSetBack, SeenCreditEndsTheWait) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  stage.OnAccount(account::BeginCreditWait{"lacks credit", Because("credit-wait")});
  stage.now -= kBack;
  stage.OnAccount(account::ObserveCredit{MicroUsd(9'000'000), MicroUsd(0)});
  EXPECT_NE(stage.PlanAndCarry().find("credit-back"), std::string::npos);
}

TEST(ClockSetBack, AThrottledLaunchIsTriedAgain) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  stage.OnAccount(account::BeginTrouble{eventpb::AccountTroubleBegan::THROTTLED, "create", "429"});
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now -= kBack;
  stage.Market(Stage::Plenty(3));
  EXPECT_EQ(stage.Rules(), "replenish");
}

TEST(ClockSetBack, StrikesAreResumed) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  eventpb::StrikesSuspended suspended;
  suspended.set_cause("stuck-setup");
  *suspended.mutable_evidence() = Because("common-cause");
  stage.OnFleet(SuspendStrikes{suspended});
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now -= kBack;
  EXPECT_EQ(stage.Rules(), "strikes-resumed");
}

TEST(ClockSetBack, AWorkerIsJudgedByTheNewTimeNeitherAtOnceNorHoursLater) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  const WorkerId id = stage.AddLive(0, absl::Minutes(5));
  stage.See(id);
  stage.Log(id, LogFacts("setup"));
  stage.now += absl::Minutes(5);
  stage.Log(id, LogFacts("setup"));
  stage.now -= kBack;
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.See(id);
  stage.Log(id, LogFacts("setup"));
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.now += absl::Minutes(10);
  stage.See(id);
  stage.Log(id, LogFacts("setup"));
  EXPECT_EQ(stage.Rules(), "stuck-setup");
}

TEST(ClockSetBack, AFactFromTheFutureIsNotTakenForAFreshOne) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  const WorkerId id = stage.AddHealthy(0);
  stage.PlanAndCarry();
  EXPECT_EQ(stage.world.FindWorker(id)->live()->health, eventpb::WorkerHealthChanged::HEALTHY);
  stage.now -= kBack;
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  EXPECT_EQ(stage.world.FindWorker(id)->live()->health, eventpb::WorkerHealthChanged::UNKNOWN);
  stage.Produce(id);
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  EXPECT_EQ(stage.world.FindWorker(id)->live()->health, eventpb::WorkerHealthChanged::HEALTHY);
}

}  // namespace
}  // namespace muster::fleet
