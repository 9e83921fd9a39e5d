// Money: what is billed, to the micro-dollar, and what happens when it runs out.
#include "tests/support/pch.h"
#include "tests/workers/providers/vast/sim/sim_driver.h"

namespace muster::vastsim {
namespace {

using testing::HasSubstr;

std::string Path(std::int64_t id) { return "/api/v0/instances/" + std::to_string(id) + "/"; }

VastSimOptions ExactBoot(double credit_usd = 25) {
  VastSimOptions options = SimDriver::Calm();
  options.boot_min = options.boot_max = absl::Minutes(2);
  options.credit_usd = credit_usd;
  return options;
}

// An instance that costs exactly 0.09 $/h with its disk.
std::int64_t RentAtNineCents(SimDriver& d) {
  const std::int64_t id = d.Rent("l", {{"disk", 72}});
  EXPECT_TRUE(d.sim.SetPrice(id, 0.09).ok());
  return id;
}

TEST(VastSimLedger, BillsStorageWhileLoadingAndTheGpuOnlyWhileRunning) {
  SimDriver d(ExactBoot());
  const nlohmann::json offer = d.Cheapest();
  const std::int64_t id = d.CreateAt(offer["id"], "l", {{"disk", 72}}).json["new_contract"];
  ASSERT_TRUE(d.sim.SetPrice(id, 0.09).ok());
  // Storage: $/GB/month x 72 GB / 720 h = a tenth of the month's price per hour.
  const double storage_per_hour = offer["storage_cost"].get<double>() / 10;
  d.Wait(absl::Minutes(2) + absl::Hours(1));  // two minutes of boot, an hour of work
  d.Do("DELETE", Path(id));
  d.Wait(absl::Hours(5));
  ASSERT_EQ(d.sim.Ledger().size(), 1u);
  const LedgerLine line = d.sim.Ledger()[0];
  EXPECT_EQ(line.gpu.micros, 90'000 - std::llround(storage_per_hour * 1e6));
  EXPECT_NEAR(line.storage.micros, storage_per_hour * 1e6 * 62 / 60, 1);
  EXPECT_NEAR(line.total.micros, line.gpu.micros + line.storage.micros, 1);
  EXPECT_EQ(line.ended - line.created, absl::Minutes(62));
  EXPECT_EQ(d.sim.Spent(), line.total);
  EXPECT_NEAR(25 - d.sim.credit_usd(), line.total.usd(), 1e-6);
}

TEST(VastSimLedger, AStoppedInstanceGoesOnCostingItsStorageAndAnOfflineOneNothing) {
  SimDriver d(ExactBoot());
  const std::int64_t id = RentAtNineCents(d);
  d.Wait(absl::Minutes(2));
  d.Do("PUT", Path(id), {{"state", "stopped"}});
  const LedgerLine at_stop = d.sim.Ledger()[0];
  d.Wait(absl::Hours(10));
  const LedgerLine later = d.sim.Ledger()[0];
  EXPECT_EQ(later.gpu, at_stop.gpu);
  EXPECT_GT(later.storage, at_stop.storage);
  ASSERT_TRUE(d.sim.FailWorker(id, {.how = Failure::kOffline, .span = absl::Hours(3)}).ok());
  d.Wait(absl::Hours(2));
  EXPECT_EQ(d.sim.Ledger()[0].total, later.total);
}

TEST(VastSimLedger, CreditRunsOutAtTheExactMomentAndStopsEveryInstanceInOneList) {
  SimDriver d(ExactBoot(/*credit_usd=*/1));
  const std::int64_t one = RentAtNineCents(d), two = RentAtNineCents(d);
  d.Wait(absl::Minutes(2));
  const double left = d.sim.credit_usd();
  const absl::Duration lasts = absl::Hours(left / 0.18);
  d.Wait(lasts - absl::Seconds(1));
  EXPECT_EQ(d.Row(one)["actual_status"], "running");
  d.Wait(absl::Seconds(2));
  const nlohmann::json rows = d.List()["instances"];
  EXPECT_EQ(rows[0]["actual_status"], "stopped");
  EXPECT_EQ(rows[1]["actual_status"], "stopped");
  EXPECT_EQ(d.CreateAt(d.Cheapest()["id"], "x").status, 400);
  EXPECT_EQ(d.Do("PUT", Path(two), {{"state", "running"}}).json["error"], "missing_billing");
  d.Wait(absl::Hours(24));
  EXPECT_LT(d.Do("GET", "/api/v0/users/current").json["balance"].get<double>(), 0);

  d.sim.AddCredit(5);
  d.Wait(absl::Hours(1));
  EXPECT_EQ(d.Row(one)["actual_status"], "stopped");  // until somebody starts it
  EXPECT_EQ(d.Do("PUT", Path(one), {{"state", "running"}}).json["success"], true);
  d.Wait(absl::Minutes(1));
  EXPECT_EQ(d.Row(one)["actual_status"], "running");
}

TEST(VastSimLedger, TheSumOfAllLinesIsWhatLeftTheAccount) {
  VastSimOptions options;
  options.rate_limits = false;
  SimDriver d(options);
  for (int i = 0; i < 12; ++i) {
    const std::int64_t id = d.Rent("w" + std::to_string(i));
    if (i % 3 == 0) {
      ASSERT_TRUE(d.sim.FailWorker(id, {.how = Failure::kUnknown, .after = absl::Minutes(9)}).ok());
    }
    d.Wait(absl::Seconds(777));
    if (i % 4 == 1) d.Do("DELETE", Path(id));
  }
  EXPECT_NEAR(d.sim.Spent().usd(), 25 - d.sim.credit_usd(), 13e-6);
}

TEST(VastSimLedger, ThePriceOfAnOfferIncludesTheStorageAskedFor) {
  SimDriver d;
  const nlohmann::json at_5 =
      d.Search({{"allocated_storage", 5}, {"order", By("dph_total")}}).json["offers"][0];
  const nlohmann::json at_15 =
      d.Search({{"allocated_storage", 15}, {"ask_contract_id", {{"eq", at_5["id"]}}}})
          .json["offers"][0];
  EXPECT_NEAR(at_15["dph_total"].get<double>() - at_5["dph_total"].get<double>(),
              at_5["storage_cost"].get<double>() * 10 / 720, 1e-7);
  const std::int64_t id = d.CreateAt(at_5["id"], "l").json["new_contract"];
  EXPECT_NEAR(d.Row(id)["dph_total"].get<double>(), at_15["dph_total"].get<double>(), 1.1e-6);
}

}  // namespace
}  // namespace muster::vastsim
