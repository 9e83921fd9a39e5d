// The Handler is the first to know that the wall clock jumped, and says so before anything else.
#include "commands/handler/policy_driver.h"
#include "commands/snapshot.h"
#include "eventstore/memory/memory_event_store.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

const WorkerId kWorker("k7f2q");

class HandlerClockTest : public testing::Test {
 protected:
  HandlerClockTest() {
    EXPECT_THAT(rt_.Run(handler_.Load()), IsOk());
    EXPECT_THAT(Worker(worker::RequestLaunch{Intent()}), IsOk());
    EXPECT_THAT(Worker(worker::LaunchAnswered{InstanceId("i1")}), IsOk());
  }
  StatusOr<Outcome> Worker(worker::Command command) {
    return rt_.Run(handler_.Worker(kWorker, std::move(command), {.actor = "test"}));
  }
  StatusOr<Outcome> See() { return Worker(worker::ObserveInstance{Running(), rt_.Now()}); }
  std::vector<std::string> Types(Position after) const {
    std::vector<std::string> types;
    EXPECT_THAT(store_.ReadAll(after, 1'000,
                               [&](const RecordedEvent& e) {
                                 types.push_back(e.event.type);
                                 return true;
                               }),
                IsOk());
    return types;
  }

  VirtualRuntime rt_{1};
  MemoryEventStore store_{rt_};
  Handler handler_{rt_, store_};
};

TEST_F(HandlerClockTest, AStepIsWrittenOnceAndBeforeWhatComesAfterIt) {
  for (const absl::Duration step : {absl::Minutes(20), -absl::Hours(25)}) {
    const Position before = store_.Head();
    const absl::Time accepted = handler_.world().FindWorker(kWorker)->live()->accepted.at;
    rt_.StepClock(step);
    ASSERT_THAT(See(), IsOk());
    rt_.RunFor(absl::Minutes(6));
    ASSERT_THAT(See(), IsOk());
    EXPECT_THAT(Types(before),
                testing::ElementsAre("installation.clock_stepped", "worker.instance_observed",
                                     "worker.instance_observed"));
    EXPECT_EQ(handler_.world().FindWorker(kWorker)->live()->accepted.at, accepted + step);
    rt_.RunFor(absl::Minutes(6));
  }
}

TEST_F(HandlerClockTest, SmallStepsAreWrittenOnceTheyAddUp) {
  const Position before = store_.Head();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Types(before), testing::IsEmpty());
    rt_.StepClock(absl::Seconds(10));
    EXPECT_THAT(rt_.Run(handler_.FollowClock()), IsOk());
  }
  EXPECT_THAT(Types(before), testing::ElementsAre("installation.clock_stepped"));
}

TEST_F(HandlerClockTest, ManyWhoFindItAtOnceWriteItOnce) {
  const Position before = store_.Head();
  rt_.StepClock(absl::Minutes(20));
  for (int i = 0; i < 20; ++i) {
    worker::Command command = worker::RequestLaunch{Intent(Cat("w", i))};
    const auto ask = [](Handler& handler, WorkerId id, worker::Command one) -> Task<void> {
      EXPECT_THAT(co_await handler.Worker(id, std::move(one), {.actor = "test"}), IsOk());
    };
    rt_.Spawn("ask", ask(handler_, WorkerId(Cat("w", i)), std::move(command)));
  }
  rt_.RunFor(absl::Seconds(1));
  const std::vector<std::string> types = Types(before);
  EXPECT_EQ(types.size(), 21u);
  EXPECT_EQ(types.front(), "installation.clock_stepped");
}

TEST_F(HandlerClockTest, AnotherProcessWithAnotherClockSeesNoStep) {
  rt_.StepClock(absl::Hours(3));
  Handler other(rt_, store_);
  ASSERT_THAT(rt_.Run(other.Load()), IsOk());
  EXPECT_THAT(rt_.Run(other.FollowClock()), IsOk());
  EXPECT_THAT(Types(0), testing::Not(testing::Contains("installation.clock_stepped")));
}

TEST_F(HandlerClockTest, AStepThatCannotBeWrittenStopsTheDecisionNotTheNextOne) {
  rt_.StepClock(absl::Minutes(20));
  store_.FailNextAppend(ResourceExhausted("full"));
  EXPECT_THAT(See(), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_THAT(See(), IsOk());
}

TEST_F(HandlerClockTest, ThePolicyChecksItsFleetsAtOnceAndInTheOldRhythm) {
  PolicyDriver driver(rt_, handler_, {});
  driver.Start();
  specpb::FleetSpec spec;
  spec.set_name("zeb");
  spec.set_provider("vast");
  EXPECT_THAT(rt_.Run(handler_.Fleet(FleetName("zeb"), fleet::Apply{spec}, {.actor = "test"})),
              IsOk());
  rt_.RunFor(absl::Minutes(5));
  for (const absl::Duration step : {absl::Hours(25), -absl::Hours(25)}) {
    rt_.StepClock(step);
    const std::int64_t before = driver.passes();
    rt_.RunFor(absl::Minutes(10));
    EXPECT_GE(driver.passes(), before + 8);
    EXPECT_LE(driver.passes(), before + 30);
  }
  EXPECT_THAT(Types(0), testing::Contains("installation.clock_stepped").Times(2));
  driver.Stop();
  rt_.RunFor(absl::Seconds(1));
}

}  // namespace
}  // namespace muster
