#include "commands/worker/state.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::worker {
namespace {

State& Read(State& state, const eventpb::LogObserved& facts, absl::Time at) {
  return Given(state, {Wrap(facts)}, at);
}
const Observed& Seen(const State& state) { return state.live()->seen; }
eventpb::EventBody Priced(std::int64_t micros_per_hour) {
  Instance instance = Running();
  instance.price = MicroUsdPerHour(micros_per_hour);
  return Wrap(MakeInstanceObserved(instance));
}

// ---- progress ---------------------------------------------------------------------------------

TEST(WorkerEvolve, ProgressIsACounterThatGrewNeverALineThatIsThere) {
  State state = LiveWorker();
  Read(state, LogFacts("producing", 7), At(100));
  EXPECT_EQ(Seen(state).progress.at, At(100));
  Read(state, LogFacts("producing", 7), At(200));
  EXPECT_EQ(Seen(state).progress.at, At(100));
  Read(state, LogFacts("producing", 8), At(300));
  EXPECT_EQ(Seen(state).progress.at, At(300));
  EXPECT_EQ(Seen(state).first_progress.at, At(100));
}
TEST(WorkerEvolve, AnUploadLineIsNoProgress) {
  State state = LiveWorker();
  Read(state, LogFacts("producing", 7), At(100));
  eventpb::LogObserved busy = LogFacts("producing", 7);
  busy.set_busy(true);
  Read(state, busy, At(500));
  EXPECT_TRUE(Seen(state).busy);
  EXPECT_EQ(Seen(state).progress.at, At(100));
}
TEST(WorkerEvolve, TheMeanRateIsOverProgressEvents) {
  State state = LiveWorker();
  for (const auto& [counter, rate] : {std::pair{1, 1.0}, {2, 2.0}, {2, 50.0}, {3, 3.0}}) {
    eventpb::LogObserved facts = LogFacts("producing", counter);
    facts.set_rate_per_s(rate);
    Read(state, facts, At(100 + counter));
  }
  EXPECT_EQ(Seen(state).rate_samples, 3);
  EXPECT_DOUBLE_EQ(Seen(state).rate_mean_per_s, 2.0);
}
TEST(WorkerEvolve, ACounterThatShrankIsANewBaselineAndGetsItsTimeAgain) {
  State state = LiveWorker();
  Read(state, LogFacts("producing", 70), At(100));
  Read(state, LogFacts("producing", 1), At(800));
  EXPECT_EQ(Seen(state).counter, 1);
  EXPECT_EQ(Seen(state).progress.at, At(100));  // where it stands is no growth
  EXPECT_EQ(Seen(state).progress_clock().at, At(800));
  Read(state, LogFacts("producing", 2), At(900));
  EXPECT_EQ(Seen(state).progress.at, At(900));
}
TEST(WorkerEvolve, TheTimeThatItStoodStillDoesNotCountAgainstIt) {
  State state = LiveWorker();
  Given(state, {Priced(80'000)}, At(50));
  eventpb::LogObserved facts = LogFacts("producing", 7);
  Read(state, facts, At(100));
  facts.set_error("CUDA error");
  Read(state, facts, At(200));
  Instance stopped = Running();
  stopped.actual = ActualStatus::kStopped;
  Given(state, {Wrap(MakeInstanceObserved(stopped))}, At(300));
  for (int at = 360; at <= 36'240; at += 60) {
    Given(state, {Wrap(MakeInstanceObserved(stopped))}, At(at));
  }
  EXPECT_EQ(Seen(state).progress_clock().at, At(100));
  Given(state, {Priced(80'000)}, At(36'300));
  EXPECT_EQ(Seen(state).progress_clock().at, At(36'100));
  EXPECT_EQ(Seen(state).error_since.at, At(36'200));
  EXPECT_EQ(Seen(state).progress.at, At(100));
}
TEST(WorkerEvolve, TimeInWhichNobodyLookedDoesNotCountAgainstIt) {
  for (const int gap : {1, 60, 16 * 60, 86'400}) {
    State state = LiveWorker();
    eventpb::LogObserved facts = LogFacts("producing", 7);
    facts.set_error("boom");
    Read(state, facts, At(100));
    Read(state, facts, At(400));
    facts.set_unwatched_us(gap * 1'000'000LL);
    Read(state, facts, At(500 + gap));
    EXPECT_EQ(Seen(state).progress_clock().at, At(100 + gap));
    EXPECT_EQ(Seen(state).error_since.at, At(100 + gap));
  }
}
// Each look has its clocks: a gap of both is not excused twice.
TEST(WorkerEvolve, AGapOfTheListsMovesTheClocksOfTheListsAlone) {
  State state = LiveWorker();  // At(10)
  Instance down = Running();
  down.actual = ActualStatus::kOffline;
  Given(state, {Wrap(MakeInstanceObserved(down))}, At(50));
  Read(state, LogFacts("producing", 7), At(100));
  eventpb::InstanceObserved seen = MakeInstanceObserved(down);
  seen.set_unwatched_us(1'000'000'000);
  Given(state, {Wrap(seen)}, At(1'100));
  EXPECT_EQ(Seen(state).status_since.at, At(1'050));
  EXPECT_EQ(Seen(state).coming_since.at, At(1'010));
  EXPECT_EQ(Seen(state).watched_since.at, At(1'010));
  EXPECT_EQ(Seen(state).progress_clock().at, At(100));
  EXPECT_EQ(Seen(state).phase_since.at, At(100));
}
TEST(WorkerEvolve, AGapNeverMovesAClockIntoTheFuture) {
  State state = LiveWorker();
  eventpb::LogObserved facts = LogFacts("producing", 7);
  Read(state, facts, At(100));
  facts.set_unwatched_us(1'000'000'000);
  Read(state, facts, At(400));
  EXPECT_EQ(Seen(state).progress_clock().at, At(400));
}
TEST(WorkerEvolve, ALaunchThatWasFoundAfterwardsIsBilledFromItsRequest) {
  eventpb::LaunchAccepted accepted;
  accepted.set_instance("i1");
  accepted.set_how(eventpb::LaunchAccepted::LOOKUP);
  State state = LaunchingWorker();
  const absl::Time asked = state.identity.begun.at;
  Given(state, {Wrap(accepted)}, asked + absl::Hours(10));
  EXPECT_EQ(state.priced_since, asked);
  accepted.set_how(eventpb::LaunchAccepted::ANSWER);
  State other = LaunchingWorker();
  Given(other, {Wrap(accepted)}, asked + absl::Hours(10));
  EXPECT_EQ(other.priced_since, asked + absl::Hours(10));
}
TEST(WorkerEvolve, ATotalThatShrankWithoutACounterIsANewBaselineToo) {
  State state = LiveWorker();
  eventpb::LogObserved facts = LogFacts("producing");
  facts.set_total(5000);
  Read(state, facts, At(100));
  facts.set_total(256);
  Read(state, facts, At(800));
  EXPECT_EQ(Seen(state).total, 256);
  EXPECT_EQ(Seen(state).progress_clock().at, At(800));
}
TEST(WorkerEvolve, AStepSetBackByTrainingIsNoRestart) {
  State state = LiveWorker();
  eventpb::LogObserved facts = LogFacts("producing", 7);
  facts.set_step(150);
  Read(state, facts, At(100));
  facts.set_counter(8);
  facts.set_step(142);
  Read(state, facts, At(300));
  EXPECT_EQ(Seen(state).progress.at, At(300));
  EXPECT_EQ(Seen(state).phase_since.at, At(100));
}

// ---- phases -----------------------------------------------------------------------------------

TEST(WorkerEvolve, PhaseClocksStartAtThePhasesFirstEvent) {
  State state = LiveWorker();
  EXPECT_EQ(Seen(state).phase_since.at, At(10));
  Read(state, LogFacts("setup"), At(200));
  Read(state, LogFacts("setup"), At(400));
  EXPECT_EQ(Seen(state).phase_since.at, At(200));
  Read(state, LogFacts("boot"), At(500));  // scrolled out
  EXPECT_EQ(Seen(state).phase, Observed::Phase::kSetup);
  Read(state, LogFacts("started"), At(600));
  EXPECT_EQ(Seen(state).phase_since.at, At(600));
}
TEST(WorkerEvolve, AnotherContainerStartsThePhasesAnew) {
  State state = LiveWorker();
  eventpb::LogObserved facts = LogFacts("producing", 70);
  facts.set_container_id("c1");
  Read(state, facts, At(100));
  facts = LogFacts("setup");
  facts.set_container_id("c2");
  Read(state, facts, At(800));
  EXPECT_EQ(Seen(state).phase, Observed::Phase::kSetup);
  EXPECT_EQ(Seen(state).phase_since.at, At(800));
  EXPECT_EQ(Seen(state).counter, -1);
  facts = LogFacts("producing", 1);
  facts.set_container_id("c2");
  Read(state, facts, At(900));
  EXPECT_EQ(Seen(state).progress.at, At(900));
}
TEST(WorkerEvolve, CountersOfAnotherContainerAreABaselineNotProgress) {
  State state = LiveWorker();
  eventpb::LogObserved facts = LogFacts("producing", 70);
  facts.set_container_id("c1");
  Read(state, facts, At(100));
  facts.set_container_id("c2");
  facts.set_counter(90);
  Read(state, facts, At(800));
  EXPECT_EQ(Seen(state).progress.at, At(100));
  EXPECT_EQ(Seen(state).progress_clock().at, At(800));
}
TEST(WorkerEvolve, SetUpLinesWhereCountersWereAreARestart) {
  State state = LiveWorker();
  Read(state, LogFacts("producing", 70), At(100));
  Read(state, LogFacts("setup"), At(800));
  EXPECT_EQ(Seen(state).phase, Observed::Phase::kSetup);
  EXPECT_EQ(Seen(state).phase_since.at, At(800));
}

// ---- errors -----------------------------------------------------------------------------------

TEST(WorkerEvolve, NewerProgressClearsAnErrorAndASecondErrorGetsItsOwnGrace) {
  State state = LiveWorker();
  Read(state, LogFacts("producing", 7), At(100));
  eventpb::LogObserved bad = LogFacts("producing", 7);
  bad.set_error("CUDA error");
  Read(state, bad, At(145));
  Read(state, bad, At(190));
  EXPECT_EQ(Seen(state).error_since.at, At(145));
  bad.set_counter(8);  // progress, and an error again after it
  Read(state, bad, At(400));
  EXPECT_EQ(Seen(state).error_since.at, At(400));
  Read(state, LogFacts("producing", 9), At(600));
  EXPECT_EQ(Seen(state).error, "");
  EXPECT_FALSE(Seen(state).error_since.seen());
}

// ---- money ------------------------------------------------------------------------------------

TEST(WorkerEvolve, SpendsFromTheAcceptanceByTheOffersPriceUntilOneIsObserved) {
  State state = LiveWorker();  // At(10), $0.09/h
  EXPECT_EQ(state.SpentAt(At(10 + 3600)), MicroUsd(90'000));
  Given(state, {Priced(180'000)}, At(10 + 3600));
  EXPECT_EQ(state.SpentAt(At(10 + 7200)), MicroUsd(270'000));
}
TEST(WorkerEvolve, AStoppedOneCostsWhatWasOfferedFromItsAcceptedStartNotFromTheNextList) {
  for (const bool accepted : {true, false}) {
    State state = LiveWorker();  // At(10), $0.09/h
    Given(state, {Priced(3'000)}, At(10));
    eventpb::StartAnswered answer;
    answer.set_accepted(accepted);
    Given(state, {Wrap(answer)}, At(10 + 3600));
    EXPECT_EQ(state.SpentAt(At(10 + 7200)), MicroUsd(accepted ? 93'000 : 6'000));
    Given(state, {Priced(120'000)}, At(10 + 7200));
    Given(state, {Wrap(answer)}, At(10 + 7200));  // it ran already, and has become dearer
    EXPECT_EQ(state.price, MicroUsdPerHour(120'000));
  }
}
TEST(WorkerEvolve, AStartThatIsAnsweredBeforeARentalOrAfterItsEndCostsNothing) {
  eventpb::StartAnswered answer;
  answer.set_accepted(true);
  for (State state : {LaunchingWorker(), EndedWorker()}) {
    const MicroUsd before = state.SpentAt(At(1100));
    Given(state, {Wrap(answer)}, At(1100));
    EXPECT_EQ(state.SpentAt(At(99'999)), before);
  }
}
TEST(WorkerEvolve, SpendingNeverShrinksWhenTheClockStepsBack) {
  State state = LiveWorker();
  Given(state, {Priced(90'000)}, At(10 + 3600));
  EXPECT_EQ(state.SpentAt(At(10 + 1800)), MicroUsd(90'000));
  Given(state, {Priced(90'000)}, At(10 + 1800));
  EXPECT_EQ(state.SpentAt(At(10 + 1800)), MicroUsd(90'000));
  EXPECT_EQ(state.SpentAt(At(10 + 5400)), MicroUsd(180'000));
  EXPECT_EQ(state.SpentAt(absl::InfinitePast()), MicroUsd(90'000));
}
TEST(WorkerEvolve, MoneyFallsOnTheDayItWasSpent) {
  State state = LaunchingWorker();
  const absl::Time midnight = absl::FromUnixSeconds(20'720 * 86'400LL);
  Given(state, {Accepted()}, midnight - absl::Hours(1));
  EXPECT_EQ(state.SpentOnDay(20'719, midnight + absl::Hours(2)), MicroUsd(90'000));
  EXPECT_EQ(state.SpentOnDay(20'720, midnight + absl::Hours(2)), MicroUsd(180'000));
  EXPECT_EQ(state.SpentAt(midnight + absl::Hours(2)), MicroUsd(270'000));
  Given(state, {Priced(90'000)}, midnight + absl::Hours(1));
  EXPECT_EQ(state.SpentOnDay(20'719, midnight + absl::Hours(2)), MicroUsd(90'000));
  EXPECT_EQ(state.SpentOnDay(20'720, midnight + absl::Hours(2)), MicroUsd(180'000));
}
TEST(WorkerEvolve, AClockThatJumpsByACenturyIsSurvived) {
  State state = LiveWorker();
  Given(state, {Priced(90'000)}, At(0) + absl::Hours(24 * 366 * 100));
  EXPECT_GT(state.spent_before, MicroUsd(0));
  EXPECT_LT(state.spent_days.size(), 400u);
  EXPECT_GT(state.SpentAt(absl::InfiniteFuture()), MicroUsd(0));
}
TEST(WorkerEvolve, NothingIsSpentAfterTheEnd) {
  const State state = EndedWorker();  // At(1100)
  EXPECT_EQ(state.SpentAt(At(99'999)), Cost(kPrice, absl::Seconds(1090)));
}

}  // namespace
}  // namespace muster::worker
