// The read models over a log that the write side itself has written: a worker that stops making
// progress is judged, condemned and destroyed by the policy's own code, and explained by ours.
#include <algorithm>

#include "commands/handler/handler.h"
#include "commands/worker/assess.h"
#include "eventstore/memory/memory_event_store.h"
#include "queries/projector.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::queries {
namespace {

const WorkerId kWorker("k7f2q");
const FleetName kFleet("zeb");

class WrittenByCommands : public testing::Test {
 protected:
  WrittenByCommands() {
    EXPECT_THAT(rt_.Run(handler_.Load()), IsOk());
    EXPECT_THAT(rt_.Run(projector_.Start()), IsOk());
    spec_.set_name("zeb");
    spec_.set_provider("vast");
    spec_.set_workers(1);
    spec_.set_work_unit("games");
    *spec_.mutable_timers() = TestTimers();
    EXPECT_THAT(rt_.Run(handler_.Fleet(kFleet, fleet::Apply{spec_}, {.actor = "test"})), IsOk());
  }
  void Worker(worker::Command command) {
    EXPECT_THAT(rt_.Run(handler_.Worker(kWorker, std::move(command), {.actor = "test"})), IsOk());
  }
  // Of pollers that look all the time.
  void See() {
    Worker(worker::ObserveInstance{Running(), rt_.Now(), TestTimers(), absl::ZeroDuration()});
  }
  void Read(std::string_view phase, std::int64_t counter = -1) {
    Worker(worker::ObserveLog{LogFacts(phase, counter), rt_.Now(), TestTimers(), 0,
                              absl::ZeroDuration()});
  }
  // Lets the policy's judgement be written, a verdict too.
  void Judge() {
    const worker::State* state = handler_.world().FindWorker(kWorker);
    ASSERT_NE(state, nullptr);
    const worker::Assessment judged = worker::Assess(
        *state, {.spec = &spec_, .policy_version = "zeb@v1", .program_proven = true}, rt_.Now());
    eventpb::WorkerHealthChanged change;
    change.set_health(judged.health);
    change.set_detail(judged.detail);
    *change.mutable_evidence() = judged.evidence;
    Worker(worker::ReportHealth{change});
    if (!judged.verdict) return;
    Worker(worker::Condemn{MakeWorkerCondemned(judged.verdict->evidence, judged.verdict->fault,
                                               true, judged.verdict->strike_weight)});
  }
  void Live() {
    Worker(worker::RequestLaunch{Intent()});
    rt_.RunFor(absl::Seconds(30));
    Worker(worker::LaunchAnswered{InstanceId("i1")});
    See();
  }
  FleetStatus Zeb() {
    rt_.RunUntilIdle();
    auto fleet = projector_.models().Fleet(kFleet, rt_.Now());
    EXPECT_THAT(fleet, IsOk());
    return *fleet;
  }

  VirtualRuntime rt_{1};
  MemoryEventStore store_{rt_};
  Handler handler_{rt_, store_};
  Projector projector_{rt_, store_};
  specpb::FleetSpec spec_;
};

TEST_F(WrittenByCommands, TheStateLineFollowsAWorkerThroughItsPhases) {
  Live();
  Read("boot");
  Judge();
  rt_.RunFor(absl::Seconds(72));
  EXPECT_EQ(Zeb().state, "1 in BOOT (1m12s of 10m, then replace)");
  Read("setup");
  Judge();
  rt_.RunFor(absl::Seconds(252));
  EXPECT_EQ(Zeb().state, "1 in SETUP (4m12s of 10m, then replace)");
  Read("producing", 1);
  See();
  Judge();
  EXPECT_EQ(Zeb().state, "all healthy");
  EXPECT_EQ(Zeb().healthy, 1);
  EXPECT_DOUBLE_EQ(Zeb().rate_per_s, 1.5);
}

TEST_F(WrittenByCommands, AWorkerWithoutProgressIsExplainedFromObservationToConfirmation) {
  Live();
  Read("producing", 311);
  Judge();
  const std::string last_progress = FormatClock(rt_.Now());
  for (int i = 0; i < 21; ++i) {  // a poll every 45 s that always says the same
    rt_.RunFor(absl::Seconds(45));
    See();
    Read("producing", 311);
    if (i > 12) Judge();
    if (!handler_.world().FindWorker(kWorker)->live()) break;
  }
  Worker(worker::DestroyAnswer{eventpb::DestroyAnswered::ACCEPTED, "200"});
  for (int i = 0; i < 2; ++i) {
    rt_.RunFor(absl::Seconds(30));
    Worker(worker::ObserveAbsence{.definite = false, .at = rt_.Now()});
  }
  rt_.RunUntilIdle();

  const auto explanation = projector_.models().Explain("worker/k7f2q");
  ASSERT_THAT(explanation, IsOk());
  EXPECT_THAT(explanation->title, testing::StartsWith("worker/k7f2q   destroyed "));
  std::vector<std::string> told;
  for (const ExplainLine& line : explanation->lines) {
    told.push_back(Cat(line.text, " ", line.detail));
  }
  auto after = [&, from = told.begin()](std::string_view text) mutable {
    from = std::find_if(from, told.end(),
                        [&](const std::string& line) { return line.find(text) != line.npos; });
    return from != told.end();
  };
  EXPECT_TRUE(after("decision: rent RTX 3070"));
  EXPECT_TRUE(after("rented: instance i1"));
  EXPECT_TRUE(after("log poll: batch 311"));
  EXPECT_TRUE(after(Cat("log poll: batch still 311, as at ", last_progress)));
  EXPECT_TRUE(after("rule no-progress: "));
  EXPECT_TRUE(after("decision: replace, destroy requested (cause "));
  EXPECT_TRUE(after("DELETE -> 200"));
  EXPECT_TRUE(after("(confirmed)"));
  EXPECT_TRUE(after("ended: destroyed, spent $"));
  if (HasFailure()) {
    for (const std::string& line : told) std::printf("  %s\n", line.c_str());
  }
}

TEST_F(WrittenByCommands, BothSidesNameTheSameMoney) {
  Live();
  rt_.RunFor(absl::Hours(7));
  See();
  rt_.RunFor(absl::Minutes(11));
  EXPECT_EQ(Zeb().spent_total, handler_.world().FindWorker(kWorker)->SpentAt(rt_.Now()));
  EXPECT_GT(Zeb().spent_total.micros, 0);
  const auto rebuilt = rt_.Run(projector_.Rebuild());
  ASSERT_THAT(rebuilt, IsOk());
  EXPECT_TRUE(rebuilt->equal());
}

}  // namespace
}  // namespace muster::queries
