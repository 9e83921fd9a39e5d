#include "services/musterd/machines_check.h"

#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using api::v1::Check;
using ::testing::HasSubstr;
using ::testing::Not;

const ProviderName kVast("vast");

Instance Machine(int number, std::string_view label) {
  Instance instance = Running();
  instance.id = InstanceId(Cat("i", number));
  instance.label = std::string(label);
  instance.price = MicroUsdPerHour(60'000);
  instance.started_at = At(0) - absl::Hours(3);
  return instance;
}

// A world whose fleet zeb labels its machines "zeb-worker-vast-N", with one worker, on i1.
World OneWorker() {
  World world;
  eventpb::FleetApplied applied;
  applied.mutable_spec()->set_name("zeb");
  applied.mutable_spec()->set_provider("vast");
  applied.mutable_spec()->mutable_launch()->set_label("{fleet}-worker-vast-{index}");
  applied.set_fleet_version(1);
  Evolve(world, StreamId("fleet/zeb"), Wrap(applied), {1, At(0)});
  Evolve(world, StreamId("worker/k7f2q"), Wrap(Intent()), {2, At(0)});
  Evolve(world, StreamId("worker/k7f2q"), Accepted("i1"), {3, At(1)});
  return world;
}

TEST(CheckMachines, IsContentWhenEveryMachineIsAWorkers) {
  const Check check = CheckMachines(OneWorker(), kVast, {Machine(1, "x")}, At(0));
  EXPECT_EQ(check.result(), Check::OK);
  EXPECT_EQ(check.name(), "machines vast");
  EXPECT_EQ(check.detail(), "1 rented");
}

TEST(CheckMachines, WarnsOfOneUnderAFleetsLabelThatNobodyLooksAfter) {
  const Check check =
      CheckMachines(OneWorker(), kVast, {Machine(1, "x"), Machine(2, "zeb-worker-vast-3")}, At(0));
  EXPECT_EQ(check.result(), Check::WARNING);
  EXPECT_EQ(check.detail(),
            "2 rented; 1 of ours without a worker: i2 (zeb-worker-vast-3, RTX 3070, $0.06/h, up "
            "3h00m, $0.18 so far)");
  EXPECT_THAT(check.next(), HasSubstr("muster adopt FLEET INSTANCE"));
}

// A new log after the old scripts, or after a lost one.
TEST(CheckMachines, NamesAFleetThatTheLogDoesNotKnowWithoutCallingItATrouble) {
  std::vector<Instance> list;
  for (int i = 0; i < 7; ++i) list.push_back(Machine(i, Cat("zeb-worker-vast-", i)));
  const Check check = CheckMachines(World(), kVast, list, At(0));
  EXPECT_EQ(check.result(), Check::OK);
  EXPECT_THAT(check.detail(), HasSubstr("7 rented; 7 that no fleet here knows: i0 (zeb-worker-"));
  EXPECT_THAT(check.detail(), HasSubstr("i4 (zeb-worker-vast-4"));
  EXPECT_THAT(check.detail(), Not(HasSubstr("i5")));
  EXPECT_THAT(check.detail(), HasSubstr(") and 2 more; $0.42/h in all"));
}

TEST(CheckMachines, LeavesOutTheMachineOfALaunchThatIsNotAnsweredYet) {
  World world;
  Evolve(world, StreamId("worker/k7f2q"), Wrap(Intent()), {1, At(0)});
  const Check check = CheckMachines(world, kVast, {Machine(1, "zeb-worker-vast-0.k7f2q")}, At(0));
  EXPECT_EQ(check.detail(), "1 rented");
}

TEST(CheckMachines, LeavesOutWhatTheProviderDoesNotSay) {
  Instance bare;
  bare.id = InstanceId("31");
  bare.gpu = GpuName("RTX 3070");
  EXPECT_EQ(CheckMachines(World(), kVast, {bare}, At(0)).detail(),
            "1 rented; 1 that no fleet here knows: 31 (RTX 3070)");
}

}  // namespace
}  // namespace muster
