#include "commands/worker/commands.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::worker {
namespace {

// Of pollers that looked all the time.
StatusOr<Events> See(const State& state, const Instance& instance, absl::Time at,
                     std::optional<absl::Duration> unwatched = absl::ZeroDuration()) {
  return Decide(state, ObserveInstance{instance, at, TestTimers(), unwatched}, {at});
}
StatusOr<Events> Miss(const State& state, absl::Time at, bool definite = false) {
  return Decide(state, ObserveAbsence{definite, at}, {at});
}
StatusOr<Events> Poll(const State& state, const eventpb::LogObserved& facts, absl::Time at,
                      int agreeing = 0,
                      std::optional<absl::Duration> unwatched = absl::ZeroDuration()) {
  return Decide(state, ObserveLog{facts, at, TestTimers(), agreeing, unwatched}, {at});
}
StatusOr<Events> Fail(const State& state, std::string what, absl::Time at, int count) {
  return Decide(state, ObserveFailure{std::move(what), "timeout", at, count}, {at});
}

// Decides and folds; returns what was written.
std::string Then(State& state, const StatusOr<Events>& decided, absl::Time at) {
  if (decided.ok()) Given(state, *decided, at);
  return Kinds(decided);
}

State SeenWorker() {
  State state = LiveWorker();
  Then(state, See(state, Running(), At(20)), At(20));
  return state;
}
// Producing since At(100), batch 7.
State ProducingWorker() {
  State state = SeenWorker();
  Then(state, Poll(state, LogFacts("producing", 7), At(100)), At(100));
  return state;
}

// ---- the instance -----------------------------------------------------------------------------

TEST(WorkerObserve, AnInstanceIsWrittenFirstOnChangeAndEveryFiveMinutes) {
  State state = SeenWorker();
  EXPECT_EQ(Kinds(See(state, Running(), At(319))), "nothing");
  EXPECT_EQ(Kinds(See(state, Running(), At(320))), "worker.instance_observed");
  Instance changed = Running();
  changed.actual = ActualStatus::kExited;
  EXPECT_EQ(Kinds(See(state, changed, At(21))), "worker.instance_observed");
  changed = Running();
  changed.price = MicroUsdPerHour(95'000);
  EXPECT_EQ(Kinds(See(state, changed, At(21))), "worker.instance_observed");
  changed = Running();
  changed.ssh_port = 40022;
  EXPECT_EQ(Kinds(See(state, changed, At(21))), "worker.instance_observed");
}
TEST(WorkerObserve, AListThatStillShowsAStoppedPriceAfterAnAcceptedStartIsWritten) {
  State state = LiveWorker();
  Instance stopped = Running();
  stopped.actual = ActualStatus::kStopped;
  stopped.price = MicroUsdPerHour(3'000);
  Then(state, See(state, stopped, At(20)), At(20));
  EXPECT_EQ(Kinds(See(state, stopped, At(25))), "nothing");
  eventpb::StartAnswered answer;
  answer.set_accepted(true);
  Given(state, {Wrap(answer)}, At(25));
  EXPECT_EQ(Then(state, See(state, stopped, At(30)), At(30)), "worker.instance_observed");
  EXPECT_EQ(state.price, MicroUsdPerHour(3'000));
}
TEST(WorkerObserve, AStatusTextThatChattersIsWrittenOnceAMinute) {
  State state = SeenWorker();
  Instance chatter = Running();
  chatter.status_message = "Pulling layer 7 of 12";
  EXPECT_EQ(Kinds(See(state, chatter, At(79))), "nothing");
  EXPECT_EQ(Kinds(See(state, chatter, At(80))), "worker.instance_observed");
}
TEST(WorkerObserve, AnInstanceThatIsNotWellIsWrittenEveryMinute) {
  State state = SeenWorker();
  Instance offline = Running();
  offline.actual = ActualStatus::kOffline;
  Then(state, See(state, offline, At(30)), At(30));
  EXPECT_EQ(state.live()->seen.status_since.at, At(30));
  EXPECT_EQ(Kinds(See(state, offline, At(89))), "nothing");
  EXPECT_EQ(Then(state, See(state, offline, At(90)), At(90)), "worker.instance_observed");
  EXPECT_EQ(state.live()->seen.status_since.at, At(30));  // since when does not move
}
TEST(WorkerObserve, AnInstanceThatIsNotWellIsWrittenWithinHalfOfTheTimeItHas) {
  State state = SeenWorker();
  Instance exited = Running();
  exited.actual = ActualStatus::kExited;
  specpb::Timers timers = TestTimers();
  timers.set_offline_s(10);
  const auto seen = [&](double at) {
    return Then(
        state,
        Decide(state, ObserveInstance{exited, At(at), timers, absl::ZeroDuration()}, {At(at)}),
        At(at));
  };
  EXPECT_EQ(seen(30), "worker.instance_observed");
  EXPECT_EQ(seen(34), "nothing");
  EXPECT_EQ(seen(35), "worker.instance_observed");
}
TEST(WorkerObserve, AClockThatStepsBackSilencesNobody) {
  State state = SeenWorker();
  EXPECT_EQ(Kinds(See(state, Running(), At(-3600))), "worker.instance_observed");
}
TEST(WorkerObserve, AnUnknownPriceKeepsTheKnownOne) {
  State state = SeenWorker();
  Instance odd = Running();
  odd.price_known = false;
  odd.price = {};
  odd.actual = ActualStatus::kUnknown;
  Then(state, See(state, odd, At(60)), At(60));
  EXPECT_EQ(state.live()->seen.price, kPrice);
  EXPECT_EQ(state.price, kPrice);
}
TEST(WorkerObserve, AnotherInstanceOrNoWorkerIsRefused) {
  Instance other = Running();
  other.id = InstanceId("i2");
  EXPECT_EQ(Kinds(See(LiveWorker(), other, At(20))), "INVALID_ARGUMENT");
  EXPECT_EQ(Kinds(See(NoWorker(), Running(), At(20))), "NOT_FOUND");
  EXPECT_EQ(Kinds(See(LaunchingWorker(), Running(), At(20))), "FAILED_PRECONDITION");
  EXPECT_EQ(Kinds(See(EndedWorker(), Running(), At(20))), "nothing");
}

TEST(WorkerObserve, AClockOfTheListThatRanOutIsWrittenAtOnce) {
  State state = LiveWorker();
  Instance loading = Running();
  loading.actual = ActualStatus::kLoading;
  Then(state, See(state, loading, At(20)), At(20));
  Then(state, See(state, loading, At(560)), At(560));
  EXPECT_EQ(Kinds(See(state, loading, At(609))), "nothing");
  EXPECT_EQ(Then(state, See(state, loading, At(610)), At(610)), "worker.instance_observed");
  EXPECT_EQ(Kinds(See(state, loading, At(640))), "nothing");
}

// ---- what nobody looked at --------------------------------------------------------------------

TEST(WorkerObserve, ALookAfterAGapIsWrittenWithTheTimeThatNobodyLooked) {
  State state = ProducingWorker();
  const auto text = Poll(state, LogFacts("producing", 7), At(1'300), 2, absl::Minutes(18));
  ASSERT_EQ(Kinds(text), "worker.log_observed");
  EXPECT_EQ((*text)[0].log_observed().unwatched_us(), absl::ToInt64Microseconds(absl::Minutes(18)));
  Then(state, text, At(1'300));
  EXPECT_EQ(state.live()->seen.progress_clock().at, At(100 + 18 * 60));
  const auto list = See(state, Running(), At(60), absl::Seconds(1));
  ASSERT_EQ(Kinds(list), "worker.instance_observed");
  EXPECT_EQ((*list)[0].instance_observed().unwatched_us(), 1'000'000);
}
TEST(WorkerObserve, WhereThePollerKnowsOfNoLookTheLogDoes) {
  const absl::Duration texts = VouchedFor(absl::Seconds(45)), lists = VouchedFor(absl::Seconds(30));
  for (const absl::Duration off : {-absl::Seconds(1), absl::ZeroDuration(), absl::Seconds(1)}) {
    const auto over = absl::ToInt64Microseconds(std::max(off, absl::ZeroDuration()));
    const State state = ProducingWorker();
    const auto text = Poll(state, LogFacts("producing", 8), At(100) + texts + off, 0, std::nullopt);
    ASSERT_EQ(Kinds(text), "worker.log_observed");
    EXPECT_EQ((*text)[0].log_observed().unwatched_us(), over);
    Instance changed = Running();
    changed.ssh_port = 40022;
    const auto list = See(state, changed, At(20) + lists + off, std::nullopt);
    ASSERT_EQ(Kinds(list), "worker.instance_observed");
    EXPECT_EQ((*list)[0].instance_observed().unwatched_us(), over);
  }
}
TEST(WorkerObserve, OneThatWasNeverLookedAtHasItsTimeFromItsAcceptance) {
  const State state = LiveWorker();  // At(10)
  const auto text = Poll(state, LogFacts("boot"), At(10 + 105 + 60), 0, std::nullopt);
  ASSERT_EQ(Kinds(text), "worker.log_observed");
  EXPECT_EQ((*text)[0].log_observed().unwatched_us(), 60'000'000);
}

// ---- absence ----------------------------------------------------------------------------------

TEST(WorkerObserve, OneListWithoutItIsNoEndButTwoAre) {
  State state = SeenWorker();
  EXPECT_EQ(Then(state, Miss(state, At(300)), At(300)), "worker.instance_absent");
  EXPECT_EQ(PhaseName(state.phase), "Live");
  const auto second = Miss(state, At(315));
  ASSERT_EQ(Kinds(second), "worker.instance_absent worker.ended");
  const eventpb::WorkerEnded& ended = (*second)[1].worker_ended();
  EXPECT_EQ(ended.how(), eventpb::WorkerEnded::VANISHED);
  EXPECT_EQ(ended.confirmed_by(), "2 complete lists");
  EXPECT_EQ(ended.spent_micro_usd(), Cost(kPrice, absl::Seconds(305)).micros);
  Then(state, second, At(315));
  EXPECT_NEAR(static_cast<double>(state.spent_before.micros),
              static_cast<double>(ended.spent_micro_usd()), 1);
  EXPECT_EQ(Kinds(Miss(state, At(330))), "nothing");
}
TEST(WorkerObserve, ASightBetweenTwoListsStartsTheCountAnew) {
  State state = SeenWorker();
  Then(state, Miss(state, At(300)), At(300));
  EXPECT_EQ(Then(state, See(state, Running(), At(315)), At(315)), "worker.instance_observed");
  EXPECT_EQ(Then(state, Miss(state, At(330)), At(330)), "worker.instance_absent");
  EXPECT_TRUE(state.open());
}
TEST(WorkerObserve, ADefiniteAnswerEndsItAlone) {
  const auto decided = Miss(SeenWorker(), At(300), /*definite=*/true);
  ASSERT_EQ(Kinds(decided), "worker.instance_absent worker.ended");
  EXPECT_EQ((*decided)[1].worker_ended().confirmed_by(), "single lookup");
}
TEST(WorkerObserve, AFreshRentalMayBeMissingFromListsForTwoMinutes) {
  const State state = LiveWorker();  // since At(10), never seen
  EXPECT_EQ(Kinds(Miss(state, At(15))), "nothing");
  EXPECT_EQ(Kinds(Miss(state, At(129.9))), "nothing");
  EXPECT_EQ(Kinds(Miss(state, At(15), /*definite=*/true)), "nothing");
  EXPECT_EQ(Kinds(Miss(state, At(130))), "worker.instance_absent");
}
TEST(WorkerObserve, AListFromBeforeTheCondemnationCounts) {
  State state = SeenWorker();
  Then(state, Miss(state, At(300)), At(300));
  Given(state, {Wrap(Verdict()), DestroyAsked()}, At(310));
  const auto decided = Miss(state, At(315));
  ASSERT_EQ(Kinds(decided), "worker.instance_absent worker.ended");
  EXPECT_EQ((*decided)[1].worker_ended().how(), eventpb::WorkerEnded::DESTROYED);
}
TEST(WorkerObserve, ADestroyedInstanceThatIsStillListedStaysOpen) {
  State state = SeenWorker();
  Given(state,
        {Wrap(Verdict()), DestroyAsked(), DestroyAnsweredWith(eventpb::DestroyAnswered::ACCEPTED)},
        At(310));
  Then(state, Miss(state, At(315)), At(315));
  Then(state, See(state, Running(), At(330)), At(330));
  EXPECT_EQ(Kinds(Miss(state, At(345))), "worker.instance_absent");
  EXPECT_TRUE(state.open());
}
TEST(WorkerObserve, AbsenceWithoutAnInstanceIsRefused) {
  EXPECT_EQ(Kinds(Miss(LaunchingWorker(), At(5))), "FAILED_PRECONDITION");
  EXPECT_EQ(Kinds(Miss(NoWorker(), At(5))), "NOT_FOUND");
}

// ---- the log ----------------------------------------------------------------------------------

TEST(WorkerObserve, ALogPollIsWrittenFirstOnChangeAndEveryFiveMinutes) {
  State state = ProducingWorker();
  EXPECT_EQ(Kinds(Poll(state, LogFacts("producing", 7), At(399))), "nothing");
  EXPECT_EQ(Kinds(Poll(state, LogFacts("producing", 7), At(400))), "worker.log_observed");
  EXPECT_EQ(Kinds(Poll(state, LogFacts("producing", 8), At(145))), "worker.log_observed");
  eventpb::LogObserved faster = LogFacts("producing", 7);
  faster.set_rate_per_s(9);
  EXPECT_EQ(Kinds(Poll(state, faster, At(145))), "nothing");  // a rate alone is no news
}
TEST(WorkerObserve, AMarkThatScrolledOutOfTheTextIsNoChange) {
  State state = ProducingWorker();
  EXPECT_EQ(Kinds(Poll(state, LogFacts("boot"), At(145))), "nothing");
  EXPECT_EQ(state.live()->seen.phase, Observed::Phase::kProducing);
}
TEST(WorkerObserve, AClockThatRunsOutIsWrittenAtTheFirstPollAfterIt) {
  State state = SeenWorker();  // boot since At(10), 600 s
  Then(state, Poll(state, LogFacts("boot"), At(580)), At(580));
  EXPECT_EQ(Kinds(Poll(state, LogFacts("boot"), At(609))), "nothing");
  EXPECT_EQ(Then(state, Poll(state, LogFacts("boot"), At(610)), At(610)), "worker.log_observed");
  EXPECT_EQ(state.live()->seen.agreeing_polls, 2);
  EXPECT_EQ(state.live()->seen.facts_since, At(580));
  EXPECT_EQ(Kinds(Poll(state, LogFacts("boot"), At(655))), "nothing");
}
TEST(WorkerObserve, TheNoProgressClockCountsFromTheLastGrowth) {
  State state = ProducingWorker();  // progress at At(100), 900 s
  Then(state, Poll(state, LogFacts("producing", 7), At(990)), At(990));
  EXPECT_EQ(state.live()->seen.progress.at, At(100));
  EXPECT_EQ(Kinds(Poll(state, LogFacts("producing", 7), At(999))), "nothing");
  EXPECT_EQ(Kinds(Poll(state, LogFacts("producing", 7), At(1000))), "worker.log_observed");
}
TEST(WorkerObserve, ASecondPollThatAgreesOnBadNewsIsWritten) {
  State state = ProducingWorker();
  eventpb::LogObserved bad = LogFacts("producing", 7);
  bad.set_error("CUDA error");
  EXPECT_EQ(Then(state, Poll(state, bad, At(145)), At(145)), "worker.log_observed");
  EXPECT_EQ(state.live()->seen.agreeing_polls, 1);
  EXPECT_EQ(Then(state, Poll(state, bad, At(190)), At(190)), "worker.log_observed");
  EXPECT_EQ(state.live()->seen.agreeing_polls, 2);
  EXPECT_EQ(state.live()->seen.facts_since, At(145));
  EXPECT_EQ(state.live()->seen.error_since.at, At(145));
  EXPECT_EQ(Kinds(Poll(state, bad, At(235))), "nothing");
}
TEST(WorkerObserve, AnErrorThatWordsItselfAnewEachTimeStillAgrees) {
  State state = ProducingWorker();
  eventpb::LogObserved bad = LogFacts("producing", 7);
  bad.set_error("at 0x1: CUDA error");
  Then(state, Poll(state, bad, At(145)), At(145));
  bad.set_error("at 0x2: CUDA error");
  bad.set_busy(true);
  EXPECT_EQ(Then(state, Poll(state, bad, At(190)), At(190)), "worker.log_observed");
  EXPECT_EQ(state.live()->seen.agreeing_polls, 2);
  EXPECT_EQ(state.live()->seen.error, "at 0x2: CUDA error");
  EXPECT_EQ(state.live()->seen.error_since.at, At(145));
}
TEST(WorkerObserve, ABusyWorkersLongerClockIsWrittenToo) {
  State state = ProducingWorker();  // progress at At(100)
  eventpb::LogObserved busy = LogFacts("producing", 7);
  busy.set_busy(true);
  Then(state, Poll(state, busy, At(1000)), At(1000));
  Then(state, Poll(state, busy, At(1300)), At(1300));
  Then(state, Poll(state, busy, At(1600)), At(1600));
  EXPECT_EQ(Kinds(Poll(state, busy, At(1899))), "nothing");
  EXPECT_EQ(Kinds(Poll(state, busy, At(1900))), "worker.log_observed");
}
TEST(WorkerObserve, TimersThatAreNotSetHaveTheRunbooksValues) {
  State state = SeenWorker();  // boot since At(10): ten minutes
  Then(state, Poll(state, LogFacts("boot"), At(580)), At(580));
  const ObserveLog poll{LogFacts("boot"), At(610), specpb::Timers()};
  EXPECT_EQ(Kinds(Decide(state, poll, {At(610)})), "worker.log_observed");
}
TEST(WorkerObserve, ThePollersOwnCountOfAgreeingPollsIsTakenWhenItIsLarger) {
  State state = ProducingWorker();
  Then(state, Poll(state, LogFacts("producing", 7), At(400), 7), At(400));
  EXPECT_EQ(state.live()->seen.agreeing_polls, 7);
}
TEST(WorkerObserve, AGoodPollAfterFailuresIsWritten) {
  State state = ProducingWorker();
  Then(state, Fail(state, "log", At(190), 2), At(190));
  EXPECT_EQ(state.live()->seen.log_failures, 2);
  EXPECT_EQ(Then(state, Poll(state, LogFacts("producing", 7), At(235)), At(235)),
            "worker.log_observed");
  EXPECT_EQ(state.live()->seen.log_failures, 0);
}
TEST(WorkerObserve, APollOfAWorkerThatIsGoneSaysNothing) {
  EXPECT_EQ(Kinds(Poll(DestroyingWorker(), LogFacts("boot"), At(1))), "nothing");
  EXPECT_EQ(Kinds(Poll(EndedWorker(), LogFacts("boot"), At(1))), "nothing");
  EXPECT_EQ(Kinds(Poll(LaunchingWorker(), LogFacts("boot"), At(1))), "FAILED_PRECONDITION");
  EXPECT_EQ(Kinds(Poll(NoWorker(), LogFacts("boot"), At(1))), "NOT_FOUND");
}
TEST(WorkerObserve, ForeignTextIsMadeSafeToStore) {
  eventpb::LogObserved facts = LogFacts("boot");
  facts.set_rate_per_s(std::nan(""));
  facts.set_line(std::string(500, 'x'));
  const auto decided = Poll(LiveWorker(), facts, At(20));
  ASSERT_EQ(Kinds(decided), "worker.log_observed");
  EXPECT_EQ((*decided)[0].log_observed().rate_per_s(), -1);
  EXPECT_EQ((*decided)[0].log_observed().line().size(), 160u);
}

// ---- failures ---------------------------------------------------------------------------------

TEST(WorkerObserve, OneFailureAloneSaysNothing) {
  State state = ProducingWorker();
  EXPECT_EQ(Kinds(Fail(state, "log", At(145), 1)), "nothing");
  EXPECT_EQ(Then(state, Fail(state, "log", At(190), 2), At(190)), "worker.observation_failed");
  EXPECT_EQ(Kinds(Fail(state, "log", At(235), 3)), "nothing");
  EXPECT_EQ(Kinds(Fail(state, "log", At(489), 8)), "nothing");
  EXPECT_EQ(Kinds(Fail(state, "log", At(490), 9)), "worker.observation_failed");
}
TEST(WorkerObserve, AFailureChangesNoFact) {
  State state = ProducingWorker();
  const Observed before = state.live()->seen;
  Then(state, Fail(state, "log", At(190), 2), At(190));
  Then(state, Fail(state, "instance", At(190), 2), At(190));
  const Observed& after = state.live()->seen;
  EXPECT_EQ(after.phase, before.phase);
  EXPECT_EQ(after.log, before.log);
  EXPECT_EQ(after.instance, before.instance);
  EXPECT_EQ(after.progress, before.progress);
  EXPECT_EQ(after.instance_failures, 2);
  EXPECT_EQ(Then(state, See(state, Running(), At(200)), At(200)), "worker.instance_observed");
  EXPECT_EQ(state.live()->seen.instance_failures, 0);
}
// It was destroyed as offline while it worked: all but the id of its row had been null.
TEST(WorkerObserve, ARowThatTellsNothingIsALookThatFailed) {
  State state = ProducingWorker();
  Instance row;
  row.id = InstanceId("i1");
  ASSERT_TRUE(TellsNothing(row));
  const auto blank = [&](int in_a_row, absl::Time at) {
    return Decide(state, ObserveInstance{row, at, TestTimers(), {}, in_a_row}, {at});
  };
  EXPECT_EQ(Kinds(blank(1, At(140))), "nothing");
  EXPECT_EQ(Then(state, blank(2, At(170)), At(170)), "worker.observation_failed");
  EXPECT_EQ(state.live()->seen.actual, ActualStatus::kRunning);
  EXPECT_EQ(state.live()->seen.instance_failures, 2);
}
TEST(WorkerObserve, ARowThatTellsNothingShowsThatTheInstanceIsThere) {
  State state = SeenWorker();
  Then(state, Miss(state, At(50)), At(50));
  ASSERT_EQ(state.live()->seen.absent_lists, 1);
  Instance row;
  row.id = InstanceId("i1");
  const auto seen = Decide(state, ObserveInstance{row, At(80), TestTimers(), {}, 1}, {At(80)});
  EXPECT_EQ(Then(state, seen, At(80)), "worker.instance_observed");
  EXPECT_EQ(state.live()->seen.absent_lists, 0);
}
TEST(WorkerObserve, ARowTellsSomethingByItsStatusItsIntentOrItsPrice) {
  Instance row;
  row.intended_raw = "running";  // of a rental so young that it has no status
  EXPECT_FALSE(TellsNothing(row));
  row = {};
  row.price_known = true;
  EXPECT_FALSE(TellsNothing(row));
  row = {};
  row.actual = ActualStatus::kLoading;
  EXPECT_FALSE(TellsNothing(row));
}
TEST(WorkerObserve, FailuresOfNothingKnownAreRefused) {
  EXPECT_EQ(Kinds(Fail(LiveWorker(), "weather", At(20), 2)), "INVALID_ARGUMENT");
  EXPECT_EQ(Kinds(Fail(LaunchingWorker(), "log", At(20), 2)), "FAILED_PRECONDITION");
  EXPECT_EQ(Kinds(Fail(EndedWorker(), "log", At(20), 2)), "nothing");
  EXPECT_EQ(Kinds(Fail(NoWorker(), "log", At(20), 2)), "NOT_FOUND");
}

}  // namespace
}  // namespace muster::worker
