// Limits on money hold by what the provider charges, not only by what the log believes.
#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

double BurnPerHour(Scenario& s) {
  double burn = 0;
  for (const auto& instance : s.Alive()) burn += instance.usd_per_hour;
  return burn;
}

TEST(Money, NeverMorePerHourThanTheBudgetAllows) {
  Scenario s;
  s.Apply(ZebFleet(6, "budget:\n  per_hour: $0.25/h\n"));
  for (int minute = 0; minute < 180; ++minute) {
    s.Run(absl::Minutes(1));
    ASSERT_LE(BurnPerHour(s), 0.25) << "minute " << minute;
  }
  EXPECT_GE(s.Healthy("zeb"), 3);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Money, NeverMorePerDayThanTheBudgetAllows) {
  Scenario s;
  s.Apply(ZebFleet(6, "budget:\n  per_day: $2.50\n"));
  MicroUsd before;
  for (int day = 0; day < 3; ++day) {
    s.Run(absl::FromUnixSeconds((absl::ToUnixSeconds(s.rt().Now()) / 86400 + 1) * 86400) -
          s.rt().Now());
    s.sim().Advance(s.rt().Now());
    const MicroUsd spent = s.sim().Spent();
    EXPECT_LE((spent - before).usd(), 2.5) << "day " << day;
    if (day > 0) EXPECT_GT((spent - before).usd(), 1) << "day " << day;
    before = spent;
  }
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Money, NeverMoreInTotalThanTheBudgetAllows) {
  Scenario s;
  s.Apply(ZebFleet(4, "budget:\n  total: $1.00\n"));
  s.Run(absl::Hours(12));
  s.sim().Advance(s.rt().Now());
  EXPECT_LE(s.sim().Spent().usd(), 1.0);
  EXPECT_GT(s.sim().Spent().usd(), 0.8);
  EXPECT_TRUE(s.Alive().empty());
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Money, AWorkerThatBecomesTooDearIsReplacedAndItsMachineNotStruck) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  const vastsim::InstanceView victim = s.Alive().front();
  ASSERT_THAT(s.sim().SetPrice(victim.id, 0.5), IsOk());
  ASSERT_TRUE(s.Until([&] { return !s.Condemned().empty(); }, absl::Minutes(2)));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.Run(absl::Minutes(30));
  EXPECT_THAT(s.Condemned(), ::testing::ElementsAre("over-cost"));
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  for (const auto& instance : s.Alive()) EXPECT_NE(instance.machine, victim.machine);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Money, WhatWasStoppedForLackOfCreditWorksOnAfterATopUp) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  std::set<std::int64_t> before, after;
  for (const auto& instance : s.Alive()) before.insert(instance.id);
  s.sim().SetCredit(0);
  s.Run(absl::Hours(9));
  EXPECT_EQ(s.Alive().size(), 3u);
  s.sim().SetFault({.trap = vastsim::Trap::kStartQueued, .times = 2});
  s.sim().AddCredit(30);
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(40)));
  s.Run(absl::Minutes(30));
  for (const auto& instance : s.Alive()) after.insert(instance.id);
  EXPECT_EQ(after, before);
  EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Money, CreditThatRunsOutWhileTheFleetFillsUpIsWaitedFor) {
  Scenario s;
  s.Apply(ZebFleet(4));
  s.Until([&] { return s.Alive().size() == 2; }, absl::Minutes(5));
  s.sim().SetCredit(0);
  s.Run(absl::Hours(1));
  EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
  s.sim().AddCredit(30);
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 4; }, absl::Hours(1)))
      << s.Story({"account.offers_observed"});
  s.Run(absl::Minutes(15));
  EXPECT_EQ(s.Unsettled(), "");
}

}  // namespace
}  // namespace muster
