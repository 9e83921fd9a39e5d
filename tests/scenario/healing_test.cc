// A fleet through its ordinary life: filling up, failing, healing, shrinking, ending.
#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using vastsim::Failure;

constexpr absl::Duration kToFill = absl::Minutes(25);

TEST(Healing, AFleetFillsUpAndStaysHealthyForHours) {
  Scenario s;
  s.Apply(ZebFleet(4));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 4; }, kToFill)) << s.Healthy("zeb");
  s.Run(absl::Hours(8));
  EXPECT_EQ(s.Healthy("zeb"), 4);
  EXPECT_EQ(s.Alive().size(), 4u);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Healing, AStalledWorkerIsReplacedAndItsMachineStruckOnce) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, kToFill));
  const vastsim::InstanceView victim = s.Alive().front();
  ASSERT_THAT(s.sim().FailWorker(victim.id, Failure::kStall), IsOk());
  ASSERT_TRUE(s.Until([&] { return !s.Log(EventKind::kHostStruck).empty(); }, absl::Minutes(25)));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, kToFill));
  EXPECT_THAT(s.Condemned(), ::testing::ElementsAre("no-progress"))
      << s.Story({"worker.log_observed", "account.offers_observed"});
  EXPECT_EQ(s.Log(EventKind::kHostStruck).size(), 1u);
  for (const auto& instance : s.Alive()) EXPECT_NE(instance.id, victim.id);
  const auto* host = s.world().FindHost(ProviderName("vast"), MachineId(Cat(victim.machine)));
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(host->LiveStrikes(s.rt().Now()), 1);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Healing, EveryWayToFailIsHealedWithoutHarmToTheOthers) {
  for (const Failure how : {Failure::kStall, Failure::kFatalError, Failure::kStuckSetup,
                            Failure::kStuckBoot, Failure::kExit, Failure::kVanish}) {
    SCOPED_TRACE(std::string(vastsim::FailureName(how)));
    Scenario s;
    s.Apply(ZebFleet(3));
    const bool early = how == Failure::kStuckSetup || how == Failure::kStuckBoot;
    ASSERT_TRUE(
        s.Until([&] { return early ? s.Alive().size() == 3 : s.Healthy("zeb") == 3; }, kToFill));
    const std::int64_t victim = s.Alive().front().id;
    ASSERT_THAT(s.sim().FailWorker(victim, how), IsOk());
    s.Run(absl::Minutes(75));
    EXPECT_EQ(s.Healthy("zeb"), 3);
    EXPECT_EQ(s.Alive().size(), 3u);
    for (const auto& instance : s.Alive()) EXPECT_NE(instance.id, victim);
    EXPECT_LE(s.Log(EventKind::kWorkerCondemned).size(), 1u);
    EXPECT_EQ(s.Unsettled(), "");
  }
}

TEST(Healing, WhatEndsByItselfKillsNobody) {
  for (const Failure how : {Failure::kRecoveredError, Failure::kUploadsFail}) {
    SCOPED_TRACE(std::string(vastsim::FailureName(how)));
    Scenario s;
    s.Apply(ZebFleet(2));
    ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, kToFill));
    ASSERT_THAT(s.sim().FailWorker(s.Alive().front().id, how), IsOk());
    s.Run(absl::Hours(2));
    EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
    EXPECT_EQ(s.Healthy("zeb"), 2);
  }
}

TEST(Healing, ScalesUpAndDownAndEndsWithNothingLeft) {
  Scenario s;
  s.Apply(ZebFleet(2));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, kToFill));
  s.Scale("zeb", 5);
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 5; }, kToFill));
  s.Scale("zeb", 1);
  ASSERT_TRUE(s.Until([&] { return s.Alive().size() == 1; }, absl::Minutes(10)));
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  s.Down("zeb");
  ASSERT_TRUE(s.Until([&] { return s.Alive().empty(); }, absl::Minutes(10)));
  ASSERT_TRUE(s.Until([&] { return !s.Log(EventKind::kFleetEnded).empty(); }, absl::Minutes(10)));
  EXPECT_EQ(s.Open("zeb"), 0);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Healing, WithoutCreditNothingIsRentedOrDestroyedAndItGoesOnByItself) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, kToFill));
  s.sim().SetCredit(0);
  s.Run(absl::Hours(2));
  EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
  EXPECT_EQ(s.Alive().size(), 3u);
  s.sim().AddCredit(20);
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(40)))
      << s.Healthy("zeb");
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Healing, AWholeMarketOfCrashesLeavesOneMachinePerIntent) {
  Scenario s;
  s.Apply(ZebFleet(5));
  // A crash every few seconds of the ramp-up, at whatever point the program happens to be.
  for (int i = 0; i < 60; ++i) {
    s.Run(absl::Milliseconds(700 + 37 * i));
    s.Crash();
  }
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 5; }, absl::Minutes(45)))
      << s.Healthy("zeb");
  EXPECT_EQ(s.Alive().size(), 5u);
  EXPECT_EQ(s.Unsettled(), "");
}

}  // namespace
}  // namespace muster
