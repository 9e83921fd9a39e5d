// Wire traps, as the adapter meets them against the simulator: what a call did or did not do.
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/providers/hetzner/traps.h"

namespace muster {
namespace {

using hetznersim::Trap;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

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
