#include "commands/fleet/commands.h"
#include "eventstore/events/fleet_events.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::fleet {
namespace {

using eventpb::PreflightChecked;

specpb::FleetSpec Spec(int workers = 4) {
  specpb::FleetSpec spec;
  spec.set_name("zeb");
  spec.set_provider("vast");
  spec.set_workers(workers);
  (*spec.mutable_launch()->mutable_env())["HF_TOKEN"] = "env:HF_TOKEN";
  (*spec.mutable_launch()->mutable_env())["A"] = "b";
  return spec;
}
State NoFleet() {
  State state;
  state.name = FleetName("zeb");
  return state;
}
std::string When(const State& state, const Command& command, absl::Time now = At(0)) {
  return Kinds(Decide(state, command, {now}));
}
std::string Then(State& state, const Command& command, absl::Time now = At(0)) {
  const auto decided = Decide(state, command, {now});
  if (decided.ok()) Given(state, *decided, now);
  return Kinds(decided);
}
State Applied() {
  State state = NoFleet();
  Then(state, Apply{Spec()});
  return state;
}
State GoingDown() {
  State state = Applied();
  Then(state, Down{"done"});
  return state;
}

// ---- what operators ask -----------------------------------------------------------------------

TEST(FleetDecide, EachAppliedSpecIsAVersionAndTheSameAgainIsNothing) {
  State state = NoFleet();
  EXPECT_FALSE(state.active());
  EXPECT_EQ(Then(state, Apply{Spec()}), "fleet.applied");
  EXPECT_EQ(state.PolicyVersion(), "zeb@v1");
  EXPECT_EQ(Then(state, Apply{Spec()}), "nothing");
  specpb::FleetSpec other = Spec();
  other.mutable_market()->set_price_max_micro_usd_per_hour(100'000);
  EXPECT_EQ(Then(state, Apply{other}), "fleet.applied");
  EXPECT_EQ(state.PolicyVersion(), "zeb@v2");
  EXPECT_EQ(state.spec_digest, SpecDigest(other));
}
TEST(FleetDecide, ApplyingTheFileAgainUndoesAScaling) {
  State state = Applied();
  Then(state, Scale{8});
  EXPECT_EQ(state.wanted(), 8);
  EXPECT_EQ(Then(state, Apply{Spec()}), "fleet.applied");
  EXPECT_EQ(state.wanted(), 4);
}
TEST(FleetDecide, ASpecThatMakesNoSenseIsRefused) {
  specpb::FleetSpec spec = Spec(-1);
  EXPECT_EQ(When(NoFleet(), Apply{spec}), "INVALID_ARGUMENT");
  spec = Spec();
  spec.set_name("large");
  EXPECT_EQ(When(NoFleet(), Apply{spec}), "INVALID_ARGUMENT");
  spec = Spec();
  spec.clear_provider();
  EXPECT_EQ(When(NoFleet(), Apply{spec}), "INVALID_ARGUMENT");
}
TEST(FleetDecide, ARunningFleetDoesNotMoveToAnotherProvider) {
  specpb::FleetSpec elsewhere = Spec();
  elsewhere.set_provider("ec2");
  EXPECT_EQ(When(Applied(), Apply{elsewhere}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(GoingDown(), Apply{elsewhere}), "FAILED_PRECONDITION");
  State state = GoingDown();
  Then(state, End{});
  EXPECT_EQ(When(state, Apply{elsewhere}), "fleet.applied");
}
TEST(FleetDecide, ScalingSaysFromWhatToWhat) {
  State state = Applied();
  const auto decided = Decide(state, Scale{0}, {At(0)});
  ASSERT_EQ(Kinds(decided), "fleet.scaled");
  EXPECT_EQ((*decided)[0].fleet_scaled().workers_before(), 4);
  EXPECT_EQ(When(state, Scale{4}), "nothing");
  EXPECT_EQ(When(state, Scale{-1}), "INVALID_ARGUMENT");
  EXPECT_EQ(When(NoFleet(), Scale{4}), "NOT_FOUND");
  EXPECT_EQ(When(GoingDown(), Scale{4}), "FAILED_PRECONDITION");
}
TEST(FleetDecide, DownWantsNoneUntilItIsAppliedAgain) {
  State state = GoingDown();
  EXPECT_EQ(state.wanted(), 0);
  EXPECT_EQ(When(state, Down{"again"}), "nothing");
  EXPECT_EQ(When(NoFleet(), Down{""}), "NOT_FOUND");
  EXPECT_EQ(Then(state, Apply{Spec()}), "fleet.applied");
  EXPECT_EQ(state.wanted(), 4);
}
TEST(FleetDecide, OnlyAFleetThatGoesDownEnds) {
  EXPECT_EQ(When(NoFleet(), End{}), "NOT_FOUND");
  EXPECT_EQ(When(Applied(), End{}), "FAILED_PRECONDITION");
  State state = GoingDown();
  EXPECT_EQ(Then(state, End{}), "fleet.ended");
  EXPECT_EQ(Then(state, End{}), "nothing");
}

// ---- what the policy says ---------------------------------------------------------------------

TEST(FleetDecide, WaitsAreWrittenWhenTheyChangeTheirNumbersOnceAMinute) {
  State state = Applied();
  const auto wait = [](std::string detail) {
    return ChangeWaits{{MakeWait(eventpb::Wait::OFFERS, detail, "provider")}};
  };
  EXPECT_EQ(Then(state, ChangeWaits{}), "nothing");
  EXPECT_EQ(Then(state, wait("0 of 12"), At(0)), "fleet.wait_changed");
  EXPECT_EQ(Then(state, wait("0 of 12"), At(90)), "nothing");
  EXPECT_EQ(When(state, wait("0 of 13"), At(59)), "nothing");
  EXPECT_EQ(When(state, wait("0 of 13"), At(60)), "fleet.wait_changed");
  EXPECT_EQ(When(state, wait("0 of 13"), At(-1)), "fleet.wait_changed");
  EXPECT_EQ(When(state, ChangeWaits{}, At(1)), "fleet.wait_changed");
  EXPECT_EQ(When(NoFleet(), ChangeWaits{}), "NOT_FOUND");
}
TEST(FleetDecide, ADeadlineThatHasPassedIsWrittenAnewAtOnce) {
  State state = Applied();
  const auto until = [](int second) {
    return ChangeWaits{{MakeWait(eventpb::Wait::THROTTLE, "refused", "provider", At(second))}};
  };
  EXPECT_EQ(Then(state, until(10), At(0)), "fleet.wait_changed");
  EXPECT_EQ(When(state, until(20), At(9)), "nothing");
  EXPECT_EQ(When(state, until(20), At(10)), "fleet.wait_changed");
  EXPECT_EQ(When(state, until(10), At(11)), "nothing");
}
TEST(FleetDecide, APreflightIsOfOneVersionAndRepeatsAreWrittenWhileItDoesNotPass) {
  State state = Applied();
  PreflightChecked check;
  check.set_fleet_version(1);
  check.set_name("weights");
  check.set_result(PreflightChecked::MISSING);
  EXPECT_EQ(Then(state, RecordPreflight{check}, At(0)), "fleet.preflight_checked");
  EXPECT_EQ(When(state, RecordPreflight{check}, At(59)), "nothing");
  EXPECT_EQ(When(state, RecordPreflight{check}, At(60)), "fleet.preflight_checked");
  check.set_result(PreflightChecked::PASSED);
  EXPECT_EQ(Then(state, RecordPreflight{check}, At(61)), "fleet.preflight_checked");
  EXPECT_EQ(Then(state, RecordPreflight{check}, At(9999)), "nothing");
  check.set_fleet_version(2);
  EXPECT_EQ(When(state, RecordPreflight{check}), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, RecordPreflight{}), "INVALID_ARGUMENT");
  EXPECT_EQ(When(NoFleet(), RecordPreflight{check}), "NOT_FOUND");
  Then(state, Apply{Spec(5)});
  EXPECT_TRUE(state.preflight.empty());
}
TEST(FleetDecide, StrikesAreSuspendedAndResumedOnce) {
  State state = Applied();
  eventpb::StrikesSuspended suspension;
  suspension.set_cause("setup");
  EXPECT_EQ(When(state, SuspendStrikes{suspension}), "INVALID_ARGUMENT");
  *suspension.mutable_evidence() = Because("common-cause");
  EXPECT_EQ(When(state, ResumeStrikes{}), "nothing");
  EXPECT_EQ(Then(state, SuspendStrikes{suspension}), "fleet.strikes_suspended");
  EXPECT_EQ(Then(state, SuspendStrikes{suspension}), "nothing");
  EXPECT_EQ(state.suspended_cause, "setup");
  EXPECT_EQ(Then(state, ResumeStrikes{}), "fleet.strikes_resumed");
  EXPECT_FALSE(state.strikes_suspended);
  EXPECT_EQ(When(NoFleet(), SuspendStrikes{suspension}), "NOT_FOUND");
  EXPECT_EQ(When(NoFleet(), ResumeStrikes{}), "NOT_FOUND");
}
TEST(FleetDecide, TheRollUpAndTheIntervalAreWrittenWhenTheyChange) {
  State state = Applied();
  EXPECT_EQ(Then(state, ReportHealth{4, 3, 2}), "fleet.health_changed");
  EXPECT_EQ(Then(state, ReportHealth{4, 3, 2}), "nothing");
  EXPECT_EQ(Then(state, ReportHealth{4, 3, 3}), "fleet.health_changed");
  eventpb::QuotaIntervalChanged change;
  EXPECT_EQ(When(state, ChangeQuotaInterval{change}), "INVALID_ARGUMENT");
  change.set_interval_s(288);
  EXPECT_EQ(Then(state, ChangeQuotaInterval{change}), "fleet.quota_interval_changed");
  EXPECT_EQ(Then(state, ChangeQuotaInterval{change}), "nothing");
  EXPECT_EQ(state.upload_interval_s, 288);
  EXPECT_EQ(When(NoFleet(), ReportHealth{1, 1, 1}), "NOT_FOUND");
  EXPECT_EQ(When(NoFleet(), ChangeQuotaInterval{change}), "NOT_FOUND");
}

}  // namespace
}  // namespace muster::fleet
