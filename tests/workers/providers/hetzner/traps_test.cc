// Every wire trap of the provider, as the adapter meets it, against the simulator.
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/providers/hetzner/rig.h"

namespace muster {
namespace {

using hetznersim::Trap;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class HetznerTraps : public testing::Test, public HetznerRig {
 protected:
  int Sent(std::string_view endpoint) const {
    int sent = 0;
    for (const hetznersim::JournalEntry& call : sim.Journal()) sent += call.endpoint == endpoint;
    return sent;
  }
  Status Rescue(const ServerNumber& number) {
    return rt.Run(provider->ActivateRescue(number, kKeyMd5, Soon()));
  }
  StatusOr<RescueSetting> Setting(const ServerNumber& number) {
    return rt.Run(provider->GetRescue(number, Soon()));
  }
  StatusOr<RescueBoot> Last(const ServerNumber& number) {
    return rt.Run(provider->LastRescue(number, Soon()));
  }
  Status Press(const ServerNumber& number, ResetKind kind = ResetKind::kHardware) {
    return rt.Run(provider->Reset(number, kind, Soon()));
  }
  Status CancelNow(const ServerNumber& number) {
    return rt.Run(provider->CancelServer(number, "now", "", Soon()));
  }
  StatusOr<Cancellation> Cancelled(const ServerNumber& number) {
    return rt.Run(provider->GetCancellation(number, Soon()));
  }
};

// ---- 1, 2, 3: shapes --------------------------------------------------------------------------

TEST_F(HetznerTraps, FieldsChangeBetweenListAndTextWithTheState) {
  const ServerNumber number = Delivered();
  ASSERT_THAT(Setting(number), IsOk());
  EXPECT_FALSE(Setting(number)->active);
  ASSERT_THAT(Rescue(number), IsOk());
  ASSERT_THAT(Setting(number), IsOk());
  EXPECT_TRUE(Setting(number)->active);
  EXPECT_THAT(Setting(number)->key_fingerprints, testing::ElementsAre(kKeyMd5));
  ASSERT_THAT(Cancelled(number), IsOk());
  EXPECT_EQ(Cancelled(number)->reason, "");
  ASSERT_THAT(rt.Run(provider->CancelServer(number, "2026-12-31", "too hot", Soon())), IsOk());
  ASSERT_THAT(Cancelled(number), IsOk());
  EXPECT_EQ(Cancelled(number)->reason, "too hot");
  EXPECT_EQ(Cancelled(number)->date, "2026-12-31");
  EXPECT_TRUE(Cancelled(number)->cancelled);
}

TEST_F(HetznerTraps, WhatMayBeNullIsReadAsAbsent) {
  const ServerNumber number = Delivered(/*ipv4=*/true);
  Set(Trap::kNullFields);
  const auto servers = Servers();
  ASSERT_THAT(servers, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ((*servers)[0].ipv4, "");
  ASSERT_THAT(rt.Run(provider->ListOrders(Soon())), IsOkAndHolds(SizeIs(1)));
  EXPECT_THAT(rt.Run(provider->ListOrders(Soon()))->at(0).host_keys, IsEmpty());
  const auto offers = Search();
  ASSERT_THAT(offers, IsOk());
  EXPECT_EQ(offers->at(0).location, "");
  EXPECT_THAT(Rescue(number), IsOk());
}

TEST_F(HetznerTraps, AServerWithoutTheAddOnHasNoIpv4) {
  const ServerNumber number = Delivered(/*ipv4=*/false);
  const auto server = rt.Run(provider->GetServer(number, Soon()));
  ASSERT_THAT(server, IsOk());
  ASSERT_TRUE(server->has_value());
  EXPECT_EQ((*server)->ipv4, "");
  EXPECT_THAT((*server)->ipv6_net, HasSubstr("2001:db8:"));
  EXPECT_EQ((*server)->product, "Server Auction");
  EXPECT_EQ((*server)->name, "");
}

TEST_F(HetznerTraps, IdsAreNumbersInOneChannelAndTextInTheOther) {
  ASSERT_THAT(Search(), IsOk());
  EXPECT_EQ(Search()->front().id, OfferId("3100001"));
  const auto standard = Search(ServerChannel::kStandard);
  ASSERT_THAT(standard, IsOk());
  EXPECT_EQ(standard->front().id, OfferId("EX44@FSN1"));
}

TEST_F(HetznerTraps, PricesAreDecimalTextAndMayLackTheHour) {
  Set(Trap::kNotHourly);
  const auto offers = Search();
  ASSERT_THAT(offers, IsOk());
  for (const ServerOffer& offer : *offers) EXPECT_FALSE(offer.price.hour.has_value());
  sim.ClearFaults();
  EXPECT_EQ(Search()->front().price.month.micros, sim.Products().front().month_micros);
}

TEST_F(HetznerTraps, AStatusNobodyKnowsIsKeptAsItIs) {
  const ServerNumber number = Delivered();
  Set(Trap::kStrangeStatus);
  const auto orders = rt.Run(provider->ListOrders(Soon()));
  ASSERT_THAT(orders, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ(orders->front().state, ServerOrder::State::kOther);
  EXPECT_EQ(orders->front().state_raw, "in clarification");
  const auto servers = Servers();
  ASSERT_THAT(servers, IsOkAndHolds(SizeIs(1)));
  EXPECT_FALSE(servers->front().ready);
  EXPECT_EQ(servers->front().state_raw, "in progress");
}

TEST_F(HetznerTraps, StrangersAndEscapesDoNotDisturb) {
  Delivered();
  for (const Trap trap : {Trap::kUnknownKeys, Trap::kRawUtf8, Trap::kWrongContentType}) {
    Set(trap);
    EXPECT_THAT(Servers(), IsOkAndHolds(SizeIs(1))) << TrapName(trap);
    EXPECT_THAT(Search(), IsOkAndHolds(SizeIs(39))) << TrapName(trap);
    EXPECT_THAT(rt.Run(provider->ListOrders(Soon())), IsOkAndHolds(SizeIs(1))) << TrapName(trap);
  }
}

// ---- 6: two kinds of fingerprints -------------------------------------------------------------

TEST_F(HetznerTraps, HostKeysAreTakenBySha256Alone) {
  ASSERT_THAT(Store(), IsOk());
  const auto order = Order();
  ASSERT_THAT(order, IsOk());
  EXPECT_THAT(order->key_fingerprints, testing::ElementsAre(kKeyMd5));
  Wait(absl::Minutes(10));
  const auto Host = [&] {
    const auto now = rt.Run(provider->GetOrder(ServerChannel::kAuction, order->id, Soon()));
    return now.ok() && now->has_value() ? (*now)->host_keys : std::vector<HostKeyFingerprint>();
  };
  EXPECT_EQ(Host(), sim.Servers().at(0).host_keys);
  EXPECT_THAT(Host(), SizeIs(3));
  Set(Trap::kHostKeysMd5);
  EXPECT_THAT(Host(), IsEmpty());
  Set(Trap::kHostKeysMissing);
  EXPECT_THAT(Host(), IsEmpty());
}

// ---- 8: statuses that mean something else -----------------------------------------------------

TEST_F(HetznerTraps, ARefusalFor403IsAQuotaInBothSpellings) {
  for (const Trap trap : {Trap::kQuota, Trap::kQuotaPlural}) {
    Set(trap, /*times=*/1);
    const auto servers = Servers();
    EXPECT_EQ(TroubleOf(servers.status()), Trouble::kThrottled) << TrapName(trap);
    EXPECT_EQ(RetryAfter(servers.status()), absl::Seconds(5));
    EXPECT_THAT(Servers(), IsOk());
  }
}

TEST_F(HetznerTraps, TheWaitAfterAQuotaDoublesUpToItsWindow) {
  Set(Trap::kQuota, /*times=*/4, /*value=*/20);
  for (const int seconds : {5, 10, 20, 20}) {
    EXPECT_EQ(RetryAfter(Servers().status()), absl::Seconds(seconds));
  }
  const absl::Time refused = rt.Now();
  EXPECT_THAT(Servers(), IsOk());
  EXPECT_GE(rt.Now() - refused, absl::Seconds(15));
}

TEST_F(HetznerTraps, AnEmptyListIsA404AndNoError) {
  EXPECT_THAT(Servers(), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(rt.Run(provider->ListOrders(Soon())), IsOkAndHolds(IsEmpty()));
  Set(Trap::kEmptyListIsArray);
  EXPECT_THAT(Servers(), IsOkAndHolds(IsEmpty()));
  Set(Trap::kMarketEmpty);
  EXPECT_THAT(Search(), IsOkAndHolds(IsEmpty()));
}

TEST_F(HetznerTraps, APageOfSomebodyElseNeverMeansThatAThingIsGone) {
  const ServerNumber number = Delivered();
  Set(Trap::kProxyPage);
  EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kUnavailable);
  const auto server = rt.Run(provider->GetServer(number, Soon()));
  EXPECT_EQ(TroubleOf(server.status()), Trouble::kUnavailable);
  EXPECT_EQ(TroubleOf(CancelNow(number)), Trouble::kMalformed);
  EXPECT_EQ(TroubleOf(Order().status()), Trouble::kMalformed);
}

TEST_F(HetznerTraps, ACodeNobodyKnowsIsKeptWordForWord) {
  Set(Trap::kUnknownCode);
  const Status status = Servers().status();
  EXPECT_EQ(TroubleOf(status), Trouble::kRejected);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("SOMETHING_ELSE: a new kind of no"));
  Set(Trap::kUnknownCode, -1, 599);
  EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kUnavailable);
}

TEST_F(HetznerTraps, AListWithAHoleIsNoList) {
  Delivered();
  Set(Trap::kListGarblesRow);
  EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kMalformed);
  EXPECT_EQ(TroubleOf(rt.Run(provider->ListOrders(Soon())).status()), Trouble::kMalformed);
  EXPECT_THAT(Search(), IsOkAndHolds(SizeIs(38)));  // of offers, one less does no harm
}

TEST_F(HetznerTraps, OddAnswersAreUnknownForEveryRead) {
  const ServerNumber number = Delivered();
  for (const Trap trap : {Trap::kEmptyBody, Trap::kTrailingGarbage, Trap::kTruncatedJson}) {
    Set(trap);
    for (const Status& status :
         {Servers().status(), Search().status(), Setting(number).status(),
          Cancelled(number).status(), rt.Run(provider->ListOrders(Soon())).status(),
          rt.Run(provider->ResetKinds(number, Soon())).status()}) {
      EXPECT_EQ(TroubleOf(status), Trouble::kMalformed) << TrapName(trap) << status.ToString();
    }
  }
}

TEST_F(HetznerTraps, MaintenanceAndRedirectsAreNoAnswers) {
  Set(Trap::kMaintenance);
  EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kUnavailable);
  Set(Trap::kServerErrorBefore);
  EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kUnavailable);
  EXPECT_EQ(TroubleOf(Order().status()), Trouble::kUnclear);
  Set(Trap::kRedirect);
  EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kRejected);
}

// ---- the login --------------------------------------------------------------------------------

TEST_F(HetznerTraps, ARefusedLoginIsNotTriedAgainUntilItChanges) {
  secrets.Set("env:ROBOT", "wrong_password");
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kAuth);
    EXPECT_EQ(TroubleOf(Search().status()), Trouble::kAuth);
    Wait(absl::Minutes(20));
  }
  EXPECT_EQ(sim.BadLogins(), 1);
  secrets.Set("env:ROBOT", "planted_password");
  EXPECT_THAT(Servers(), IsOk());
}

TEST_F(HetznerTraps, ManyCallsAtOnceWithAWrongPasswordAreOneRefusedLogin) {
  secrets.Set("env:ROBOT", "wrong_password");
  std::vector<StatusOr<std::vector<Server>>> answers;
  for (int i = 0; i < 8; ++i) {
    rt.Spawn("list", [](HetznerTraps& test, auto& out) -> Task<void> {
      StatusOr<std::vector<Server>> servers = co_await test.provider->ListServers(test.Soon());
      out.push_back(std::move(servers));
    }(*this, answers));
  }
  Wait(absl::Minutes(2));
  ASSERT_THAT(answers, SizeIs(8));
  for (const auto& answer : answers) EXPECT_EQ(TroubleOf(answer.status()), Trouble::kAuth);
  EXPECT_EQ(sim.BadLogins(), 1);
}

TEST_F(HetznerTraps, WhoWaitedForTheFirstLoginInAnOutageSeesAnOutage) {
  Set(Trap::kHangBefore);
  std::vector<StatusOr<std::vector<Server>>> answers;
  for (int i = 0; i < 3; ++i) {
    rt.Spawn("list", [](HetznerTraps& test, auto& out) -> Task<void> {
      StatusOr<std::vector<Server>> servers = co_await test.provider->ListServers(test.Soon());
      out.push_back(std::move(servers));
    }(*this, answers));
  }
  Wait(absl::Minutes(5));
  ASSERT_THAT(answers, SizeIs(3));
  for (const auto& answer : answers) EXPECT_EQ(TroubleOf(answer.status()), Trouble::kUnavailable);
  EXPECT_EQ(Sent("GET server"), 1);
}

TEST_F(HetznerTraps, A401OnOrdersAloneIsAMissingRight) {
  for (const bool by_trap : {true, false}) {
    sim.ClearFaults();
    if (by_trap) Set(Trap::kOrderRightMissing);
    if (!by_trap) sim.SetOrderRight(false);
    EXPECT_EQ(TroubleOf(Search().status()), Trouble::kForbidden);
    EXPECT_EQ(TroubleOf(Order().status()), Trouble::kForbidden);
    EXPECT_THAT(Servers(), IsOk());
  }
  EXPECT_EQ(sim.BadLogins(), 0);
}

TEST_F(HetznerTraps, AWrongPasswordFirstMetOnAnOrderCallIsFoundOutWithTwoTries) {
  secrets.Set("env:ROBOT", "wrong_password");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(TroubleOf(Search().status()), Trouble::kAuth);
  EXPECT_EQ(sim.BadLogins(), 2);
}

TEST_F(HetznerTraps, BothShapesOfA401AreARefusedLogin) {
  for (const Trap trap : {Trap::kUnauthorized, Trap::kUnauthorizedEmpty}) {
    Set(trap);
    EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kAuth) << TrapName(trap);
    sim.SetLogin("#ws+planted", Cat("next_password_", TrapName(trap)));
    secrets.Set("env:ROBOT", Cat("next_password_", TrapName(trap)));
  }
  sim.ClearFaults();
  EXPECT_THAT(Servers(), IsOk());
}

// ---- 9: an answer is no proof -----------------------------------------------------------------

TEST_F(HetznerTraps, AnActivationIsKnownByReadingOnly) {
  const ServerNumber number = Delivered();
  Set(Trap::kRescueIgnored);
  EXPECT_THAT(Rescue(number), IsOk());
  EXPECT_FALSE(Setting(number)->active);
  Set(Trap::kRescueOtherKey);
  EXPECT_THAT(Rescue(number), IsOk());
  EXPECT_TRUE(Setting(number)->active);
  EXPECT_THAT(Setting(number)->key_fingerprints, Not(testing::Contains(kKeyMd5)));
  Set(Trap::kRescueFails);
  EXPECT_EQ(TroubleOf(Rescue(number)), Trouble::kUnclear);
}

TEST_F(HetznerTraps, ARescueBootIsKnownByItsFreshKeys) {
  const ServerNumber number = Delivered();
  EXPECT_THAT(Last(number)->host_keys, IsEmpty());  // delivered in one that nobody activated
  const auto delivered = sim.Servers().at(0).host_keys;
  ASSERT_THAT(Rescue(number), IsOk());
  ASSERT_THAT(Press(number), IsOk());
  EXPECT_THAT(Last(number)->host_keys, IsEmpty());
  Wait(absl::Seconds(90));
  EXPECT_THAT(Last(number)->host_keys, SizeIs(3));
  EXPECT_NE(Last(number)->host_keys, delivered);
  EXPECT_THAT(Last(number)->booted_raw, Not(IsEmpty()));
  EXPECT_FALSE(Setting(number)->active);  // used up
}

TEST_F(HetznerTraps, BootsGoWrongWithoutAWord) {
  const ServerNumber number = Delivered();
  ASSERT_THAT(Rescue(number), IsOk());
  Set(Trap::kResetIgnored, 1);
  ASSERT_THAT(Press(number), IsOk());
  EXPECT_EQ(sim.Servers().at(0).boots, 1);
  Set(Trap::kBootsDisk, 1);
  ASSERT_THAT(Press(number), IsOk());
  Wait(absl::Minutes(2));
  EXPECT_THAT(Last(number)->host_keys, IsEmpty());
  EXPECT_EQ(sim.Servers().at(0).power, hetznersim::Power::kInstalled);
  Set(Trap::kBootHangs, 1);
  ASSERT_THAT(Press(number), IsOk());
  Wait(absl::Minutes(20));
  EXPECT_EQ(sim.Servers().at(0).power, hetznersim::Power::kDead);
  Set(Trap::kSlowBoot, 1);
  ASSERT_THAT(Press(number), IsOk());
  Wait(absl::Minutes(6));
  EXPECT_THAT(Last(number)->host_keys, IsEmpty());
  Wait(absl::Minutes(3));
  EXPECT_THAT(Last(number)->host_keys, SizeIs(3));
}

TEST_F(HetznerTraps, KeysOfARescueSystemComeLateOrWrong) {
  const ServerNumber number = Delivered();
  ASSERT_THAT(Rescue(number), IsOk());
  Set(Trap::kRescueKeysLate, 1);
  ASSERT_THAT(Press(number), IsOk());
  Wait(absl::Minutes(3));
  EXPECT_THAT(Last(number)->host_keys, IsEmpty());
  Wait(absl::Minutes(5));
  EXPECT_EQ(Last(number)->host_keys, sim.Servers().at(0).host_keys);
  ASSERT_THAT(Rescue(number), IsOk());
  Set(Trap::kWrongHostKey, 1);
  ASSERT_THAT(Press(number), IsOk());
  Wait(absl::Minutes(3));
  EXPECT_THAT(Last(number)->host_keys, SizeIs(2));  // not what the machine has
}

TEST_F(HetznerTraps, ResetsAreRefusedInEveryShape) {
  const ServerNumber number = Delivered();
  Set(Trap::kResetRejected);
  EXPECT_EQ(TroubleOf(Press(number)), Trouble::kRejected);
  Set(Trap::kResetManualActive);
  EXPECT_EQ(TroubleOf(Press(number)), Trouble::kConflict);
  Set(Trap::kResetFails);
  EXPECT_EQ(TroubleOf(Press(number)), Trouble::kUnclear);
  sim.ClearFaults();
  const auto kinds = rt.Run(provider->ResetKinds(number, Soon()));
  ASSERT_THAT(kinds, IsOk());
  EXPECT_THAT(*kinds, testing::Contains(ResetKind::kHardware));
  EXPECT_THAT(*kinds, Not(testing::Contains(ResetKind::kSoftware)));  // of a newer board
  EXPECT_EQ(TroubleOf(Press(number, ResetKind::kSoftware)), Trouble::kRejected);
}

TEST_F(HetznerTraps, ACancellationIsKnownByReadingOnly) {
  const ServerNumber number = Delivered();
  Set(Trap::kCancelIgnored);
  EXPECT_THAT(CancelNow(number), IsOk());
  EXPECT_FALSE(Cancelled(number)->cancelled);
  Set(Trap::kCancelConflict);
  EXPECT_EQ(TroubleOf(CancelNow(number)), Trouble::kConflict);
  Set(Trap::kCancelNowRefused);
  EXPECT_EQ(TroubleOf(CancelNow(number)), Trouble::kRejected);
  Set(Trap::kReservationSpelt);
  EXPECT_THAT(Cancelled(number), IsOk());
  sim.ClearFaults();
  EXPECT_THAT(CancelNow(number), IsOk());
  EXPECT_THAT(sim.Servers(), IsEmpty());
  const auto gone = rt.Run(provider->GetServer(number, Soon()));
  ASSERT_THAT(gone, IsOk());
  EXPECT_FALSE(gone->has_value());
  EXPECT_EQ(TroubleOf(Cancelled(number).status()), Trouble::kNotFound);
  // The order goes on saying that it is ready.
  EXPECT_EQ(rt.Run(provider->ListOrders(Soon()))->at(0).state, ServerOrder::State::kReady);
}

TEST_F(HetznerTraps, AWithdrawalMayAnswerNothingOrMuch) {
  const ServerNumber number = Delivered();
  for (const bool answers : {false, true}) {
    ASSERT_THAT(rt.Run(provider->CancelServer(number, "2026-12-31", "", Soon())), IsOk());
    if (answers) Set(Trap::kRevokeAnswers);
    EXPECT_THAT(rt.Run(provider->RevokeCancellation(number, Soon())), IsOk());
    EXPECT_FALSE(Cancelled(number)->cancelled);
  }
  sim.ClearFaults();
  EXPECT_EQ(TroubleOf(rt.Run(provider->RevokeCancellation(number, Soon()))), Trouble::kConflict);
  ASSERT_THAT(rt.Run(provider->CancelServer(number, "2026-12-31", "", Soon())), IsOk());
  Set(Trap::kRevokeConflict);
  EXPECT_EQ(TroubleOf(rt.Run(provider->RevokeCancellation(number, Soon()))), Trouble::kConflict);
}

TEST_F(HetznerTraps, TheQuestionForTheLocationIsAnsweredWherePut) {
  ASSERT_THAT(Store(), IsOk());
  ServerOrderSpec spec = Spec();
  spec.channel = ServerChannel::kStandard;
  spec.offer = OfferId("EX44@HEL1");
  ASSERT_THAT(rt.Run(provider->OrderServer(spec, Soon())), IsOk());
  Wait(absl::Minutes(10));
  const ServerNumber number(Cat(sim.Servers().at(0).number));
  EXPECT_TRUE(Cancelled(number)->reserve_asked);
  EXPECT_THAT(CancelNow(number), IsOk());
  EXPECT_THAT(sim.Servers(), IsEmpty());
}

// ---- 10: who may be sent twice ----------------------------------------------------------------

TEST_F(HetznerTraps, AReadThatMetADeadConnectionIsSentOnceMore) {
  for (const Trap trap : {Trap::kResetBefore, Trap::kResetAfter, Trap::kTruncateAfter}) {
    Delivered();
    Set(trap, /*times=*/1);
    EXPECT_THAT(Servers(), IsOk()) << TrapName(trap);
    Set(trap);
    sim.ClearJournal();
    EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kUnavailable) << TrapName(trap);
    EXPECT_EQ(Sent("GET server"), 2) << TrapName(trap);
    sim.ClearFaults();
  }
}

TEST_F(HetznerTraps, AnOrderLeavesAtMostOnceAndIsUnclearWhenItsAnswerIsLost) {
  ASSERT_THAT(Store(), IsOk());
  int bought = 0;
  for (const Trap trap : {Trap::kHangBefore, Trap::kResetBefore, Trap::kHangAfter,
                          Trap::kResetAfter, Trap::kTruncateAfter, Trap::kServerErrorAfter}) {
    Set(trap, -1, 0, hetznersim::kOrderAuction);
    sim.ClearJournal();
    EXPECT_EQ(TroubleOf(Order().status()), Trouble::kUnclear) << TrapName(trap);
    EXPECT_EQ(Sent(hetznersim::kOrderAuction), 1) << TrapName(trap);
    const bool acted = trap != Trap::kHangBefore && trap != Trap::kResetBefore;
    bought += acted ? 1 : 0;
    EXPECT_THAT(sim.Orders(), SizeIs(bought)) << TrapName(trap);
    // The key tells whose they are.
    sim.ClearFaults();
    const auto orders = rt.Run(provider->ListOrders(Soon()));
    ASSERT_THAT(orders, IsOkAndHolds(SizeIs(bought)));
    for (const ServerOrder& order : *orders) {
      EXPECT_THAT(order.key_fingerprints, testing::ElementsAre(kKeyMd5));
    }
  }
  Set(Trap::kEmptyBody, -1, 0, hetznersim::kOrderAuction);
  EXPECT_EQ(TroubleOf(Order().status()), Trouble::kMalformed);
}

TEST_F(HetznerTraps, ASlowAnswerIsTakenUntilTheDeadline) {
  Set(Trap::kSlow, -1, 50);
  EXPECT_THAT(Servers(), IsOk());
  Set(Trap::kSlow, -1, 100);
  EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kUnavailable);
}

// ---- orders -----------------------------------------------------------------------------------

TEST_F(HetznerTraps, AnOrderIsRefusedInEveryShape) {
  ASSERT_THAT(Store(), IsOk());
  for (const auto& [trap, trouble] : {std::pair{Trap::kProductGone400, Trouble::kOfferGone},
                                      {Trap::kProductGone404, Trouble::kOfferGone},
                                      {Trap::kOrderPrecondition, Trouble::kRejected},
                                      {Trap::kQuota, Trouble::kThrottled}}) {
    Set(trap, /*times=*/1);
    EXPECT_EQ(TroubleOf(Order().status()), trouble) << TrapName(trap);
    EXPECT_THAT(sim.Orders(), IsEmpty());
  }
}

TEST_F(HetznerTraps, ATestOrderBuysNothingAndIsForgotten) {
  ASSERT_THAT(Store(), IsOk());
  const auto checked = Order(/*test=*/true);
  ASSERT_THAT(checked, IsOk());
  EXPECT_EQ(checked->state, ServerOrder::State::kCancelled);
  EXPECT_THAT(sim.Orders(), IsEmpty());
  const auto listed = rt.Run(provider->GetOrder(ServerChannel::kAuction, checked->id, Soon()));
  ASSERT_THAT(listed, IsOk());
  EXPECT_FALSE(listed->has_value());
  EXPECT_TRUE(sim.Journal().at(1).test);
}

TEST_F(HetznerTraps, OrdersAreNeverCommented) {
  Delivered();
  for (const hetznersim::JournalEntry& call : sim.Journal()) EXPECT_FALSE(call.commented);
}

TEST_F(HetznerTraps, AnOrderGoesItsOwnWay) {
  ASSERT_THAT(Store(), IsOk());
  const auto State = [&](const OrderId& id) {
    return (*rt.Run(provider->GetOrder(ServerChannel::kAuction, id, Soon())))->state;
  };
  using S = ServerOrder::State;
  for (const auto& [trap, soon, late] :
       {std::tuple{Trap::kNeverDelivered, S::kInProcess, S::kInProcess},
        {Trap::kDeliverySlow, S::kInProcess, S::kReady},
        {Trap::kCancelledBySupport, S::kCancelled, S::kCancelled}}) {
    Set(trap, -1, 0, hetznersim::kOrderAuction);
    const auto order = Order();
    ASSERT_THAT(order, IsOk()) << TrapName(trap);
    EXPECT_EQ(order->state, S::kInProcess);
    Wait(absl::Minutes(10));
    EXPECT_EQ(State(order->id), soon) << TrapName(trap);
    Wait(absl::Hours(2));
    EXPECT_EQ(State(order->id), late) << TrapName(trap);
  }
}

TEST_F(HetznerTraps, WhatWasBoughtIsNotShownAtOnce) {
  ASSERT_THAT(Store(), IsOk());
  Set(Trap::kOrderUnlisted);
  const auto order = Order();
  ASSERT_THAT(order, IsOk());
  EXPECT_THAT(rt.Run(provider->ListOrders(Soon())), IsOkAndHolds(IsEmpty()));
  Wait(absl::Minutes(1));
  EXPECT_THAT(rt.Run(provider->ListOrders(Soon())), IsOkAndHolds(SizeIs(1)));
  Set(Trap::kServerLag, -1, 3600);
  Wait(absl::Minutes(10));
  const auto ready = rt.Run(provider->GetOrder(ServerChannel::kAuction, order->id, Soon()));
  ASSERT_EQ((*ready)->state, ServerOrder::State::kReady);
  const auto server = rt.Run(provider->GetServer((*ready)->server, Soon()));
  ASSERT_THAT(server, IsOk());
  EXPECT_FALSE(server->has_value());
  EXPECT_THAT(Servers(), IsOkAndHolds(IsEmpty()));
}

TEST_F(HetznerTraps, ThePriceIsReadAgainAndMayHaveRisen) {
  const ServerOffer listed = Search()->front();
  Set(Trap::kPriceRises);
  const auto single = rt.Run(provider->GetServerOffer(ServerChannel::kAuction, listed.id, Soon()));
  ASSERT_THAT(single, IsOk());
  EXPECT_EQ((*single)->price.month.micros, listed.price.month.micros * 11 / 10);
  ASSERT_THAT(sim.RemoveProduct(listed.id.str()), IsOk());
  const auto gone = rt.Run(provider->GetServerOffer(ServerChannel::kAuction, listed.id, Soon()));
  ASSERT_THAT(gone, IsOk());
  EXPECT_FALSE(gone->has_value());
}

// ---- keys -------------------------------------------------------------------------------------

TEST_F(HetznerTraps, AKeyThatExistsIsStoredIfItIsOurs) {
  EXPECT_THAT(Store(), IsOk());
  EXPECT_THAT(Store(), IsOk());
  EXPECT_THAT(sim.Keys(), SizeIs(1));
  EXPECT_EQ(sim.Keys().begin()->first, kKeyMd5);
  EXPECT_THAT(rt.Run(provider->DeleteKey(kKeyMd5, Soon())), IsOk());
  EXPECT_THAT(rt.Run(provider->DeleteKey(kKeyMd5, Soon())), IsOk());
  Set(Trap::kKeyConflict);
  EXPECT_EQ(TroubleOf(Store()), Trouble::kConflict);
}

// ---- 13: passwords ----------------------------------------------------------------------------

TEST_F(HetznerTraps, NoErrorRepeatsALoginOrAPassword) {
  const ServerNumber number = Delivered();
  Set(Trap::kErrorEchoesBody);
  const std::string basic = "I3dzK3BsYW50ZWQ6cGxhbnRlZF9wYXNzd29yZA";  // of user and password
  for (const Status& status : {Servers().status(), Order().status(), Rescue(number)}) {
    EXPECT_THAT(std::string(Message(status)), Not(HasSubstr("planted_password")));
    EXPECT_THAT(std::string(Message(status)), Not(HasSubstr(basic)));
    EXPECT_THAT(std::string(Message(status)), HasSubstr("[secret]"));
  }
}

TEST_F(HetznerTraps, TheRescueSystemsPasswordIsMaskedFromThenOn) {
  const ServerNumber number = Delivered();
  HttpRequest raw{.method = "GET", .url = Cat("/boot/", number.str(), "/rescue")};
  raw.headers = {{"Authorization", "Basic I3dzK3BsYW50ZWQ6cGxhbnRlZF9wYXNzd29yZA=="}};
  ASSERT_THAT(Rescue(number), IsOk());
  const std::string body = sim.Handle(raw, rt.Now()).response.body;
  const std::size_t at = body.find("\"password\":\"");
  ASSERT_NE(at, std::string::npos) << body;
  const std::string password = body.substr(at + 12, 12);
  EXPECT_EQ(secrets.Mask(Cat("say ", password, "!")), "say [secret]!");
}

}  // namespace
}  // namespace muster
