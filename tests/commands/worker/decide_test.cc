#include "commands/worker/commands.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::worker {
namespace {

using eventpb::DestroyAnswered;
using eventpb::LaunchRejected;
using testing::HasSubstr;

std::string When(const State& state, const Command& command, absl::Time now = At(2000)) {
  return Kinds(Decide(state, command, {now}));
}

// ---- launch -----------------------------------------------------------------------------------

TEST(WorkerDecide, LaunchIsAnIntentBeforeAnythingIsCalled) {
  EXPECT_EQ(When(NoWorker(), RequestLaunch{Intent()}), "worker.launch_requested");
}
TEST(WorkerDecide, TheSameIntentAgainGivesNothingAndAnotherIsRefused) {
  EXPECT_EQ(When(LaunchingWorker(), RequestLaunch{Intent()}), "nothing");
  eventpb::LaunchRequested other = Intent();
  other.mutable_offer()->set_offer("o2");
  EXPECT_EQ(When(LaunchingWorker(), RequestLaunch{other}), "FAILED_PRECONDITION");
}
TEST(WorkerDecide, AnIntentWithoutItsMarkIsRefused) {
  eventpb::LaunchRequested intent = Intent();
  intent.set_label("zeb-worker-vast-0");
  EXPECT_EQ(When(NoWorker(), RequestLaunch{intent}), "INVALID_ARGUMENT");
  intent = Intent("other");
  EXPECT_EQ(When(NoWorker(), RequestLaunch{intent}), "INVALID_ARGUMENT");
  intent = Intent();
  intent.clear_token();
  EXPECT_EQ(When(NoWorker(), RequestLaunch{intent}), "INVALID_ARGUMENT");
}
TEST(WorkerDecide, AnIntentWithBadNumbersOrNoRuleIsRefused) {
  eventpb::LaunchRequested intent = Intent();
  intent.mutable_offer()->set_price_micro_usd_per_hour(-1);
  EXPECT_EQ(When(NoWorker(), RequestLaunch{intent}), "INVALID_ARGUMENT");
  intent = Intent();
  intent.mutable_offer()->set_expected_rate_per_s(std::nan(""));
  EXPECT_EQ(When(NoWorker(), RequestLaunch{intent}), "INVALID_ARGUMENT");
  intent = Intent();
  intent.clear_evidence();
  EXPECT_EQ(When(NoWorker(), RequestLaunch{intent}), "INVALID_ARGUMENT");
  intent = Intent();
  intent.clear_fleet();
  EXPECT_EQ(When(NoWorker(), RequestLaunch{intent}), "INVALID_ARGUMENT");
}

TEST(WorkerDecide, TheAnswerMakesItLiveOnce) {
  EXPECT_EQ(When(LaunchingWorker(), LaunchAnswered{InstanceId("i1")}), "worker.launch_accepted");
  EXPECT_EQ(When(LiveWorker(), LaunchAnswered{InstanceId("i1")}), "nothing");
  EXPECT_EQ(When(EndedWorker(), LaunchAnswered{InstanceId("i1")}), "nothing");
  EXPECT_EQ(When(LaunchingWorker(), LaunchAnswered{}), "INVALID_ARGUMENT");
  EXPECT_EQ(When(NoWorker(), LaunchAnswered{InstanceId("i1")}), "NOT_FOUND");
}
TEST(WorkerDecide, ASecondInstanceForOneTokenIsRefusedByName) {
  const auto decided = Decide(LiveWorker(), LaunchAnswered{InstanceId("i2")}, {At(20)});
  EXPECT_THAT(decided, StatusIs(StatusCode::kFailedPrecondition, HasSubstr("i2")));
}

TEST(WorkerDecide, ARefusedLaunchEndsItInTheSameAppendAndCostsNothing) {
  const auto decided =
      Decide(LaunchingWorker(), LaunchRefused{LaunchRejected::OFFER_GONE, "no_such_ask"}, {At(5)});
  ASSERT_EQ(Kinds(decided), "worker.launch_rejected worker.ended");
  EXPECT_EQ((*decided)[1].worker_ended().how(), eventpb::WorkerEnded::NEVER_BEGAN);
  EXPECT_EQ((*decided)[1].worker_ended().spent_micro_usd(), 0);
  State state = LaunchingWorker();
  Given(state, *decided, At(5));
  EXPECT_EQ(std::get<Ended>(state.phase).rejected, LaunchRejected::OFFER_GONE);
  EXPECT_EQ(When(state, LaunchRefused{LaunchRejected::OFFER_GONE, ""}), "nothing");
  EXPECT_EQ(When(state, LaunchRefused{LaunchRejected::AUTH, ""}), "FAILED_PRECONDITION");
}
TEST(WorkerDecide, AnUnclearLaunchStaysUntilLookUpsHaveSettledIt) {
  State state = LaunchingWorker();
  const auto lost = Decide(state, LaunchLost{"timeout"}, {At(60)});
  ASSERT_EQ(Kinds(lost), "worker.launch_unclear");
  Given(state, *lost, At(60));
  EXPECT_EQ(PhaseName(state.phase), "Launching");
  // A later refusal is about another call: the first one may have rented.
  EXPECT_EQ(When(state, LaunchRefused{LaunchRejected::OFFER_GONE, ""}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, Condemn{Verdict()}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, LaunchSettledAbsent{1, absl::Minutes(5)}), "INVALID_ARGUMENT");
  EXPECT_EQ(When(state, LaunchSettledAbsent{2, absl::Minutes(5)}),
            "worker.launch_not_found worker.ended");
  EXPECT_EQ(When(state, LaunchAnswered{InstanceId("i1"), eventpb::LaunchAccepted::LOOKUP}),
            "worker.launch_accepted");
}
TEST(WorkerDecide, FruitlessLookUpsAreWrittenEveryFiveMinutesOnly) {
  State state = LaunchingWorker();
  Given(state, *Decide(state, LaunchLost{"timeout"}, {At(60)}), At(60));
  EXPECT_EQ(When(state, LaunchLost{"timeout"}, At(359)), "nothing");
  EXPECT_EQ(When(state, LaunchLost{"timeout"}, At(360)), "worker.launch_unclear");
  EXPECT_EQ(When(state, LaunchLost{"timeout"}, At(59)), "worker.launch_unclear");  // clock stepped
}
TEST(WorkerDecide, TheLaunchOfALiveWorkerCannotBeLostOrSettledAbsent) {
  EXPECT_EQ(When(LiveWorker(), LaunchLost{"late"}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(LiveWorker(), LaunchSettledAbsent{3, {}}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(LiveWorker(), LaunchRefused{LaunchRejected::AUTH, ""}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(NoWorker(), LaunchLost{"?"}), "NOT_FOUND");
}

TEST(WorkerDecide, AdoptionMakesItLiveAtOnce) {
  eventpb::WorkerAdopted adoption;
  adoption.set_fleet("zeb");
  adoption.set_provider("vast");
  adoption.set_instance("i9");
  const auto decided = Decide(NoWorker(), Adopt{adoption}, {At(0)});
  ASSERT_EQ(Kinds(decided), "worker.adopted");
  State state = NoWorker();
  Given(state, *decided, At(0));
  EXPECT_EQ(PhaseName(state.phase), "Live");
  EXPECT_EQ(state.instance, InstanceId("i9"));
  EXPECT_EQ(When(state, Adopt{adoption}), "nothing");
  EXPECT_EQ(When(LiveWorker(), Adopt{adoption}), "FAILED_PRECONDITION");
  adoption.clear_instance();
  EXPECT_EQ(When(NoWorker(), Adopt{adoption}), "INVALID_ARGUMENT");
}

// ---- the end ----------------------------------------------------------------------------------

TEST(WorkerDecide, CondemnationAsksForTheDestructionInTheSameAppend) {
  const auto decided = Decide(LiveWorker(), Condemn{Verdict()}, {At(1000)});
  ASSERT_EQ(Kinds(decided), "worker.condemned worker.destroy_requested");
  const eventpb::DestroyRequested& destroy = (*decided)[1].destroy_requested();
  EXPECT_EQ(destroy.instance(), "i1");
  EXPECT_EQ(destroy.attempt(), 1);
  EXPECT_EQ(destroy.evidence().rule(), "no-progress");
}
TEST(WorkerDecide, NobodyIsCondemnedTwiceOrWithoutARule) {
  EXPECT_EQ(When(DestroyingWorker(), Condemn{Verdict("over-cost")}), "nothing");
  EXPECT_EQ(When(EndedWorker(), Condemn{Verdict()}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(NoWorker(), Condemn{Verdict()}), "NOT_FOUND");
  EXPECT_EQ(When(LiveWorker(), Condemn{}), "INVALID_ARGUMENT");
  eventpb::WorkerCondemned verdict = Verdict();
  verdict.set_strike_weight(-1);
  EXPECT_EQ(When(LiveWorker(), Condemn{verdict}), "INVALID_ARGUMENT");
}
TEST(WorkerDecide, AVerdictDoesNotStandWhenSomebodyLookedSinceItWasDrawn) {
  State state = LiveWorker();
  Given(state, {Wrap(MakeInstanceObserved(Running()))}, At(20));
  const std::uint64_t judged_to = state.live()->seen.newest();
  EXPECT_EQ(judged_to, state.last_position);
  eventpb::WorkerHealthChanged health;  // what the judge found is written first
  health.set_health(eventpb::WorkerHealthChanged::OFFLINE);
  Given(state, {Wrap(health)}, At(21));
  const Condemn verdict{Verdict("offline"), judged_to};
  EXPECT_EQ(When(state, verdict), "worker.condemned worker.destroy_requested");
  for (const char* what : {"instance", "log"}) {
    State looked_at = state;
    eventpb::ObservationFailed failed;
    failed.set_what(what);
    failed.set_count(2);
    Given(looked_at, {Wrap(failed)}, At(22));
    EXPECT_EQ(When(looked_at, verdict), "FAILED_PRECONDITION") << what;
    EXPECT_EQ(When(looked_at, Condemn{Verdict("down")}),
              "worker.condemned worker.destroy_requested");
  }
  Given(state, {Wrap(LogFacts("producing", 7))}, At(22));
  EXPECT_EQ(When(state, verdict), "FAILED_PRECONDITION");
}
TEST(WorkerDecide, TwoDestroyCallsAreNeverInFlight) {
  State state = DestroyingWorker();
  EXPECT_EQ(When(state, RetryDestroy{}), "FAILED_PRECONDITION");
  const auto answered = Decide(state, DestroyAnswer{DestroyAnswered::THROTTLED, "429"}, {At(1001)});
  ASSERT_EQ(Kinds(answered), "worker.destroy_answered");
  Given(state, *answered, At(1001));
  EXPECT_EQ(When(state, DestroyAnswer{DestroyAnswered::THROTTLED, "429"}), "nothing");
  EXPECT_EQ(When(state, DestroyAnswer{DestroyAnswered::ACCEPTED, ""}), "FAILED_PRECONDITION");
  const auto retried = Decide(state, RetryDestroy{}, {At(1010)});
  ASSERT_EQ(Kinds(retried), "worker.destroy_requested");
  EXPECT_EQ((*retried)[0].destroy_requested().attempt(), 2);
  EXPECT_EQ((*retried)[0].destroy_requested().evidence().rule(), "no-progress");
  EXPECT_THAT((*retried)[0].destroy_requested().evidence().positions(), testing::SizeIs(2));
  Given(state, *retried, At(1010));
  EXPECT_EQ(When(state, RetryDestroy{}), "FAILED_PRECONDITION");
  EXPECT_EQ(std::get<Destroying>(state.phase).requested.at, At(1000));
}
TEST(WorkerDecide, AnAcceptedDestroyIsNotTheEnd) {
  State state = DestroyingWorker();
  Given(state, *Decide(state, DestroyAnswer{DestroyAnswered::ACCEPTED, ""}, {At(1001)}), At(1001));
  EXPECT_EQ(PhaseName(state.phase), "Destroying");
  EXPECT_EQ(When(EndedWorker(), DestroyAnswer{DestroyAnswered::ACCEPTED, ""}), "nothing");
  EXPECT_EQ(When(LiveWorker(), DestroyAnswer{DestroyAnswered::ACCEPTED, ""}),
            "FAILED_PRECONDITION");
  EXPECT_EQ(When(LiveWorker(), RetryDestroy{}), "FAILED_PRECONDITION");
}

// ---- health and start -------------------------------------------------------------------------

TEST(WorkerDecide, HealthIsWrittenWhenItChanges) {
  eventpb::WorkerHealthChanged change;
  change.set_health(eventpb::WorkerHealthChanged::BOOT);
  EXPECT_EQ(When(LiveWorker(), ReportHealth{change}), "nothing");
  change.set_health(eventpb::WorkerHealthChanged::HEALTHY);
  EXPECT_EQ(When(LiveWorker(), ReportHealth{change}), "worker.health_changed");
  EXPECT_EQ(When(DestroyingWorker(), ReportHealth{change}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(LiveWorker(), ReportHealth{}), "INVALID_ARGUMENT");
}
TEST(WorkerDecide, AStartIsAskedForOnceUntilItIsAnswered) {
  State state = LiveWorker();
  EXPECT_EQ(When(state, StartAnswer{true, ""}), "nothing");
  EXPECT_EQ(When(state, RequestStart{}), "INVALID_ARGUMENT");
  const auto asked = Decide(state, RequestStart{Because("credit-back")}, {At(50)});
  ASSERT_EQ(Kinds(asked), "worker.start_requested");
  Given(state, *asked, At(50));
  EXPECT_EQ(When(state, RequestStart{Because("credit-back")}), "nothing");
  const auto answered = Decide(state, StartAnswer{false, "queued"}, {At(51)});
  ASSERT_EQ(Kinds(answered), "worker.start_answered");
  Given(state, *answered, At(51));
  EXPECT_EQ(When(state, RequestStart{Because("credit-back")}), "worker.start_requested");
  EXPECT_EQ(When(LaunchingWorker(), RequestStart{Because("x")}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(LaunchingWorker(), StartAnswer{true, ""}), "FAILED_PRECONDITION");
}

}  // namespace
}  // namespace muster::worker
