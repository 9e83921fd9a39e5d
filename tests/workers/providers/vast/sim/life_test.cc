// A rental's life, from the market to the ledger.
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/providers/vast/sim/sim_driver.h"

namespace muster::vastsim {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(VastSimLife, AWorkerIsFoundRentedBootsWorksAndIsDestroyed) {
  SimDriver d;
  const nlohmann::json offer = d.Cheapest();
  const Answer created = d.CreateAt(offer["id"], "zeb-worker-vast-0.k7f2q");
  EXPECT_EQ(created.status, 200) << created.text;
  EXPECT_EQ(created.json["success"], true);
  EXPECT_FALSE(created.json["instance_api_key"].get<std::string>().empty());
  const std::int64_t id = created.json["new_contract"];

  EXPECT_TRUE(d.Row(id)["actual_status"].is_null());
  EXPECT_THAT(d.Log(id), HasSubstr("No such container: C." + std::to_string(id)));
  d.Wait(absl::Seconds(30));
  EXPECT_EQ(d.Row(id)["actual_status"], "loading");
  d.Wait(absl::Minutes(3));
  EXPECT_EQ(d.Row(id)["actual_status"], "running");
  EXPECT_EQ(d.Row(id)["machine_id"], offer["machine_id"]);
  EXPECT_THAT(d.Log(id), HasSubstr("=== Setup started at "));
  d.Wait(absl::Minutes(20));
  EXPECT_THAT(d.Log(id), HasSubstr("batch 1: 7168 examples, "));

  EXPECT_EQ(d.Do("DELETE", "/api/v0/instances/" + std::to_string(id) + "/").json["success"], true);
  EXPECT_TRUE(d.Row(id).is_null());
  EXPECT_EQ(d.List()["total_instances"], 0);
  ASSERT_EQ(d.sim.PastInstances().size(), 1u);
  EXPECT_EQ(d.sim.PastInstances()[0].end_cause, "destroyed");
}

TEST(VastSimLife, ARentedOfferLeavesTheMarketAndComesBackUnderANewId) {
  SimDriver d;
  const std::int64_t offer = d.Cheapest()["id"];
  const std::int64_t machine = d.Cheapest()["machine_id"];
  const std::int64_t id = d.CreateAt(offer, "a").json["new_contract"];
  EXPECT_EQ(d.CreateAt(offer, "b").status, 410);
  d.Do("DELETE", "/api/v0/instances/" + std::to_string(id) + "/");
  EXPECT_EQ(d.CreateAt(offer, "b").status, 410);
  int offers = 0;
  for (const OfferView& view : d.sim.Offers()) offers += view.machine == machine;
  EXPECT_GE(offers, 1);
}

TEST(VastSimLife, RentingAWholeMachineVoidsItsOtherOffers) {
  SimDriver d;
  std::int64_t whole = 0, machine = 0;
  for (const OfferView& view : d.sim.Offers()) {
    if (view.gpus == 4) whole = view.id, machine = view.machine;
  }
  ASSERT_NE(whole, 0);
  d.CreateAt(whole, "all");
  for (const OfferView& view : d.sim.Offers()) EXPECT_NE(view.machine, machine);
}

TEST(VastSimLife, TheWorkersLinesComeInTheOrderOfTheRealOnes) {
  SimDriver d;
  const std::int64_t id = d.Rent("l", {{"env", {{"WORKER_ID", "worker-vast-3"}}}});
  d.Wait(absl::Minutes(40));
  const std::string log = d.Log(id, 1000);
  std::size_t at = 0;
  for (const char* line :
       {"=== Setup started at ", "git installed\n", "repo cloned\n", "deps installed\n",
        "GPU OK: NVIDIA GeForce ", "=== Starting worker worker-vast-3 at ",
        "Pulling initial weights from ", "  Model loaded (step ",
        "  Examples repo: ", "Creating self-play pipeline...\n", "Pipeline created in 8.3s\n\n",
        "Worker worker-vast-3 starting (output: ",
        "  games_per_batch=256, weight_sync_interval=2\n",
        "  upload_interval=240s (folder upload)\n", "[worker-vast-3] batch 1: 7168 examples, ",
        "[worker-vast-3] batch 2: ", "[worker-vast-3] Uploading ",
        "[worker-vast-3] Upload complete ("}) {
    const std::size_t found = log.find(line, at);
    ASSERT_NE(found, std::string::npos) << line << "\nin\n" << log;
    at = found;
  }
}

TEST(VastSimLife, TheTailHoldsAsManyLinesAsAsked) {
  SimDriver d;
  const std::int64_t id = d.Rent("l");
  d.Wait(absl::Hours(6));
  const std::string log = d.Log(id, 5);
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 5);
  EXPECT_THAT(log, Not(HasSubstr("Setup started")));
}

TEST(VastSimLife, TheUploadIntervalIsTakenFromTheStartScript) {
  SimDriver d;
  const std::int64_t id =
      d.Rent("l", {{"onstart", "python -m worker --upload-interval 600 --device cuda"}});
  d.Wait(absl::Minutes(20));
  EXPECT_THAT(d.Log(id, 1000), HasSubstr("upload_interval=600s"));
}

}  // namespace
}  // namespace muster::vastsim
