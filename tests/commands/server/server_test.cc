#include "tests/commands/server/given_server.h"
#include "tests/support/pch.h"

namespace muster::server {
namespace {

// ---- ordering ---------------------------------------------------------------------------------

TEST(ServerOrder, ThePlanAndTheIntentAreOneAppend) {
  State state;
  EXPECT_EQ(Then(state, AnOrder()), "server.planned server.order_requested");
  EXPECT_EQ(StateText(state), "ordering");
  EXPECT_TRUE(state.MayCost());
}
TEST(ServerOrder, IsMadeOnceHoweverOftenItIsAskedFor) {
  State state;
  Then(state, AnOrder());
  EXPECT_EQ(When(state, AnOrder()), "FAILED_PRECONDITION");
  Then(state, OrderLost{"timeout"});
  EXPECT_EQ(When(state, AnOrder()), "FAILED_PRECONDITION");
  Then(state, OrderAnswered{OrderId("B1")});
  EXPECT_EQ(When(state, AnOrder()), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, SettleOrder{"no"}), "FAILED_PRECONDITION");  // it is bought
}
TEST(ServerOrder, NeedsItsOwnKeyAPlanAndAHostKey) {
  Order order = AnOrder();
  order.requested.clear_key_md5();
  EXPECT_EQ(When({}, order), "INVALID_ARGUMENT");
  order = AnOrder();
  order.requested.clear_plan_id();
  EXPECT_EQ(When({}, order), "INVALID_ARGUMENT");
  order = AnOrder();
  order.requested.clear_evidence();
  EXPECT_EQ(When({}, order), "INVALID_ARGUMENT");
  order = AnOrder();
  order.planned.clear_host_public_key();
  EXPECT_EQ(When({}, order), "INVALID_ARGUMENT");
  order = AnOrder();
  order.requested.set_key_md5("other");
  EXPECT_EQ(When({}, order), "INVALID_ARGUMENT");
}
TEST(ServerOrder, AnUnclearOneStaysUnclearUntilCompleteListsSettleIt) {
  State state;
  Then(state, AnOrder());
  EXPECT_EQ(Then(state, OrderLost{"the connection broke"}), "server.order_unclear");
  EXPECT_EQ(Then(state, OrderLost{"again"}), "nothing");
  EXPECT_EQ(When(state, OrderRefused{eventpb::ServerOrderRefused::OFFER_GONE, ""}),
            "FAILED_PRECONDITION");  // it may have been sent
  EXPECT_EQ(When(state, OrderSettledAbsent{0, absl::Minutes(10), true}), "INVALID_ARGUMENT");
  EXPECT_TRUE(state.MayCost());
  EXPECT_EQ(Then(state, OrderSettledAbsent{40, absl::Minutes(10), true}), "server.order_not_found");
  EXPECT_FALSE(state.MayCost());
  EXPECT_EQ(Then(state, SettleOrder{"ordered anew"}), "server.ended");
}
TEST(ServerOrder, AbsentAndNoLongerOnSaleIsForAPersonAndMayCost) {
  State state;
  Then(state, AnOrder());
  Then(state, OrderLost{"500"});
  Then(state, OrderSettledAbsent{40, absl::Minutes(10), false});
  EXPECT_EQ(StateText(state), "order in doubt");
  EXPECT_TRUE(NeedsOperator(state));
  EXPECT_TRUE(state.MayCost());
  // One that turns up late is ours all the same.
  EXPECT_EQ(When(state, OrderAnswered{OrderId("B1"), eventpb::ServerOrderAccepted::LOOKUP}),
            "server.order_accepted");
  EXPECT_EQ(Then(state, SettleOrder{"nothing was bought"}), "server.ended");
  EXPECT_FALSE(state.MayCost());
}
TEST(ServerOrder, ARefusedOneCostsNothingAndIsSettled) {
  State state;
  Then(state, AnOrder());
  EXPECT_EQ(Then(state, OrderRefused{eventpb::ServerOrderRefused::PRICE_ROSE, "149 > 148"}),
            "server.order_refused");
  EXPECT_FALSE(state.MayCost());
  EXPECT_EQ(Then(state, SettleOrder{"ordered anew"}), "server.ended");
}
TEST(ServerOrder, TheProviderMayGiveAnAcceptedOneUp) {
  State state = Ordered();
  EXPECT_EQ(Then(state, OrderRefused{eventpb::ServerOrderRefused::CANCELLED, ""}),
            "server.order_refused");
  EXPECT_FALSE(state.MayCost());
}
TEST(ServerOrder, ALateDeliveryIsSaidOncePerStage) {
  State state = Ordered();
  Overdue warn;
  warn.overdue.set_what("delivery");
  EXPECT_EQ(Then(state, warn), "server.overdue");
  EXPECT_EQ(Then(state, warn), "nothing");
  warn.overdue.set_needs_operator(true);
  EXPECT_EQ(Then(state, warn), "server.overdue");
  EXPECT_TRUE(NeedsOperator(state));
  Then(state, ADelivery());
  EXPECT_FALSE(NeedsOperator(state));
}

// ---- steps ------------------------------------------------------------------------------------

TEST(ServerSteps, OneIsTheWayIntoService) {
  State state = Delivered();
  EXPECT_EQ(NextStep(state), eventpb::INSPECT);  // it is delivered in rescue, with its keys
  Step_(state, AStep(eventpb::INSPECT), Inspected());
  EXPECT_EQ(NextStep(state), eventpb::PREPARE);
  Step_(state, APrepare({ADisk()}));
  EXPECT_EQ(StateText(state), "root prepared");
  EXPECT_EQ(NextStep(state), eventpb::BOOT);
  Step_(state, AStep(eventpb::BOOT));
  EXPECT_EQ(NextStep(state), eventpb::REGISTER);
  StepDone registered;
  registered.done.set_machine_line("line");
  Step_(state, AStep(eventpb::REGISTER), registered);
  EXPECT_EQ(NextStep(state), eventpb::VALIDATE);
  EXPECT_FALSE(state.InService());
  Step_(state, AStep(eventpb::VALIDATE));
  EXPECT_TRUE(state.InService());
  EXPECT_EQ(NextStep(state), eventpb::SERVER_STEP_UNSPECIFIED);
}
TEST(ServerSteps, WithoutPublishedKeysTheFirstIsTheRescueSystem) {
  EXPECT_EQ(NextStep(Delivered(/*with_keys=*/false)), eventpb::RESCUE);
  EXPECT_EQ(When(Delivered(false), AStep(eventpb::INSPECT)), "FAILED_PRECONDITION");
}
TEST(ServerSteps, OneAtATime) {
  State state = Delivered();
  Then(state, AStep(eventpb::INSPECT, "p1"));
  EXPECT_EQ(When(state, AStep(eventpb::INSPECT, "p1")), "nothing");  // asked for again
  EXPECT_EQ(When(state, AStep(eventpb::INSPECT, "p2")), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, AStep(eventpb::RESCUE)), "FAILED_PRECONDITION");
  EXPECT_EQ(NextStep(state), eventpb::SERVER_STEP_UNSPECIFIED);
}
TEST(ServerSteps, NothingIsDestroyedThatWasNotSeenOrNotConfirmed) {
  State state = Delivered();
  EXPECT_EQ(When(state, APrepare({ADisk()})), "FAILED_PRECONDITION");  // before the inspection
  Step_(state, AStep(eventpb::INSPECT), Inspected());
  EXPECT_EQ(When(state, APrepare({ADisk()}, "builder-02")), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, APrepare({ADisk()}, "")), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, APrepare({})), "INVALID_ARGUMENT");
  EXPECT_EQ(When(state, APrepare({ADisk("wwn-9")})), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, APrepare({ADisk("")})), "FAILED_PRECONDITION");
  eventpb::DiskSeen smaller = ADisk();
  smaller.set_bytes(1);
  EXPECT_EQ(When(state, APrepare({smaller})), "FAILED_PRECONDITION");
  // The name under /dev may be another one by now; the identity counts.
  EXPECT_EQ(When(state, APrepare({ADisk("wwn-1", "/dev/sdb")})), "server.step_requested");
}
TEST(ServerSteps, AResetAndABuildRestOnTheStepThatTheyAreFor) {
  State state = Delivered();
  EXPECT_EQ(When(state, RequestReset{}), "FAILED_PRECONDITION");
  Then(state, AStep(eventpb::RESCUE));
  const auto reset = Decide(state, RequestReset{}, {At(0)});
  ASSERT_TRUE(reset.ok());
  const auto& evidence = (*reset)[0].server_reset_requested().evidence();
  EXPECT_EQ(evidence.rule(), "step");
  EXPECT_THAT(evidence.positions(),
              testing::ElementsAre(state.At(eventpb::RESCUE).requested.position));
  RequestBuild build;
  build.build.set_build("k7f2q");
  EXPECT_EQ(When(state, build), "FAILED_PRECONDITION") << "no step that builds is under way";
}
TEST(ServerSteps, ABuildIsAskedForUnderAnIdOfItsOwn) {
  State state = Delivered();
  Step_(state, AStep(eventpb::INSPECT), Inspected());
  Step_(state, APrepare({ADisk()}));
  Step_(state, AStep(eventpb::BOOT));
  StepDone registered;
  registered.done.set_machine_line("line");
  Step_(state, AStep(eventpb::REGISTER), registered);
  Then(state, AStep(eventpb::VALIDATE));
  RequestBuild build;
  EXPECT_EQ(When(state, build), "INVALID_ARGUMENT");
  build.build.set_build("k7f2q");
  const auto asked = Decide(state, build, {At(0)});
  ASSERT_TRUE(asked.ok());
  const eventpb::ServerBuildRequested& event = (*asked)[0].server_build_requested();
  EXPECT_EQ(event.step(), eventpb::VALIDATE);
  EXPECT_EQ(event.attempt(), 1);
  EXPECT_THAT(event.evidence().positions(),
              testing::ElementsAre(state.At(eventpb::REGISTER).done.position,
                                   state.At(eventpb::VALIDATE).requested.position));
  EXPECT_EQ(Then(state, build), "server.build_requested");
  EXPECT_EQ(state.last_build, "k7f2q");
  // Taken up after a crash it is another one.
  build.build.set_build("m3xab");
  EXPECT_EQ(Then(state, build), "server.build_requested");
  EXPECT_EQ(state.last_build, "m3xab");
}
TEST(ServerSteps, ANewRescueSystemForgetsTheInspectionAndTheInstallation) {
  State state = Delivered();
  Step_(state, AStep(eventpb::INSPECT), Inspected());
  Step_(state, APrepare({ADisk()}));
  RequestStep rescue = AStep(eventpb::RESCUE);
  rescue.host_keys_before = {"qz0a"};
  Then(state, rescue);
  Then(state, RequestReset{});
  StepDone up;
  up.done.add_host_keys()->set_sha256("new");
  Then(state, up);
  EXPECT_EQ(When(state, APrepare({ADisk()})), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, AStep(eventpb::BOOT)), "FAILED_PRECONDITION");
  EXPECT_EQ(NextStep(state), eventpb::INSPECT);
}
TEST(ServerSteps, ABuilderThatIsResetServesNobodyUntilItHasBuiltAgain) {
  State state = ServingServer();
  Then(state, AStep(eventpb::RESCUE, "p2"));
  EXPECT_TRUE(state.Registered());  // nothing has happened to it yet
  Then(state, StepFailed{"no answer", true, ""});
  EXPECT_TRUE(state.InService());
  Then(state, AStep(eventpb::RESCUE, "p3"));
  Then(state, RequestReset{});
  EXPECT_FALSE(state.Registered());
  StepDone up;
  up.done.add_host_keys()->set_sha256("new");
  Then(state, up);
  Step_(state, AStep(eventpb::INSPECT, "p4"), Inspected());
  Step_(state, APrepare({ADisk("wwn-1")}));
  Step_(state, AStep(eventpb::BOOT, "p5"));
  EXPECT_TRUE(state.Registered());
  EXPECT_FALSE(state.InService());
  EXPECT_EQ(NextStep(state), eventpb::VALIDATE);
}
TEST(ServerSteps, WhatComesNextIsNeverRefused) {
  State state = Delivered();
  Step_(state, AStep(eventpb::INSPECT), Inspected());
  Step_(state, APrepare({ADisk()}));
  Then(state, AStep(eventpb::RESCUE));
  Then(state, RequestReset{});
  StepDone up;
  up.done.add_host_keys()->set_sha256("new");
  Then(state, up);
  Step_(state, AStep(eventpb::INSPECT, "p2"), Inspected());
  // One more that failed before anything was reset.
  Then(state, AStep(eventpb::RESCUE, "p3"));
  Then(state, StepFailed{"500", true, ""});
  EXPECT_EQ(NextStep(state), eventpb::PREPARE);
  EXPECT_EQ(When(state, APrepare({ADisk()})), "server.step_requested");
}
TEST(ServerSteps, ARescueSystemWithoutAPinnedKeyIsNone) {
  State state = Delivered(false);
  Then(state, AStep(eventpb::RESCUE));
  EXPECT_EQ(When(state, Done()), "INVALID_ARGUMENT");
}
TEST(ServerSteps, AFailedOneNamesWhatIsNextAndMayBeAskedForAgain) {
  State state = InstalledServer();
  Then(state, AStep(eventpb::REGISTER));
  EXPECT_EQ(Then(state, StepFailed{"disk full", false, "make room"}), "server.step_failed");
  EXPECT_EQ(StateText(state), "register failed");
  EXPECT_EQ(NextText(state), "make room");
  EXPECT_TRUE(NeedsOperator(state));
  EXPECT_EQ(Then(state, AStep(eventpb::REGISTER, "p2")), "server.step_requested");
  EXPECT_EQ(state.intent.attempt(), 2);
  EXPECT_FALSE(NeedsOperator(state));
}
TEST(ServerSteps, ABootThatFailedLeavesTheSystemUnknown) {
  State state = Delivered();
  Step_(state, AStep(eventpb::INSPECT), Inspected());
  Step_(state, APrepare({ADisk()}));
  Then(state, AStep(eventpb::BOOT));
  EXPECT_EQ(state.system, System::kRescue);  // until it is reset
  Then(state, RequestReset{ResetKind::kSoftware});
  Then(state, StepFailed{"sshd silent for 10m", false, "muster server rescue builder-01"});
  EXPECT_EQ(state.system, System::kUnknown);
  EXPECT_EQ(NextStep(state), eventpb::RESCUE);
}
TEST(ServerSteps, AFailedValidationTakesTheLineOutOfService) {
  State state = InstalledServer();
  StepDone registered;
  registered.done.set_machine_line("line");
  Step_(state, AStep(eventpb::REGISTER), registered);
  EXPECT_TRUE(state.Registered());
  Then(state, AStep(eventpb::VALIDATE));
  Then(state, StepFailed{"no cuda", false, ""});
  EXPECT_FALSE(state.Registered());
  Step_(state, AStep(eventpb::VALIDATE, "p2"));
  EXPECT_TRUE(state.InService());
}
TEST(ServerSteps, ResetsBelongToStepsThatBootAndAreNeverATechnician) {
  State state = Delivered();
  EXPECT_EQ(When(state, RequestReset{}), "FAILED_PRECONDITION");
  Then(state, AStep(eventpb::RESCUE));
  EXPECT_EQ(When(state, RequestReset{ResetKind::kManual}), "INVALID_ARGUMENT");
  EXPECT_EQ(Then(state, RequestReset{ResetKind::kHardware}, At(5)), "server.reset_requested");
  EXPECT_EQ(state.reset.at, At(5));
}
TEST(ServerSteps, AStepNeedsThePlanThatWasAgreedTo) {
  RequestStep bare = AStep(eventpb::INSPECT);
  bare.plan_id.clear();
  EXPECT_EQ(When(Delivered(), bare), "INVALID_ARGUMENT");
  bare = AStep(eventpb::INSPECT);
  bare.evidence.Clear();
  EXPECT_EQ(When(Delivered(), bare), "INVALID_ARGUMENT");
  EXPECT_EQ(When(Ordered(), AStep(eventpb::RESCUE)), "FAILED_PRECONDITION");
}

// ---- giving it back ---------------------------------------------------------------------------

TEST(ServerCancel, NowNeedsTheNameADateDoesNot) {
  State state = ServingServer();
  EXPECT_EQ(When(state, ACancel("now", "")), "FAILED_PRECONDITION");
  EXPECT_EQ(When(state, ACancel("now")), "server.cancel_requested");
  EXPECT_EQ(Then(state, ACancel("2026-12-31", "")), "server.cancel_requested");
  EXPECT_EQ(When(state, ACancel("2026-12-31", "")), "nothing");
  EXPECT_EQ(When(state, ACancel("now")), "FAILED_PRECONDITION");  // while one is under way
  EXPECT_EQ(Then(state, CancelSet{"2026-12-31"}), "server.cancel_set");
  EXPECT_EQ(StateText(state), "in service, cancelled for 2026-12-31");
  EXPECT_EQ(When(state, ACancel("now")), "server.cancel_requested");
}
TEST(ServerCancel, OnlyAFutureDateCanBeRevoked) {
  State state = ServingServer();
  RequestRevoke revoke{Because("operator")};
  EXPECT_EQ(When(state, revoke), "FAILED_PRECONDITION");
  Then(state, ACancel("2026-12-31"));
  Then(state, CancelSet{"2026-12-31"});
  EXPECT_EQ(Then(state, revoke), "server.revoke_requested");
  EXPECT_EQ(Then(state, Revoked{}), "server.revoked");
  EXPECT_EQ(state.cancel_set, "");
  Then(state, ACancel("now"));
  EXPECT_EQ(When(state, revoke), "FAILED_PRECONDITION");
}
TEST(ServerCancel, IsGoneOnlyAfterTwoCompleteListsWithoutIt) {
  State state = ServingServer();
  Then(state, ACancel("now"));
  Then(state, CancelSet{"now"});
  EXPECT_EQ(StateText(state), "being given back");
  EXPECT_EQ(When(state, ConfirmGone{"404"}), "FAILED_PRECONDITION");
  Then(state, Listed(false));
  EXPECT_EQ(When(state, ConfirmGone{"404"}), "FAILED_PRECONDITION");
  Then(state, Listed(true));  // back again: the count begins anew
  Then(state, Listed(false));
  EXPECT_EQ(When(state, ConfirmGone{"404"}), "FAILED_PRECONDITION");
  Then(state, Listed(false));
  const auto ended = Decide(state, ConfirmGone{"2 complete lists"}, {At(3600)});
  ASSERT_EQ(Kinds(ended), "server.ended");
  EXPECT_EQ((*ended)[0].server_ended().how(), eventpb::ServerEnded::GIVEN_BACK);
  Given(state, *ended, At(3600));
  EXPECT_FALSE(state.MayCost());
  EXPECT_EQ(state.machine_line, "");
  EXPECT_EQ(When(state, Listed(true)), "nothing");
}
TEST(ServerCancel, WithoutOursItVanished) {
  State state = ServingServer();
  Then(state, Listed(false));
  Then(state, Listed(false));
  const auto ended = Decide(state, ConfirmGone{"2 complete lists"}, {At(3600)});
  ASSERT_EQ(Kinds(ended), "server.ended");
  EXPECT_EQ((*ended)[0].server_ended().how(), eventpb::ServerEnded::VANISHED);
}
TEST(ServerCancel, NothingIsBegunOnWhatIsGivenBack) {
  State state = InstalledServer();
  Then(state, ACancel("now"));
  EXPECT_EQ(NextStep(state), eventpb::SERVER_STEP_UNSPECIFIED);
  EXPECT_EQ(NextText(state), "");
  EXPECT_EQ(When(state, AStep(eventpb::REGISTER)), "FAILED_PRECONDITION");
}
TEST(ServerCancel, AnOlderFailureIsNobodysConcernAnyMore) {
  State state = InstalledServer();
  Then(state, AStep(eventpb::REGISTER));
  Then(state, StepFailed{"disk full", false, "make room"});
  EXPECT_TRUE(NeedsOperator(state));
  Then(state, ACancel("now"));
  EXPECT_FALSE(NeedsOperator(state));
  EXPECT_EQ(NextText(state), "");
}
TEST(ServerCancel, AFailedOneIsToldAndMayBeAskedForAgain) {
  State state = ServingServer();
  Then(state, ACancel("now"));
  EXPECT_EQ(Then(state, CancelFailed{false, "a transfer is active", "wait"}),
            "server.cancel_failed");
  EXPECT_EQ(Then(state, ACancel("now")), "server.cancel_requested");
}

// ---- money, vitals ----------------------------------------------------------------------------

TEST(ServerMoney, StartedHoursInFullAndNoMonthMoreThanItsPrice) {
  State state = Delivered();  // at At(60)
  EXPECT_EQ(Spent(state, At(60)).micros, 237'200);
  EXPECT_EQ(Spent(state, At(60 + 3600)).micros, 237'200);
  EXPECT_EQ(Spent(state, At(60 + 3601)).micros, 2 * 237'200);
  const std::int64_t month = 148'000'000;
  EXPECT_EQ(ServerCost(month, 237'200, 0, absl::FromUnixSeconds(1'793'491'200),  // 2026-11-01
                       absl::FromUnixSeconds(1'796'083'200)),                    // 2026-12-01
            month);
  EXPECT_EQ(ServerCost(month, 0, 59'000'000, At(0), At(1)), month + 59'000'000);
}
TEST(ServerVitals, AreWrittenWhenSomethingIsNewOrFiveMinutesOld) {
  State state = ServingServer();
  ObserveBuilder fine;
  fine.vitals.set_reached(true);
  EXPECT_EQ(Then(state, fine, At(100)), "server.builder_observed");
  EXPECT_EQ(Then(state, fine, At(399)), "nothing");
  EXPECT_EQ(Then(state, fine, At(400)), "server.builder_observed");
  ObserveBuilder silent;
  EXPECT_EQ(Then(state, silent, At(401)), "server.builder_observed");
  EXPECT_EQ(When(Delivered(), fine), "nothing");  // runs nothing of ours yet
}

TEST(ServerState, EveryStepHasItsName) {
  for (int i = 1; i < kSteps; ++i) {
    const auto step = static_cast<Step>(i);
    EXPECT_EQ(StepFromName(StepName(step)), step);
  }
  EXPECT_EQ(StepFromName(""), std::nullopt);
  EXPECT_EQ(StepFromName("wipe"), std::nullopt);
}

}  // namespace
}  // namespace muster::server
