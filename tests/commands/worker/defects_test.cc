// The defects of home-made fleet monitors that are a matter of one worker's stream, by the number
// they have in the list of tests/README.md.
#include "commands/worker/commands.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::worker {
namespace {

std::string Then(State& state, const Command& command, absl::Time at) {
  const StatusOr<Events> decided = Decide(state, command, {at});
  if (decided.ok()) Given(state, *decided, at);
  return Kinds(decided);
}
const Observed& Seen(const State& state) { return state.live()->seen; }

State Producing() {
  State state = LiveWorker();
  Then(state, ObserveInstance{Running(), At(20)}, At(20));
  Then(state, ObserveLog{LogFacts("producing", 7), At(100), TestTimers()}, At(100));
  return state;
}

TEST(Defect01, ListsThatFailForAnHourMakeNobodyAbsent) {
  State state = Producing();
  for (int n = 1; n <= 240; ++n) {
    Then(state, ObserveFailure{"instance", "429", At(100 + 15 * n), n}, At(100 + 15 * n));
  }
  EXPECT_TRUE(state.open());
  EXPECT_EQ(Seen(state).absent_lists, 0);
  EXPECT_EQ(Seen(state).actual, ActualStatus::kRunning);
}
TEST(Defect03, ASlowLogFetchIsNoBoot) {
  State state = Producing();
  for (int n = 1; n <= 10; ++n) {
    Then(state, ObserveFailure{"log", "deadline", At(100 + 45 * n), n}, At(100 + 45 * n));
  }
  EXPECT_EQ(Seen(state).phase, Observed::Phase::kProducing);
  EXPECT_EQ(Seen(state).progress.at, At(100));
  EXPECT_EQ(Seen(state).log.at, At(100));  // the last good one, with its age
  EXPECT_EQ(Seen(state).log_failing_since.at, At(190));
}
TEST(Defect04, ALongUploadAfterHoursOfLifeDoesNotGoBackToSetup) {
  State state = Producing();
  eventpb::LogObserved upload = LogFacts("setup");
  upload.set_phase("started");
  upload.set_counter(7);
  upload.set_busy(true);
  for (int at = 400; at <= 90'000; at += 300) {
    Then(state, ObserveLog{upload, At(at), TestTimers(), 2, absl::ZeroDuration()}, At(at));
  }
  EXPECT_EQ(Seen(state).phase, Observed::Phase::kProducing);
  EXPECT_EQ(Seen(state).phase_since.at, At(100));
}
TEST(Defect05, AnErrorIsForgottenWithTheNextBatch) {
  State state = Producing();
  eventpb::LogObserved bad = LogFacts("producing", 7);
  bad.set_error("Traceback");
  Then(state, ObserveLog{bad, At(145), TestTimers()}, At(145));
  EXPECT_EQ(Seen(state).error, "Traceback");
  Then(state, ObserveLog{LogFacts("producing", 8), At(190), TestTimers()}, At(190));
  EXPECT_EQ(Seen(state).error, "");
}
TEST(Defect06, ADeadProgramsLastLineIsNoProgress) {
  State state = Producing();
  for (int n = 1; n <= 40; ++n) {
    const absl::Time at = At(100 + 45 * n);
    Then(state, ObserveLog{LogFacts("producing", 7), at, TestTimers(), n + 1}, at);
  }
  EXPECT_EQ(Seen(state).progress.at, At(100));
  EXPECT_GE(Seen(state).log.at - Seen(state).progress_clock().at, absl::Minutes(15));
  EXPECT_GE(Seen(state).agreeing_polls, 2);
}
TEST(Defect11, TheEndIsNeverInferredFromAnAnswer) {
  State state = Producing();
  Then(state, Condemn{Verdict()}, At(1000));
  Then(state, DestroyAnswer{eventpb::DestroyAnswered::ACCEPTED, "200"}, At(1001));
  for (int n = 0; n < 100; ++n) {
    Then(state, ObserveInstance{Running(), At(1015 + 15 * n)}, At(1015 + 15 * n));
  }
  EXPECT_TRUE(state.open());
  EXPECT_GT(state.SpentAt(At(3600)), state.SpentAt(At(1001)));  // and it goes on costing
}
TEST(Defect13, AFailedDestroyIsAskedForAgainUntilListsConfirmIt) {
  State state = Producing();
  Then(state, Condemn{Verdict()}, At(1000));
  Then(state, DestroyAnswer{eventpb::DestroyAnswered::UNAVAILABLE, "502"}, At(1001));
  EXPECT_EQ(Then(state, RetryDestroy{}, At(1010)), "worker.destroy_requested");
  Then(state, DestroyAnswer{eventpb::DestroyAnswered::NOT_FOUND, "404"}, At(1011));
  EXPECT_TRUE(state.open());
  Then(state, ObserveAbsence{false, At(1015)}, At(1015));
  EXPECT_EQ(Then(state, ObserveAbsence{false, At(1030)}, At(1030)),
            "worker.instance_absent worker.ended");
}
TEST(Defect16, ARestartRemembersSinceWhen) {
  // The poller counts anew after a restart; the log still proves that the poll agrees.
  State state = Producing();
  eventpb::LogObserved bad = LogFacts("producing", 7);
  bad.set_error("CUDA error");
  Then(state, ObserveLog{bad, At(145), TestTimers(), 1}, At(145));
  EXPECT_EQ(Then(state, ObserveLog{bad, At(250), TestTimers(), 1}, At(250)), "worker.log_observed");
  EXPECT_EQ(Seen(state).agreeing_polls, 2);
  EXPECT_EQ(Seen(state).facts_since, At(145));
  EXPECT_EQ(Seen(state).error_since.at, At(145));
  // Of a longer absence only what one look vouches for counts.
  Then(state, ObserveLog{bad, At(250 + 1'105), TestTimers(), 1}, At(250 + 1'105));
  EXPECT_EQ(Seen(state).error_since.at, At(145 + 1'000));
}

}  // namespace
}  // namespace muster::worker
