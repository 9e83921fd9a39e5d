// What can go wrong with an instance, and what of it can be seen from outside.
#include <set>

#include "tests/support/pch.h"
#include "tests/workers/providers/vast/sim/sim_driver.h"

namespace muster::vastsim {
namespace {

using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class VastSimFailure : public testing::Test {
 protected:
  void SetUp() override { id = d.RentProducing("w"); }
  void Fail(FailureSpec spec) { ASSERT_TRUE(d.sim.FailWorker(id, std::move(spec)).ok()); }
  std::string Status() { return d.Row(id)["actual_status"]; }
  std::int64_t Batches() { return d.sim.Instances()[0].batches; }

  SimDriver d;
  std::int64_t id = 0;
};

TEST_F(VastSimFailure, AStalledWorkerStaysRunningAndItsLastBatchStaysInTheLog) {
  Fail({.how = Failure::kStall});
  const std::string log = d.Log(id);
  d.Wait(absl::Hours(2));
  EXPECT_EQ(d.Log(id), log);
  EXPECT_THAT(log, HasSubstr("batch "));
  EXPECT_EQ(Status(), "running");
}

TEST_F(VastSimFailure, AFatalErrorIsTheLastThingPrinted) {
  Fail({.how = Failure::kFatalError, .text = "torch.OutOfMemoryError: CUDA out of memory"});
  d.Wait(absl::Hours(1));
  EXPECT_THAT(d.Log(id), HasSubstr("Traceback (most recent call last):"));
  EXPECT_THAT(d.Log(id), EndsWith("torch.OutOfMemoryError: CUDA out of memory\n"));
  EXPECT_EQ(Status(), "running");
}

TEST_F(VastSimFailure, ARecoveredErrorIsFollowedByBatches) {
  Fail({.how = Failure::kRecoveredError});
  const std::int64_t before = Batches();
  d.Wait(absl::Hours(1));
  EXPECT_GT(Batches(), before);
  const std::string log = d.Log(id, 1000);
  EXPECT_GT(log.rfind("games/s"), log.find("Traceback"));
}

TEST_F(VastSimFailure, UploadsFailWhileBatchesGoOn) {
  Fail({.how = Failure::kUploadsFail});
  d.Wait(absl::Hours(1));
  EXPECT_THAT(d.Log(id), HasSubstr("  HF transient error (attempt 1/4): HfHubHTTPError: 429"));
  EXPECT_THAT(d.Log(id), HasSubstr("), will retry next cycle"));
  EXPECT_GT(Batches(), 10);
}

TEST_F(VastSimFailure, ASlowWorkerGoesOnAtATenth) {
  d.Wait(absl::Hours(1));
  const std::int64_t in_an_hour = Batches();
  Fail({.how = Failure::kSlowWorker});
  d.Wait(absl::Hours(1));
  EXPECT_LT(Batches() - in_an_hour, in_an_hour / 5);
  EXPECT_GT(Batches(), in_an_hour);
}

TEST_F(VastSimFailure, AStuckSetupNeverGetsToItsDependencies) {
  const std::int64_t fresh = d.Rent("young");
  ASSERT_TRUE(d.sim.FailWorker(fresh, Failure::kStuckSetup).ok());
  d.Wait(absl::Hours(1));
  EXPECT_THAT(d.Log(fresh), EndsWith("repo cloned\n"));
}

TEST_F(VastSimFailure, ABrokenLaunchRepeatsItself) {
  Fail({.how = Failure::kLaunchBroken});
  EXPECT_THAT(d.Log(id, 12), HasSubstr("command not found"));
}

TEST_F(VastSimFailure, AStuckBootLoadsForeverWithoutAContainer) {
  const std::int64_t fresh = d.Rent("young");
  ASSERT_TRUE(d.sim.FailWorker(fresh, Failure::kStuckBoot).ok());
  d.Wait(absl::Hours(3));
  EXPECT_EQ(d.Row(fresh)["actual_status"], "loading");
  EXPECT_THAT(d.Log(fresh), HasSubstr("No such container"));
}

TEST_F(VastSimFailure, ExitsSayWhyInTheStatusMessage) {
  Fail({.how = Failure::kImageError});
  EXPECT_EQ(Status(), "exited");
  EXPECT_THAT(d.Row(id)["status_msg"].get<std::string>(), HasSubstr("manifest unknown"));
  Fail({.how = Failure::kHostError});
  EXPECT_THAT(d.Row(id)["status_msg"].get<std::string>(), HasSubstr("OCI runtime"));
}

TEST_F(VastSimFailure, AnExitedWorkerKeepsItsLog) {
  Fail({.how = Failure::kExit});
  d.Wait(absl::Hours(1));
  EXPECT_EQ(Status(), "exited");
  EXPECT_THAT(d.Log(id), HasSubstr("games/s"));
}

TEST_F(VastSimFailure, AnOfflineHostComesBackRunningAfterItsTime) {
  Fail({.how = Failure::kOffline, .span = absl::Minutes(5)});
  EXPECT_EQ(Status(), "offline");
  d.Wait(absl::Minutes(5) - absl::Nanoseconds(1));
  EXPECT_EQ(Status(), "offline");
  d.Wait(absl::Nanoseconds(1));
  EXPECT_EQ(Status(), "running");
}

TEST_F(VastSimFailure, UnknownFlapsBack) {
  Fail({.how = Failure::kUnknown, .span = absl::Minutes(1)});
  EXPECT_EQ(Status(), "unknown");
  d.Wait(absl::Minutes(1));
  EXPECT_EQ(Status(), "running");
}

// What the host said before the outage is of no account after somebody stopped the worker in it.
TEST_F(VastSimFailure, AWorkerStoppedInAnOutageBootsAnewWhenItsQueuedStartComes) {
  Fail({.how = Failure::kUnknown, .span = absl::Hours(1)});
  Fail({.how = Failure::kStopped});
  d.sim.SetFault({.trap = Trap::kStartQueued, .times = 1});
  d.Do("PUT", Cat("/api/v0/instances/", id, "/"), {{"state", "running"}});
  d.Wait(absl::Minutes(11));
  EXPECT_EQ(Status(), "running");
  const std::string log = d.Log(id, 1000);
  EXPECT_GT(log.rfind("=== Setup started"), log.find("games/s"));
  d.Wait(absl::Minutes(30));
  EXPECT_GT(Batches(), 0);
}

TEST_F(VastSimFailure, AStrangeStatusIsShownAsItIs) {
  Fail({.how = Failure::kStrangeStatus, .text = "dreaming"});
  EXPECT_EQ(Status(), "dreaming");
}

TEST_F(VastSimFailure, AVanishedContractIsGoneAndNoLongerBilled) {
  Fail({.how = Failure::kVanish});
  EXPECT_TRUE(d.Row(id).is_null());
  EXPECT_EQ(d.sim.PastInstances()[0].end_cause, "vanished");
  const MicroUsd spent = d.sim.Spent();
  d.Wait(absl::Hours(1));
  EXPECT_EQ(d.sim.Spent(), spent);
  EXPECT_FALSE(d.sim.FailWorker(id, Failure::kStall).ok());
}

TEST_F(VastSimFailure, HappensWhenItsTimeHasComeAndRepairUndoesIt) {
  Fail({.how = Failure::kStopped, .after = absl::Minutes(3)});
  d.Wait(absl::Minutes(3) - absl::Nanoseconds(1));
  EXPECT_EQ(Status(), "running");
  d.Wait(absl::Nanoseconds(1));
  EXPECT_EQ(Status(), "stopped");
  Fail({.how = Failure::kRepair});
  d.Wait(absl::Minutes(1));
  EXPECT_EQ(Status(), "running");
}

TEST(VastSimBadMachine, FailsEveryWorkerThatIsPutOnIt) {
  VastSimOptions options = SimDriver::Calm();
  options.bad_machines = 1;
  options.bad_machine = {.how = Failure::kFatalError, .after = absl::Minutes(8)};
  SimDriver d(options);
  std::int64_t bad = 0;
  for (const GpuKind& kind : DefaultGpus()) {  // the best machine is the cheapest of its kind
    const nlohmann::json found = d.Search({{"gpu_name", {{"eq", kind.name}}},
                                           {"num_gpus", {{"eq", 1}}},
                                           {"verified", {{"eq", true}}},
                                           {"order", By("dph_base")}})
                                     .json;
    d.CreateAt(found["offers"][0]["id"], kind.name);
    if (d.sim.Instances().back().bad_machine) bad = d.sim.Instances().back().id;
  }
  ASSERT_NE(bad, 0) << "a tenant who takes the best of each kind must meet it";
  d.Wait(absl::Minutes(8));
  EXPECT_THAT(d.Log(bad), Not(HasSubstr("Traceback")));
  d.Wait(absl::Minutes(4));
  EXPECT_THAT(d.Log(bad), HasSubstr("Traceback"));
}

TEST(VastSimBadMachine, CanBeMadeBadAndHealedLater) {
  SimDriver d;
  const std::int64_t id = d.RentProducing("w");
  const std::int64_t machine = d.Row(id)["machine_id"];
  ASSERT_TRUE(d.sim.FailMachine(machine, {.how = Failure::kStuckBoot}).ok());
  EXPECT_EQ(d.Row(id)["actual_status"], "loading");
  ASSERT_TRUE(d.sim.FailMachine(machine, {.how = Failure::kRepair}).ok());
  d.Wait(absl::Minutes(1));
  EXPECT_EQ(d.Row(id)["actual_status"], "running");
  EXPECT_FALSE(d.sim.FailMachine(1, {}).ok());
}

TEST(VastSimFate, BringsFailuresOfManyKindsByItselfAndNoneByDefault) {
  VastSimOptions options = SimDriver::Calm();
  options.failures_per_hour = 0.5;
  options.stuck_boot_share = 0.2;
  SimDriver rough(options), calm;
  for (int i = 0; i < 30; ++i) {
    rough.Rent("w" + std::to_string(i));
    calm.Rent("w" + std::to_string(i));
  }
  std::set<std::string> seen;
  for (int hour = 0; hour < 8; ++hour) {
    rough.Wait(absl::Hours(1));
    calm.Wait(absl::Hours(1));
    for (const InstanceView& view : rough.sim.Instances()) seen.insert(view.actual);
    for (const InstanceView& view : calm.sim.Instances()) EXPECT_EQ(view.actual, "running");
  }
  EXPECT_THAT(seen, testing::IsSupersetOf({"running", "loading", "exited", "stopped"}));
  EXPECT_FALSE(rough.sim.PastInstances().empty());  // some vanished
}

TEST(VastSimForeign, InstancesCanBeThereThatNobodyCreated) {
  SimDriver d;
  const std::int64_t id = d.sim.AddForeign({.label = "someone-else", .age = absl::Hours(2)});
  EXPECT_EQ(d.Row(id)["label"], "someone-else");
  EXPECT_EQ(d.Row(id)["actual_status"], "running");
  EXPECT_THAT(d.Log(id), HasSubstr("games/s"));
}

TEST(VastSimScript, ALogCanBeScriptedLineByLine) {
  SimDriver d;
  const std::int64_t id = d.RentProducing("w");
  ASSERT_TRUE(d.sim.ScriptLog(id, {"one", "two"}).ok());
  d.Wait(absl::Hours(1));
  EXPECT_EQ(d.Log(id), "one\ntwo\n");
}

}  // namespace
}  // namespace muster::vastsim
