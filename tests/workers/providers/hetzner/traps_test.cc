// Wire traps, as the adapter meets them against the simulator: shapes, statuses, the login.
#include "tests/workers/providers/hetzner/traps.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using hetznersim::Trap;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

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

}  // namespace
}  // namespace muster
