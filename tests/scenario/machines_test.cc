// Good and bad machines: strikes, common causes, better offers, and who gets which.
#include <map>

#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using vastsim::Failure;

TEST(Machines, ThreeStrikesKeepAMachineOut) {
  vastsim::VastSimOptions market = SmallMarket();
  market.churn_interval = absl::ZeroDuration();
  Scenario s(market);
  s.Apply(ZebFleet(1));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 1; }, absl::Minutes(25)));
  const std::int64_t bad = s.Alive().front().machine;  // the best offer of all
  ASSERT_THAT(s.sim().FailMachine(bad, {.how = Failure::kStall, .after = absl::Minutes(8)}),
              IsOk());
  s.Run(absl::Hours(8));
  int rented = 0;
  for (const auto& past : s.sim().PastInstances()) rented += past.machine == bad;
  EXPECT_GE(rented, 1);
  EXPECT_LE(rented, 3);
  EXPECT_EQ(s.Healthy("zeb"), 1);
  EXPECT_NE(s.Alive().front().machine, bad);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Machines, AFaultThatAllShowIsNoMachinesFault) {
  Scenario s;
  s.Apply(ZebFleet(6));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 6; }, absl::Minutes(25)));
  for (const auto& instance : s.Alive()) {
    ASSERT_THAT(s.sim().FailWorker(instance.id, Failure::kStall), IsOk());
  }
  s.Run(absl::Minutes(30));
  EXPECT_EQ(s.Log(EventKind::kStrikesSuspended).size(), 1u);
  EXPECT_LE(s.Log(EventKind::kHostStruck).size(), 2u);
  s.Run(absl::Hours(2));
  EXPECT_EQ(s.Log(EventKind::kStrikesResumed).size(), 1u);
  EXPECT_EQ(s.Healthy("zeb"), 6);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Machines, WhenEveryRentalFailsTheChurnIsBounded) {
  Scenario s;
  std::set<std::int64_t> machines;
  for (const auto& offer : s.sim().Offers()) machines.insert(offer.machine);
  for (const std::int64_t machine : machines) {
    ASSERT_THAT(s.sim().FailMachine(machine, {.how = Failure::kLaunchBroken}), IsOk());
  }
  s.Apply(ZebFleet(4));
  s.Run(absl::Hours(4));
  // Eight failures an hour for a fleet of four, and those then under way; and no machine is
  // blamed for our script.
  EXPECT_LE(s.sim().Ledger().size(), 4 * (8u + 4));
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  EXPECT_EQ(s.Broken(), "");
}

TEST(Machines, AClearlyBetterOfferIsTriedAndTakesThePlaceOfTheWorst) {
  vastsim::VastSimOptions market = SmallMarket();
  market.churn_interval = absl::ZeroDuration();
  Scenario s(market);
  s.Apply(ZebFleet(3, "upgrades:\n  enabled: true\n  cooldown: 10m\n"));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.Run(absl::Hours(1));
  const std::size_t before = s.sim().Ledger().size();
  std::int64_t cheap = 0;
  for (const auto& offer : s.sim().Offers()) {
    if (offer.gpus == 1 && offer.verified && offer.gpu == "RTX 3080") cheap = offer.id;
  }
  ASSERT_NE(cheap, 0);
  ASSERT_THAT(s.sim().SetOfferPrice(cheap, 0.015), IsOk());
  ASSERT_TRUE(s.Until(
      [&] {
        for (const auto& instance : s.Alive()) {
          if (instance.usd_per_hour < 0.03 && s.Alive().size() == 3) return true;
        }
        return false;
      },
      absl::Hours(2)))
      << s.Story({"worker.log_observed", "account.offers_observed", "worker.instance_observed"});
  s.Run(absl::Minutes(15));
  EXPECT_EQ(s.sim().Ledger().size(), before + 1);
  EXPECT_EQ(s.Condemned().back(), "upgrade");
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  EXPECT_EQ(s.Healthy("zeb"), 3);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Machines, ATrialThatDoesNotWorkCostsNobodyItsPlace) {
  vastsim::VastSimOptions market = SmallMarket();
  market.churn_interval = absl::ZeroDuration();
  Scenario s(market);
  s.Apply(ZebFleet(3, "upgrades:\n  enabled: true\n  cooldown: 2h\n"));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.Run(absl::Hours(3));
  std::set<std::int64_t> before;
  for (const auto& instance : s.Alive()) before.insert(instance.id);
  vastsim::OfferView cheap;
  for (const auto& offer : s.sim().Offers()) {
    if (offer.gpus == 1 && offer.verified && offer.gpu == "RTX 3080") cheap = offer;
  }
  ASSERT_NE(cheap.id, 0);
  ASSERT_THAT(s.sim().FailMachine(cheap.machine, {.how = Failure::kStuckBoot}), IsOk());
  ASSERT_THAT(s.sim().SetOfferPrice(cheap.id, 0.015), IsOk());
  s.Run(absl::Minutes(90));
  std::set<std::int64_t> after;
  for (const auto& instance : s.Alive()) after.insert(instance.id);
  EXPECT_EQ(after, before);
  EXPECT_EQ(s.Healthy("zeb"), 3);
  EXPECT_EQ(s.Unsettled(), "");
}

TEST(Machines, TwoFleetsNeverReachForOneOffer) {
  vastsim::VastSimOptions market;
  market.machines = 80;
  market.churn_interval = absl::ZeroDuration();
  Scenario s(market);
  s.Apply(FleetFile("zeb", 8));
  s.Apply(FleetFile("zeb-large", 8));
  ASSERT_TRUE(
      s.Until([&] { return s.Healthy("zeb") + s.Healthy("zeb-large") == 16; }, absl::Minutes(40)));
  std::map<std::string, int> asked;
  for (const auto& body : s.Log(EventKind::kLaunchRequested)) {
    EXPECT_EQ(++asked[body.launch_requested().offer().offer()], 1);
  }
  EXPECT_TRUE(s.Log(EventKind::kLaunchRejected).empty());
  s.Down("zeb");
  s.Run(absl::Minutes(15));
  EXPECT_EQ(s.Alive().size(), 8u);
  EXPECT_EQ(s.Healthy("zeb-large"), 8);
  EXPECT_EQ(s.Unsettled(), "");
}

}  // namespace
}  // namespace muster
