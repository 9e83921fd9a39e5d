// What operators change while a fleet runs: its size, its program, and the quota it shares.
#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

constexpr char kQuota[] = R"(quota:
  name: commits
  limit_per_hour: 128
  aim_per_hour: 100
  interval_min: 4m
)";

TEST(Changes, ScaledToNothingAndBack) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.Scale("zeb", 0);
  ASSERT_TRUE(s.Until([&] { return s.Alive().empty(); }, absl::Minutes(5)));
  s.Run(absl::Hours(1));
  EXPECT_TRUE(s.Alive().empty());
  EXPECT_TRUE(s.Log(EventKind::kFleetEnded).empty());
  s.Scale("zeb", 3);
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.Run(absl::Minutes(15));
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Changes, DownAndAppliedAgain) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Alive().size() == 3; }, absl::Minutes(25)));
  s.Down("zeb");
  s.Run(absl::Seconds(4));
  s.Apply(ZebFleet(2));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, absl::Minutes(40)));
  s.Run(absl::Minutes(15));
  EXPECT_EQ(s.Alive().size(), 2u);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Changes, ANewProgramIsForNewWorkersAndNobodyIsKilledForIt) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  std::string changed = ZebFleet(3);
  changed.replace(changed.find("echo hello"), 10, "echo other");
  s.Apply(changed);
  s.Run(absl::Hours(1));
  EXPECT_EQ(s.Healthy("zeb"), 3);
  EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
  ASSERT_THAT(s.sim().FailWorker(s.Alive().front().id, vastsim::Failure::kVanish), IsOk());
  s.Run(absl::Minutes(30));
  EXPECT_EQ(s.Healthy("zeb"), 3);
  EXPECT_EQ(s.Log(EventKind::kLaunchRequested).back().launch_requested().fleet_version(), 2);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Changes, AQuotaIsSharedByAllFleetsThatNameIt) {
  vastsim::VastSimOptions market;
  market.machines = 100;
  Scenario s(market);
  s.Apply(FleetFile("zeb", 5, kQuota));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 5; }, absl::Minutes(25)));
  for (const auto& body : s.Log(EventKind::kLaunchRequested)) {
    EXPECT_EQ(body.launch_requested().upload_interval_s(), 240);
  }
  s.Apply(FleetFile("zeb-large", 10, kQuota));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb-large") == 10; }, absl::Minutes(45)))
      << s.Healthy("zeb-large");
  // 15 x 3600 / 100; of the five on the old interval as many are replaced as break the limit.
  EXPECT_EQ(s.Log(EventKind::kLaunchRequested).back().launch_requested().upload_interval_s(), 540);
  s.Run(absl::Hours(3));
  double per_hour = 0;
  for (const auto& [id, worker] : s.world().workers) {
    if (worker->live() != nullptr) per_hour += 3600.0 / worker->identity.upload_interval_s;
  }
  EXPECT_LE(per_hour, 128);
  for (const std::string& rule : s.Condemned()) EXPECT_EQ(rule, "quota-rollout");
  EXPECT_EQ(s.Healthy("zeb"), 5);
  EXPECT_EQ(s.Healthy("zeb-large"), 10);
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  EXPECT_EQ(s.Unsettled(), "");
}

}  // namespace
}  // namespace muster
