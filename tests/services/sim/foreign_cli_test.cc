// The official command line against our simulator: a judge that we did not write. Runs where
// MUSTER_VAST_CLI holds a command that starts it ("python3 /somewhere/vast.py").
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "services/sim/make_sim.h"
#include "services/sim/sim_http_server.h"
#include "tests/services/sim/child.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ForeignCli : public testing::Test {
 protected:
  void SetUp() override {
    const char* command = std::getenv("MUSTER_VAST_CLI");
    if (command == nullptr) GTEST_SKIP() << "MUSTER_VAST_CLI names no command line to test with";
    command_ = absl::StrSplit(command, ' ', absl::SkipEmpty());
    auto sim = MakeSim("vast", {.start = absl::Now(),
                                .settings = {{"v0_list", "true"}, {"rate_limits", "false"}}});
    ASSERT_THAT(sim, IsOk());
    auto server = SimHttpServer::Start(*std::move(sim), {});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    home_ = testing::TempDir() + "foreign-cli-home";
  }

  std::string Run(std::vector<std::string> arguments) {
    std::vector<std::string> all = command_;
    all.insert(all.end(), arguments.begin(), arguments.end());
    all.insert(all.end(), {"--api-key", "sim-key"});
    Child child(all, {"VAST_URL=" + server_->origin(), "HOME=" + home_, "XDG_CONFIG_HOME=" + home_,
                      "XDG_CACHE_HOME=" + home_});
    return child.ReadAll();
  }
  json RunRaw(std::vector<std::string> arguments) {
    arguments.push_back("--raw");
    return json::parse(Run(arguments), nullptr, /*allow_exceptions=*/false);
  }
  void Pass(absl::Duration span) {
    server_->With(
        [&](SimServer& sim, absl::Time) { static_cast<vastsim::VastSim&>(sim).SkipTime(span); });
  }

  std::vector<std::string> command_;
  std::unique_ptr<SimHttpServer> server_;
  std::string home_;
};

TEST_F(ForeignCli, FindsRentsWatchesAndDestroys) {
  const json offers = RunRaw({"search", "offers", "gpu_name=RTX_3070 num_gpus=1", "-o", "dph"});
  ASSERT_TRUE(offers.is_array()) << offers;
  ASSERT_GT(offers.size(), 0u);
  EXPECT_EQ(offers[0]["gpu_name"], "RTX 3070");
  const std::string offer = std::to_string(offers[0]["id"].get<std::int64_t>());
  EXPECT_THAT(Run({"create", "instance", offer, "--image", "pytorch/pytorch:2.6.0", "--disk", "15",
                   "--label", "zeb-worker-vast-0", "--env", "-e WORKER_ID=worker-vast-0",
                   "--onstart-cmd", "echo on", "--ssh", "--direct"}),
              HasSubstr("new_contract"));
  Pass(absl::Minutes(12));
  const json instances = RunRaw({"show", "instances"});
  ASSERT_EQ(instances.size(), 1u) << instances;
  EXPECT_EQ(instances[0]["actual_status"], "running");
  EXPECT_EQ(instances[0]["label"], "zeb-worker-vast-0");
  const std::string id = std::to_string(instances[0]["id"].get<std::int64_t>());
  EXPECT_THAT(Run({"show", "instances"}), HasSubstr("running"));
  EXPECT_THAT(Run({"show", "user"}), HasSubstr("Balance"));
  const std::string before = Run({"logs", id, "--tail", "50"});
  EXPECT_THAT(before, HasSubstr("[worker-vast-0] batch 1: "));
  Run({"destroy", "instance", id});  // some versions ask first: see what is left
  if (!RunRaw({"show", "instances"}).empty()) Run({"destroy", "instance", id, "-y"});
  EXPECT_TRUE(RunRaw({"show", "instances"}).empty());
}

TEST_F(ForeignCli, IsToldThatTheCreditIsGone) {
  server_->With(
      [](SimServer& sim, absl::Time) { static_cast<vastsim::VastSim&>(sim).SetCredit(0); });
  const json offers = RunRaw({"search", "offers", "num_gpus=1"});
  ASSERT_TRUE(offers.is_array() && !offers.empty());
  Run({"create", "instance", std::to_string(offers[0]["id"].get<std::int64_t>()), "--image", "x",
       "--disk", "15"});
  server_->With([](SimServer& sim, absl::Time) {
    auto& vast = static_cast<vastsim::VastSim&>(sim);
    EXPECT_TRUE(vast.Instances().empty());
    EXPECT_EQ(vast.Journal().back().endpoint, "PUT asks/{id}");
    EXPECT_EQ(vast.Journal().back().status, 400);
  });
}

}  // namespace
}  // namespace muster
