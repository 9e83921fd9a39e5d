// Every trigger at, just under and just over its threshold; and what must never be held against a
// worker.
#include "commands/worker/assess.h"

#include <functional>

#include "tests/commands/given.h"
#include "tests/commands/worker/patient.h"
#include "tests/support/pch.h"

namespace muster::worker {
namespace {

using H = eventpb::WorkerHealthChanged;

Surroundings Bare() {
  static const specpb::FleetSpec spec;
  return {.spec = &spec};
}

eventpb::LogObserved ErrorFacts(std::string_view phase, std::string_view text) {
  eventpb::LogObserved facts = LogFacts(phase);
  facts.set_error(std::string(text));
  facts.set_error_rule("traceback");
  return facts;
}
eventpb::LogObserved BrokenFacts() {
  eventpb::LogObserved facts = LogFacts("boot");
  facts.set_broken(true);
  return facts;
}

// ---- each clock ----

struct ClockCase {
  const char* rule;
  double limit_s;
  // Brings the patient into the phase at At(100) and shows it again at At(100 + after).
  std::function<void(Patient&, double after)> show;
  specpb::Fault fault;
};

const ClockCase kClocks[] = {
    {"stuck-setup", 600,
     [](Patient& p, double after) {
       p.Log(100, LogFacts("setup"));
       p.Log(100 + after, LogFacts("setup"));
     },
     specpb::OURS},
    {"stuck-warmup", 900,
     [](Patient& p, double after) {
       p.Log(100, LogFacts("started"));
       p.Log(100 + after, LogFacts("started"));
     },
     specpb::OURS},
    {"no-progress", 900,
     [](Patient& p, double after) {
       p.Log(100, LogFacts("producing", 7));
       p.Log(100 + after, LogFacts("producing", 7));
     },
     specpb::MACHINE},
    {"fatal-error", 300,
     [](Patient& p, double after) {
       p.Log(100, ErrorFacts("started", "Traceback"));
       p.Log(100 + after, ErrorFacts("started", "Traceback"));
     },
     specpb::OURS},
    {"broken-launch", 300,
     [](Patient& p, double after) {
       p.Log(100, BrokenFacts());
       p.Log(100 + after, BrokenFacts());
     },
     specpb::OURS},
};

TEST(Assess, CondemnsByEachLogClockAtItsThresholdAndNotBefore) {
  for (const ClockCase& one : kClocks) {
    for (const double off : {-1.0, 0.0, 1.0}) {
      Patient patient;
      one.show(patient, one.limit_s + off);
      const Assessment judged = patient.Ask(100 + one.limit_s + off);
      EXPECT_EQ(judged.verdict.has_value(), off >= 0) << one.rule << " " << off;
      if (off < 0) continue;
      EXPECT_EQ(judged.verdict->rule, one.rule);
      EXPECT_EQ(judged.verdict->fault, one.fault) << one.rule;
      EXPECT_EQ(judged.verdict->strike_weight, one.fault == specpb::MACHINE ? 1 : 0);
      ASSERT_EQ(judged.verdict->evidence.measures_size(), 1);
      EXPECT_EQ(judged.verdict->evidence.measures(0).threshold(), one.limit_s);
      EXPECT_GE(judged.verdict->evidence.positions_size(), 1);
      EXPECT_EQ(judged.verdict->evidence.policy_version(), "zeb@v1");
    }
  }
}

TEST(Assess, BootRunsFromTheAcceptedLaunch) {
  for (const double off : {-1.0, 0.0, 1.0}) {
    Patient patient;
    patient.Log(10 + 600 + off, LogFacts("boot"));
    EXPECT_EQ(patient.Rule(10 + 600 + off), off >= 0 ? "stuck-boot" : "") << off;
  }
}

TEST(Assess, AListAloneCondemnsAMachineThatNeverComesUp) {
  for (const ActualStatus actual :
       {ActualStatus::kNone, ActualStatus::kCreated, ActualStatus::kLoading}) {
    for (const double off : {-1.0, 0.0, 1.0}) {
      Patient patient;
      patient.See(10 + 600 + off, actual);
      EXPECT_EQ(patient.Rule(10 + 600 + off), off >= 0 ? "stuck-boot" : "") << off;
      EXPECT_EQ(patient.Rule(10 + 640), off >= 0 ? "stuck-boot" : "") << "no look since";
    }
  }
}

// The log reads what the container prints, a list what the provider last heard of it.
TEST(Assess, AListThatStillSaysLoadingIsNoGroundAgainstAWorkerWhoseLogWentOn) {
  for (const ActualStatus actual :
       {ActualStatus::kNone, ActualStatus::kCreated, ActualStatus::kLoading}) {
    Patient patient;
    patient.See(20, actual);
    patient.Log(560, LogFacts("setup"));
    patient.See(630, actual);
    patient.Log(640, LogFacts("setup"));
    EXPECT_EQ(patient.Ask(640).health, H::SETUP) << ActualStatusName(actual);
    EXPECT_EQ(patient.Rule(640), "");
    // Its set-up has a clock of its own, which the list does not wind.
    patient.See(1155, actual);
    patient.Log(1159, LogFacts("setup"));
    EXPECT_EQ(patient.Rule(1159), "");
    patient.Log(1160, LogFacts("setup"));
    EXPECT_EQ(patient.Rule(1160), "stuck-setup");
  }
}

TEST(Assess, AMachineThatFellBackToLoadingIsDown) {
  for (const double off : {-1.0, 0.0, 1.0}) {
    Patient patient;
    patient.See(50, ActualStatus::kRunning);
    patient.Log(60, LogFacts("setup"));
    patient.See(100, ActualStatus::kLoading);
    patient.Log(690 + off, LogFacts("setup"));
    patient.See(700 + off, ActualStatus::kLoading);
    const Assessment judged = patient.Ask(700 + off);
    EXPECT_EQ(judged.health, H::OFFLINE);
    EXPECT_EQ(judged.verdict.has_value(), off >= 0) << off;
    if (judged.verdict) {
      EXPECT_EQ(judged.verdict->rule, "offline");
    }
  }
}

TEST(Assess, CondemnsAHostThatIsDownForLongEnough) {
  struct Case {
    ActualStatus actual;
    specpb::Fault fault;
  };
  for (const Case& one :
       {Case{ActualStatus::kOffline, specpb::MACHINE},
        Case{ActualStatus::kUnknown, specpb::MACHINE}, Case{ActualStatus::kFrozen, specpb::MACHINE},
        Case{ActualStatus::kExited, specpb::OURS}, Case{ActualStatus::kStopped, specpb::NOBODY}}) {
    for (const double off : {-1.0, 0.0, 1.0}) {
      Patient patient;
      patient.See(50, ActualStatus::kRunning);
      patient.Log(60, LogFacts("producing", 3));
      patient.See(100, one.actual);
      patient.See(700 + off, one.actual);
      const Assessment judged = patient.Ask(700 + off);
      EXPECT_EQ(judged.health, H::OFFLINE);
      EXPECT_EQ(judged.verdict.has_value(), off >= 0) << ActualStatusName(one.actual) << off;
      if (judged.verdict) {
        EXPECT_EQ(judged.verdict->fault, one.fault);
      }
    }
  }
}

TEST(Assess, ABrokenLaunchIsHeldAgainstAMachineByItsOwnLineOnly) {
  for (const bool error_beside : {false, true}) {
    Patient patient;
    eventpb::LogObserved facts = BrokenFacts();
    facts.set_error_fault(specpb::MACHINE);
    if (error_beside) facts.set_error("RuntimeError: CUDA error");
    patient.Log(100, facts);
    patient.Log(400, facts);
    const Assessment judged = patient.Ask(400);
    ASSERT_TRUE(judged.verdict.has_value());
    EXPECT_EQ(judged.verdict->rule, "broken-launch");
    EXPECT_EQ(judged.verdict->fault, error_beside ? specpb::OURS : specpb::MACHINE);
    EXPECT_EQ(judged.verdict->strike_weight, error_beside ? 0 : 1);
  }
}

// A log that is cut short does not show why it stands still.
TEST(Assess, ALaunchThatWasSeenBrokenIsOursUntilItWorkedOrIsAnother) {
  enum class Then { kNothing, kWork, kOtherContainer };
  for (const Then then : {Then::kNothing, Then::kWork, Then::kOtherContainer}) {
    Patient patient;
    patient.around.program_proven = true;
    eventpb::LogObserved facts = LogFacts("started");
    facts.set_container_id("first");
    facts.set_broken(true);
    patient.Log(100, facts);
    facts.set_broken(false);
    if (then == Then::kOtherContainer) facts.set_container_id("second");
    if (then == Then::kWork) facts = LogFacts("producing", 7);
    patient.Log(200, facts);
    patient.Log(1100, facts);
    const Assessment judged = patient.Ask(1100);
    ASSERT_TRUE(judged.verdict.has_value());
    EXPECT_EQ(judged.verdict->rule, then == Then::kWork ? "no-progress" : "stuck-warmup");
    EXPECT_EQ(judged.verdict->fault, then == Then::kNothing ? specpb::OURS : specpb::MACHINE);
  }
}

// Its log was fetched before the provider stopped it and arrived after that: progress, it seems.
TEST(Assess, AStoppedWorkerIsNotStruckBecauseItsLogWasReadLate) {
  for (const double off : {-1.0, 0.0, 1.0}) {
    Patient patient;
    patient.See(50, ActualStatus::kRunning);
    patient.Log(60, LogFacts("producing", 3));
    patient.See(100, ActualStatus::kStopped);
    patient.Log(200, LogFacts("producing", 5));
    patient.Log(1'100 + off, LogFacts("producing", 5));
    patient.See(1'100 + off, ActualStatus::kStopped);
    const Assessment judged = patient.Ask(1'100 + off);
    ASSERT_EQ(judged.verdict.has_value(), off >= 0) << off;
    if (!judged.verdict) continue;
    EXPECT_EQ(judged.health, H::OFFLINE);
    EXPECT_EQ(judged.verdict->rule, "offline");
    EXPECT_EQ(judged.verdict->fault, specpb::NOBODY);
    EXPECT_EQ(judged.verdict->strike_weight, 0);
  }
}

TEST(Assess, AStandStillOfAStoppedWorkerIsNotJudgedWhileNoListComes) {
  Patient patient;
  patient.See(50, ActualStatus::kRunning);
  patient.See(100, ActualStatus::kStopped);
  patient.Log(200, LogFacts("producing", 5));
  patient.Log(1'200, LogFacts("producing", 5));
  patient.See(1'150, ActualStatus::kStopped);
  patient.Fail(1'200, "instance", 1);
  EXPECT_EQ(patient.Ask(1'200).health, H::UNKNOWN);
  EXPECT_EQ(patient.Rule(1'200), "");
}

TEST(Assess, CondemnsOverCostAtOnceAndWithoutAStrike) {
  for (const std::int64_t micros : {89'999, 90'000, 90'001}) {
    Patient patient;
    patient.See(100, ActualStatus::kRunning, micros);
    const Assessment judged = patient.Ask(100);
    ASSERT_EQ(judged.verdict.has_value(), micros > 90'000) << micros;
    if (!judged.verdict) continue;
    EXPECT_EQ(judged.verdict->rule, "over-cost");
    EXPECT_EQ(judged.verdict->fault, specpb::NOBODY);
    EXPECT_EQ(judged.verdict->strike_weight, 0);
    EXPECT_TRUE(judged.verdict->replace);
  }
}

TEST(Assess, AnUnknownPriceIsNotOverCost) {
  Patient patient;
  Instance instance = Running();
  instance.price_known = false;
  instance.price = MicroUsdPerHour(5'000'000);
  Given(patient.state, {Wrap(MakeInstanceObserved(instance))}, At(100));
  EXPECT_EQ(patient.Rule(100), "");
}

// ---- what never condemns ----

TEST(Assess, AClockThatRanOutSinceTheLastPollWaitsForTheNextOne) {
  Patient patient;
  patient.Log(100, LogFacts("setup"));
  patient.Log(690, LogFacts("setup"));
  EXPECT_EQ(patient.Rule(720), "");
  patient.Log(725, LogFacts("setup"));
  EXPECT_EQ(patient.Rule(725), "stuck-setup");
}

TEST(Assess, OnePollAloneCondemnsNobody) {
  for (const ClockCase& one : kClocks) {
    Patient patient;
    one.show(patient, one.limit_s);
    auto* live = std::get_if<Live>(&patient.state.phase);
    live->seen.agreeing_polls = 1;
    EXPECT_EQ(patient.Rule(100 + one.limit_s), "") << one.rule;
  }
}

TEST(Assess, StaleFactsMakeItUnknownAndKillNobody) {
  Patient patient;
  patient.Log(100, LogFacts("producing", 5));
  patient.Log(200, LogFacts("producing", 6));
  EXPECT_EQ(patient.Ask(210).health, H::HEALTHY);
  // Five minutes, two polls and some slack later nobody looks any more.
  const Assessment later = patient.Ask(200 + 300 + 90 + 31);
  EXPECT_EQ(later.health, H::UNKNOWN);
  EXPECT_FALSE(later.verdict);
  EXPECT_FALSE(patient.Ask(100'000).verdict);
}

TEST(Assess, FailedPollsMakeItUnknownAndKillNobody) {
  Patient patient;
  patient.See(90, ActualStatus::kRunning);
  patient.Log(100, LogFacts("setup"));
  patient.Log(720, LogFacts("setup"));
  patient.Fail(760, "log", 2);
  EXPECT_EQ(patient.Ask(760).health, H::UNKNOWN);
  EXPECT_FALSE(patient.Ask(760).verdict);
}

TEST(Assess, AFailingListKillsNobody) {
  Patient patient;
  patient.See(100, ActualStatus::kOffline);
  patient.See(500, ActualStatus::kOffline);
  patient.Fail(600, "instance", 2);
  EXPECT_EQ(patient.Rule(800), "");
  EXPECT_EQ(patient.Ask(800).health, H::UNKNOWN);
}

TEST(Assess, NobodyIsCondemnedWhileTheProviderIsDownOrRefusesTheKey) {
  Patient patient;
  patient.Log(100, LogFacts("setup"));
  patient.Log(700, LogFacts("setup"));
  EXPECT_EQ(patient.Rule(700), "stuck-setup");
  patient.around.account_trouble = true;
  EXPECT_EQ(patient.Rule(700), "");
}

TEST(Assess, HeldForCreditIsNeverCondemned) {
  Patient patient;
  patient.See(100, ActualStatus::kStopped);
  patient.See(900, ActualStatus::kStopped);
  patient.around.credit_wait = true;
  patient.around.account_position = 77;
  const Assessment judged = patient.Ask(900);
  EXPECT_EQ(judged.health, H::HELD);
  EXPECT_FALSE(judged.verdict);
  EXPECT_FALSE(judged.ask_to_start);
  EXPECT_EQ(judged.evidence.positions(judged.evidence.positions_size() - 1), 77u);
}

TEST(Assess, AfterTheTopUpItIsAskedToStartAndGetsItsTime) {
  Patient patient;
  patient.See(100, ActualStatus::kStopped);
  eventpb::WorkerHealthChanged held;
  held.set_health(H::HELD);
  Given(patient.state, {Wrap(held)}, At(110));
  patient.See(5'000, ActualStatus::kStopped);
  Assessment judged = patient.Ask(5'000);
  EXPECT_EQ(judged.health, H::OFFLINE);
  EXPECT_FALSE(judged.verdict);  // stopped for long, but only now for no reason
  EXPECT_TRUE(judged.ask_to_start);
  eventpb::WorkerHealthChanged offline;
  offline.set_health(H::OFFLINE);
  eventpb::StartRequested start;
  Given(patient.state, {Wrap(offline), Wrap(start)}, At(5'000));
  EXPECT_FALSE(patient.Ask(5'300).ask_to_start);  // not answered yet
  Given(patient.state, {Wrap(eventpb::StartAnswered())}, At(5'310));
  patient.See(5'310, ActualStatus::kStopped);
  EXPECT_TRUE(patient.Ask(5'320).ask_to_start);
  patient.See(5'599, ActualStatus::kStopped);
  EXPECT_EQ(patient.Rule(5'600), "");
  patient.See(5'600, ActualStatus::kStopped);
  EXPECT_EQ(patient.Rule(5'600), "offline");
}

TEST(Assess, WhoWasHeldIsAskedToStartAtOnceThoughAStartFailedJustBefore) {
  Patient patient;
  patient.See(100, ActualStatus::kStopped);
  // Nobody knew yet that there is no credit.
  Given(patient.state, {Wrap(eventpb::StartRequested()), Wrap(eventpb::StartAnswered())}, At(101));
  EXPECT_FALSE(patient.Ask(105).ask_to_start);
  eventpb::WorkerHealthChanged held;
  held.set_health(H::HELD);
  Given(patient.state, {Wrap(held)}, At(102));
  patient.See(110, ActualStatus::kStopped);
  EXPECT_TRUE(patient.Ask(110).ask_to_start);
}

TEST(Assess, WhoIsStoppedIsAskedTwiceBeforeItIsGivenUpHoweverShortItsTime) {
  Patient patient;
  patient.spec.mutable_timers()->set_offline_s(30);
  patient.See(100, ActualStatus::kStopped);
  Given(patient.state, {Wrap(eventpb::StartRequested()), Wrap(eventpb::StartAnswered())}, At(100));
  EXPECT_FALSE(patient.Ask(109).ask_to_start);
  EXPECT_TRUE(patient.Ask(110).ask_to_start);
}

TEST(Assess, ProgressAfterAnErrorClearsIt) {
  Patient patient;
  patient.Log(100, LogFacts("producing", 5));
  patient.Log(200, ErrorFacts("producing", "Traceback"));
  patient.Log(300, LogFacts("producing", 6));
  patient.Log(600, LogFacts("producing", 7));
  EXPECT_EQ(patient.Ask(600).health, H::HEALTHY);
  EXPECT_EQ(patient.Rule(600), "");
}

TEST(Assess, ABusyWorkerGetsTwiceTheTime) {
  for (const double off : {-1.0, 0.0}) {
    Patient patient;
    eventpb::LogObserved facts = LogFacts("producing", 7);
    patient.Log(100, facts);
    facts.set_busy(true);
    patient.Log(1'900 + off, facts);
    EXPECT_EQ(patient.Rule(1'900 + off), off >= 0 ? "no-progress" : "");
  }
}

TEST(Assess, AProgramThatRunsOnOverrulesTheHostsStatus) {
  Patient patient;
  patient.See(100, ActualStatus::kOffline);
  patient.See(600, ActualStatus::kOffline);
  patient.Log(650, LogFacts("producing", 8));
  patient.Log(690, LogFacts("producing", 9));
  EXPECT_EQ(patient.Rule(720), "");
  EXPECT_EQ(patient.Ask(720).health, H::HEALTHY);
}

// It worked on through an hour of "offline"; when its log cannot be read for a moment, that hour is
// no ground for anything.
TEST(Assess, AProgramThatRanOnIsOfflineOnlySinceItsLastProgress) {
  Patient patient;
  patient.Log(90, LogFacts("producing", 8));
  patient.See(100, ActualStatus::kOffline);
  patient.Log(3'600, LogFacts("producing", 9));
  patient.See(3'650, ActualStatus::kOffline);
  patient.Fail(3'660, "log", 2);
  EXPECT_EQ(patient.Rule(3'670), "");
  for (const double off : {-1.0, 0.0, 1.0}) {
    Patient later = patient;
    later.See(4'200 + off, ActualStatus::kOffline);
    EXPECT_EQ(later.Rule(4'200 + off), off >= 0 ? "offline" : "");
  }
}

TEST(Assess, AnUnexplainedErrorIsTheMachinesOnceTheProgramIsProven) {
  Patient patient;
  patient.Log(100, ErrorFacts("started", "Traceback"));
  patient.Log(400, ErrorFacts("started", "Traceback"));
  EXPECT_EQ(patient.Ask(400).verdict->strike_weight, 0);
  patient.around.program_proven = true;
  EXPECT_EQ(patient.Ask(400).verdict->fault, specpb::MACHINE);
  EXPECT_EQ(patient.Ask(400).verdict->strike_weight, 1);
}

TEST(Assess, StuckInSetupIsTheMachinesOnceTheProgramIsProven) {
  Patient patient;
  patient.Log(100, LogFacts("setup"));
  patient.Log(700, LogFacts("setup"));
  EXPECT_EQ(patient.Ask(700).verdict->strike_weight, 0);
  patient.around.program_proven = true;
  EXPECT_EQ(patient.Ask(700).verdict->fault, specpb::MACHINE);
  EXPECT_EQ(patient.Ask(700).verdict->strike_weight, 1);
}

TEST(Assess, AnErrorThatTheRulesCallOursNeverStrikes) {
  Patient patient;
  patient.around.program_proven = true;
  eventpb::LogObserved facts = ErrorFacts("started", "401 Unauthorized");
  facts.set_error_fault(specpb::OURS);
  patient.Log(100, facts);
  patient.Log(400, facts);
  EXPECT_EQ(patient.Ask(400).verdict->strike_weight, 0);
}

TEST(Assess, OneMissingListIsUnknown) {
  Patient patient;
  patient.Log(100, LogFacts("producing", 7));
  eventpb::InstanceAbsent absent;
  absent.set_complete_lists(1);
  Given(patient.state, {Wrap(absent)}, At(110));
  EXPECT_EQ(patient.Ask(120).health, H::UNKNOWN);
  EXPECT_FALSE(patient.Ask(120).verdict);
}

TEST(Assess, HealthNamesThePhase) {
  struct Case {
    const char* phase;
    H::Health health;
  };
  for (const Case& one : {Case{"boot", H::BOOT}, {"setup", H::SETUP}, {"started", H::WARMUP}}) {
    Patient patient;
    patient.Log(100, LogFacts(one.phase));
    EXPECT_EQ(patient.Ask(110).health, one.health) << one.phase;
  }
  EXPECT_EQ(Assess(LaunchingWorker(), Bare(), At(1)).health, H::LAUNCHING);
  EXPECT_EQ(Assess(DestroyingWorker(), Bare(), At(1)).health, H::DESTROYING);
  EXPECT_EQ(Assess(EndedWorker(), Bare(), At(1)).health, H::GONE);
}

TEST(Assess, SaysWhenTimeAloneMayChangeItsMind) {
  Patient patient;
  patient.See(100, ActualStatus::kRunning);
  patient.See(150, ActualStatus::kOffline);
  const Assessment judged = patient.Ask(200);
  EXPECT_GT(judged.next_due, At(200));
  EXPECT_LE(judged.next_due, At(750));
}

TEST(Assess, AClockThatStepsBackCondemnsNobody) {
  Patient patient;
  patient.Log(1'000, LogFacts("setup"));
  patient.Log(400, LogFacts("setup"));
  EXPECT_EQ(patient.Rule(400), "");
}

}  // namespace
}  // namespace muster::worker
