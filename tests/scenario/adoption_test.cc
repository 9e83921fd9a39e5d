// Machines that muster did not rent: those an older set-up left, and strays.
#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

std::set<std::int64_t> Ids(const std::vector<vastsim::InstanceView>& instances) {
  std::set<std::int64_t> ids;
  for (const auto& instance : instances) ids.insert(instance.id);
  return ids;
}

TEST(Adoption, TakesOverTheFleetOfTheOldScriptsWithoutTouchingIt) {
  Scenario s;
  for (int i = 0; i < 3; ++i) s.AddForeign(Cat("zeb-worker-vast-", i));
  s.AddForeign("zeb-large-worker-vast-0");
  s.Run(absl::Minutes(2));
  s.Apply(ZebFleet(3, "orphans: adopt\n"));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(10)))
      << s.Story({"account.offers_observed"});
  s.Run(absl::Hours(3));
  EXPECT_EQ(s.Healthy("zeb"), 3);
  EXPECT_EQ(s.Alive().size(), 4u);
  EXPECT_TRUE(s.Log(EventKind::kLaunchRequested).empty());
  EXPECT_THAT(s.Condemned(), ::testing::IsEmpty());
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Adoption, AnAdoptedWorkerHealsAndScalesLikeAnyOther) {
  Scenario s;
  for (int i = 0; i < 2; ++i) s.AddForeign(Cat("zeb-worker-vast-", i));
  s.AddForeign("zeb-large-worker-vast-2");
  s.Apply(ZebFleet(1));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 1; }, absl::Minutes(20)));
  s.Scale("zeb", 3);
  ASSERT_EQ(s.Adopt("zeb", "zeb-worker-vast-"), 2);
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  const std::int64_t victim = s.Alive().front().id;  // an adopted one
  ASSERT_THAT(s.sim().FailWorker(victim, vastsim::Failure::kStall), IsOk());
  s.Run(absl::Minutes(75));
  EXPECT_EQ(s.Healthy("zeb"), 3);
  EXPECT_FALSE(Ids(s.Alive()).contains(victim));
  s.Scale("zeb", 1);
  s.Run(absl::Minutes(15));
  EXPECT_EQ(s.Alive().size(), 2u);
  EXPECT_EQ(s.Open("zeb"), 1);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Orphans, AreReportedAndLeftAloneByDefault) {
  Scenario s;
  const std::int64_t stray = s.AddForeign("zeb-worker-vast-7");
  const std::int64_t stranger = s.AddForeign("my-own-box");
  s.Apply(ZebFleet(2));
  s.Run(absl::Hours(2));
  EXPECT_EQ(s.Healthy("zeb"), 2);
  EXPECT_EQ(s.Log(EventKind::kOrphanFound).size(), 1u);
  EXPECT_TRUE(Ids(s.Alive()).contains(stray));
  EXPECT_TRUE(Ids(s.Alive()).contains(stranger));
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Orphans, AreTakenIntoAFleetThatAdoptsThem) {
  Scenario s;
  const std::int64_t first = s.AddForeign("zeb-worker-vast-0");
  const std::int64_t second = s.AddForeign("zeb-worker-vast-1");
  const std::int64_t stranger = s.AddForeign("zeb-large-worker-vast-1");
  s.Run(absl::Minutes(2));
  s.Apply(ZebFleet(2, "orphans: adopt\n"));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, absl::Minutes(25)));
  s.Run(absl::Hours(1));
  EXPECT_EQ(Ids(s.Alive()), (std::set<std::int64_t>{first, second, stranger}));
  EXPECT_TRUE(s.Log(EventKind::kLaunchRequested).empty());
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Orphans, AreDestroyedWhereTheFleetSaysSoAndStrangersNever) {
  Scenario s;
  const std::int64_t stray = s.AddForeign("zeb-worker-vast-0");
  const std::int64_t stranger = s.AddForeign("my-own-box");
  const std::int64_t other = s.AddForeign("zeb-large-worker-vast-1");
  const std::int64_t nameless = s.AddForeign("");
  s.Apply(ZebFleet(2, "orphans: destroy\n"));
  s.Run(absl::Minutes(45));
  EXPECT_EQ(s.Healthy("zeb"), 2);
  EXPECT_FALSE(Ids(s.Alive()).contains(stray));
  for (const std::int64_t id : {stranger, other, nameless}) {
    EXPECT_TRUE(Ids(s.Alive()).contains(id)) << id;
  }
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  EXPECT_EQ(s.Unsettled(), "");
}

}  // namespace
}  // namespace muster
