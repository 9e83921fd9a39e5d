// The provider, the network or the clock fails, the machines do not: nobody is killed for it.
#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

void ExpectUntouched(Scenario& s, int workers) {
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == workers; }, absl::Minutes(20)))
      << s.Healthy("zeb");
  EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
  EXPECT_EQ(s.sim().Ledger().size(), static_cast<std::size_t>(workers));
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Outage, AnHourWithoutTheProviderKillsNobody) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.http().SetDown(true);
  s.Run(absl::Hours(1));
  EXPECT_EQ(s.Alive().size(), 3u);
  s.http().SetDown(false);
  s.Run(absl::Minutes(20));
  ExpectUntouched(s, 3);
}

TEST(Outage, ARestartInTheMiddleOfOneChangesNothing) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.http().SetDown(true);
  s.Run(absl::Minutes(20));
  s.Crash();
  s.http().SetDown(true);
  s.Run(absl::Minutes(40));
  s.http().SetDown(false);
  s.Run(absl::Minutes(20));
  ExpectUntouched(s, 3);
}

TEST(Outage, InTheMiddleOfTheRampUpNothingIsRentedTwice) {
  for (const int seconds : {3, 8, 15, 40, 100}) {
    SCOPED_TRACE(seconds);
    Scenario s;
    s.Apply(ZebFleet(4));
    s.Run(absl::Seconds(seconds));
    s.http().SetDown(true);
    s.Run(absl::Minutes(30));
    s.http().SetDown(false);
    s.Run(absl::Minutes(40));
    ExpectUntouched(s, 4);
  }
}

TEST(Outage, AnHourOfMusterBeingDownKillsNobody) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.CrashFor(absl::Hours(1));
  s.Run(absl::Minutes(20));
  ExpectUntouched(s, 3);
}

TEST(Outage, AWallClockThatStepsByTwoHoursKillsNobody) {
  for (const absl::Duration step : {absl::Hours(2), -absl::Hours(2)}) {
    SCOPED_TRACE(absl::FormatDuration(step));
    Scenario s;
    s.Apply(ZebFleet(3));
    ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
    s.StepClock(step);
    s.Run(absl::Minutes(30));
    s.StepClock(-step);
    s.Run(absl::Minutes(30));
    EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(20)));
    EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
    EXPECT_EQ(s.sim().Ledger().size(), 3u);
    EXPECT_EQ(s.Broken(), "");
  }
}

TEST(Outage, AClockThatStepsDuringTheRampUpKillsNobody) {
  for (const absl::Duration step : {absl::Hours(2), -absl::Hours(2)}) {
    for (const int seconds : {5, 60, 200}) {
      SCOPED_TRACE(Cat(absl::FormatDuration(step), " after ", seconds));
      Scenario s;
      s.Apply(ZebFleet(3));
      s.Run(absl::Seconds(seconds));
      s.StepClock(step);
      s.Run(absl::Minutes(45));
      EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(20)));
      EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
      EXPECT_EQ(s.sim().Ledger().size(), 3u);
      EXPECT_EQ(s.Broken(), "");
    }
  }
}

TEST(Outage, AHundredHungLogCallsDelayNobody) {
  vastsim::VastSimOptions market;
  market.machines = 150;
  Scenario s(market);
  s.Apply(ZebFleet(40));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 40; }, absl::Minutes(60)))
      << s.Healthy("zeb");
  // All but one hang; that one dies, and is replaced as if nothing else were wrong.
  const std::vector<vastsim::InstanceView> alive = s.Alive();
  for (std::size_t i = 1; i < alive.size(); ++i) {
    s.sim().SetFault({.trap = vastsim::Trap::kHangBefore,
                      .endpoint = "PUT instances/request_logs/{id}",
                      .instance = alive[i].id});
  }
  ASSERT_THAT(s.sim().FailWorker(alive.front().id, vastsim::Failure::kFatalError), IsOk());
  ASSERT_TRUE(s.Until([&] { return s.sim().PastInstances().size() == 1; }, absl::Minutes(9)));
  EXPECT_EQ(s.sim().PastInstances().front().id, alive.front().id);
  s.sim().ClearFaults();
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 40; }, absl::Minutes(25)));
  s.Run(absl::Minutes(15));
  EXPECT_EQ(s.Unsettled(), "");
}

}  // namespace
}  // namespace muster
