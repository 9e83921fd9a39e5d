// The wall clock steps, muster's machine sleeps, muster is down: the workers know nothing of it,
// and nothing is held against them. A worker that stands still is seen to, in time that was
// looked at.
#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using vastsim::Failure;

constexpr absl::Duration kSpans[] = {absl::Minutes(1),  absl::Minutes(5),  absl::Minutes(14),
                                     absl::Minutes(16), absl::Minutes(20), absl::Minutes(30),
                                     absl::Minutes(31), absl::Minutes(60), absl::Hours(24)};

struct Disturbance {
  const char* name;
  void (*act)(Scenario& s, absl::Duration span);
};
constexpr Disturbance kForward = {"clock forward",
                                  [](Scenario& s, absl::Duration span) { s.StepClock(span); }};
constexpr Disturbance kBack = {"clock back",
                               [](Scenario& s, absl::Duration span) { s.StepClock(-span); }};
constexpr Disturbance kAsleep = {"asleep",
                                 [](Scenario& s, absl::Duration span) { s.Suspend(span); }};
constexpr Disturbance kDown = {"down", [](Scenario& s, absl::Duration span) { s.CrashFor(span); }};
constexpr Disturbance kAll[] = {kForward, kBack, kAsleep, kDown};

std::string Named(const Disturbance& what, absl::Duration span) {
  return Cat(what.name, " ", FormatSpan(span));
}

// Nobody was condemned, struck or exchanged, and nothing was read into the account.
void ExpectUntouched(Scenario& s, int workers) {
  EXPECT_EQ(s.Healthy("zeb"), workers);
  EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
  EXPECT_EQ(s.sim().Ledger().size(), static_cast<std::size_t>(workers));
  for (const EventKind kind :
       {EventKind::kHostStruck, EventKind::kCreditWaitBegan, EventKind::kAccountTroubleBegan,
        EventKind::kStrikesSuspended, EventKind::kLaunchUnclear}) {
    EXPECT_TRUE(s.Log(kind).empty()) << TypeName(kind);
  }
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Clock, NothingHappensToAFullFleetHoweverLongItWasNotLookedAt) {
  for (const Disturbance& what : kAll) {
    for (const absl::Duration span : kSpans) {
      SCOPED_TRACE(Named(what, span));
      Scenario s;
      s.Apply(ZebFleet(3));
      ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
      s.Run(absl::Minutes(5));
      what.act(s, span);
      s.Run(absl::Minutes(30));
      ExpectUntouched(s, 3);
    }
  }
}

TEST(Clock, NorToOneThatIsFillingUp) {
  for (const Disturbance& what : kAll) {
    for (const absl::Duration span : {absl::Minutes(5), absl::Minutes(16), absl::Minutes(31)}) {
      for (const int seconds : {70, 150, 260}) {
        SCOPED_TRACE(Cat(Named(what, span), " after ", seconds, "s"));
        Scenario s;
        s.Apply(ZebFleet(3));
        s.Run(absl::Seconds(seconds));
        what.act(s, span);
        s.Run(absl::Minutes(40));
        ExpectUntouched(s, 3);
      }
    }
  }
}

TEST(Clock, NorByOneStepAfterTheOther) {
  for (const Disturbance& what : {kForward, kBack, kAsleep}) {
    SCOPED_TRACE(what.name);
    Scenario s;
    s.Apply(ZebFleet(3));
    ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
    for (int i = 0; i < 30; ++i) {
      what.act(s, absl::Minutes(20));
      s.Run(absl::Seconds(40));
    }
    s.Run(absl::Minutes(20));
    ExpectUntouched(s, 3);
  }
}

// A step is no time: it is neither paid for nor does it use up a budget.
TEST(Clock, AStepCostsNothing) {
  for (const absl::Duration step : {absl::Hours(6), -absl::Hours(6)}) {
    SCOPED_TRACE(absl::FormatDuration(step));
    Scenario s;
    s.Apply(ZebFleet(3, "budget:\n  per_hour: $0.40/h\n  total: $1.00\n"));
    ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
    s.StepClock(step);
    s.Run(absl::Minutes(30));
    ExpectUntouched(s, 3);
    s.Down("zeb");
    s.Run(absl::Minutes(15));
    EXPECT_EQ(s.Unsettled(), "");
    ASSERT_EQ(s.Log(EventKind::kClockStepped).size(), 1u);
    EXPECT_NEAR(absl::ToDoubleSeconds(absl::Microseconds(
                    s.Log(EventKind::kClockStepped).front().clock_stepped().by_us())),
                absl::ToDoubleSeconds(step), 1);
  }
}

// How much longer than without the disturbance it took until `failure` was seen to.
absl::Duration SeenToAfter(Failure failure, const Disturbance* what, absl::Duration span) {
  Scenario s;
  s.Apply(ZebFleet(3));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.Run(absl::Minutes(5));
  EXPECT_THAT(s.sim().FailWorker(s.Alive().front().id, failure), IsOk());
  const absl::Time failed = s.rt().Steady();
  s.Run(absl::Minutes(2));
  if (what != nullptr) what->act(s, span);
  EXPECT_TRUE(s.Until([&] { return s.Condemned().size() == 1; }, absl::Hours(1)));
  return s.rt().Steady() - failed;
}

TEST(Clock, AFailureIsSeenToInTimeThatWasLookedAt) {
  for (const Failure failure : {Failure::kStall, Failure::kFatalError, Failure::kExit}) {
    const absl::Duration calm = SeenToAfter(failure, nullptr, {});
    for (const Disturbance& what : kAll) {
      for (const absl::Duration span : {absl::Minutes(16), absl::Hours(1)}) {
        SCOPED_TRACE(Cat(Named(what, span), ", failure ", static_cast<int>(failure)));
        const bool passed = what.name == kAsleep.name || what.name == kDown.name;
        const absl::Duration took =
            SeenToAfter(failure, &what, span) - (passed ? span : absl::ZeroDuration());
        EXPECT_GE(took, calm - absl::Minutes(2));
        EXPECT_LE(took, calm + absl::Minutes(3));
      }
    }
  }
}

// A clock that is set again and again, and a laptop that is closed again and again.
TEST(Clock, OneThatStandsStillIsCondemnedHoweverOftenTheClockSteps) {
  for (const Disturbance& what : {kForward, kBack, kAsleep, kDown}) {
    SCOPED_TRACE(what.name);
    Scenario s;
    s.Apply(ZebFleet(3));
    ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
    ASSERT_THAT(s.sim().FailWorker(s.Alive().front().id, Failure::kStall), IsOk());
    for (int i = 0; i < 10 && s.Condemned().empty(); ++i) {
      what.act(s, absl::Minutes(20));
      s.Run(absl::Minutes(4));
    }
    EXPECT_EQ(s.Condemned().size(), 1u);
  }
}

}  // namespace
}  // namespace muster
