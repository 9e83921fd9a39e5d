// The whole way of a server through the adapter, its pace, and what its plans show.
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/providers/hetzner/rig.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class HetznerProviderTest : public testing::Test, public HetznerRig {};

TEST_F(HetznerProviderTest, BuysNamesRescuesAndGivesBack) {
  const auto offers = Search();
  ASSERT_THAT(offers, IsOkAndHolds(SizeIs(40)));
  const ServerNumber number = Delivered(/*ipv4=*/true);
  EXPECT_EQ(number.str(), offers->front().id.str());
  ASSERT_THAT(rt.Run(provider->RenameServer(number, "builder-01", Soon())), IsOk());
  const auto servers = Servers();
  ASSERT_THAT(servers, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ((*servers)[0].name, "builder-01");
  EXPECT_EQ((*servers)[0].ipv4, hetznersim::LoopbackAddress(3'100'001));
  EXPECT_TRUE((*servers)[0].ready);
  ASSERT_THAT(rt.Run(provider->ActivateRescue(number, kKeyMd5, Soon())), IsOk());
  ASSERT_THAT(rt.Run(provider->DeactivateRescue(number, Soon())), IsOk());
  EXPECT_FALSE(rt.Run(provider->GetRescue(number, Soon()))->active);
  ASSERT_THAT(rt.Run(provider->CancelServer(number, "now", "done", Soon())), IsOk());
  EXPECT_THAT(Servers(), IsOkAndHolds(IsEmpty()));
  EXPECT_GT(sim.SpentMicros(), 0);
}

TEST_F(HetznerProviderTest, TheStandardListSellsToo) {
  ASSERT_THAT(Store(), IsOk());
  ServerOrderSpec spec = Spec();
  spec.channel = ServerChannel::kStandard;
  spec.offer = OfferId("GEX44@FSN1");
  const auto offer = rt.Run(provider->GetServerOffer(ServerChannel::kStandard, spec.offer, Soon()));
  ASSERT_THAT(offer, IsOk());
  ASSERT_TRUE(offer->has_value());
  EXPECT_TRUE((*offer)->gpu_ada);
  const auto order = rt.Run(provider->OrderServer(spec, Soon()));
  ASSERT_THAT(order, IsOk());
  EXPECT_EQ(order->offer, spec.offer);
  Wait(absl::Minutes(10));
  const auto orders = rt.Run(provider->ListOrders(Soon()));
  ASSERT_THAT(orders, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ(orders->front().channel, ServerChannel::kStandard);
  EXPECT_EQ(orders->front().state, ServerOrder::State::kReady);
  // Where no place was named, the cheapest.
  const auto anywhere =
      rt.Run(provider->GetServerOffer(ServerChannel::kStandard, OfferId("GEX44"), Soon()));
  ASSERT_THAT(anywhere, IsOk());
  EXPECT_EQ((*anywhere)->location, "HEL1");
}

TEST_F(HetznerProviderTest, TheOrdersOfADayAreCountedHere) {
  ASSERT_THAT(Store(), IsOk());
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Order(/*test=*/true), IsOk()) << i;
  sim.ClearJournal();
  const Status refused = Order(/*test=*/true).status();
  EXPECT_EQ(TroubleOf(refused), Trouble::kThrottled);
  EXPECT_THAT(sim.Journal(), IsEmpty());  // it was not sent
  Wait(absl::Hours(24));
  EXPECT_THAT(Order(/*test=*/true), IsOk());
}

TEST_F(HetznerProviderTest, EachRowOfQuotasIsItsOwn) {
  const ServerNumber number = Delivered();
  for (int i = 0; i < 50; ++i) {
    ASSERT_THAT(rt.Run(provider->Reset(number, ResetKind::kHardware, Soon())), IsOk()) << i;
  }
  const Status refused = rt.Run(provider->Reset(number, ResetKind::kHardware, Soon()));
  EXPECT_EQ(TroubleOf(refused), Trouble::kThrottled);
  EXPECT_THAT(Servers(), IsOk());
  for (const hetznersim::JournalEntry& call : sim.Journal()) EXPECT_NE(call.status, 403);
}

TEST_F(HetznerProviderTest, PlansShowTheCallsAsTheyWouldBeMade) {
  const ServerNumber number("3100001");
  EXPECT_EQ(provider->OrderCall(Spec(/*test=*/false, /*ipv4=*/true)),
            Cat("POST /order/server_market/transaction product_id=3100001 authorized_key[]=",
                kKeyMd5, " addon[]=primary_ipv4 test=false"));
  EXPECT_EQ(provider->RescueCall(number, kKeyMd5),
            Cat("POST /boot/3100001/rescue os=linux authorized_key[]=", kKeyMd5));
  EXPECT_EQ(provider->ResetCall(number, ResetKind::kHardware), "POST /reset/3100001 type=hw");
  EXPECT_EQ(provider->CancelCall(number, "now"),
            "POST /server/3100001/cancellation cancellation_date=now reserve_location=false");
  EXPECT_EQ(provider->RevokeCall(number), "DELETE /server/3100001/cancellation");
  EXPECT_EQ(provider->OrdersPerDay(), 20);
}

TEST_F(HetznerProviderTest, IdsOfNobodyAreNotSent) {
  for (const char* odd : {"", "1/../../key", "31 ", "abc"}) {
    const ServerNumber number(odd);
    EXPECT_EQ(TroubleOf(rt.Run(provider->GetServer(number, Soon())).status()), Trouble::kRejected);
    EXPECT_EQ(TroubleOf(rt.Run(provider->CancelServer(number, "now", "", Soon()))),
              Trouble::kRejected);
  }
  EXPECT_EQ(TroubleOf(rt.Run(provider->DeleteKey("zz", Soon()))), Trouble::kRejected);
  const auto order = rt.Run(provider->GetOrder(ServerChannel::kAuction, OrderId("B1/x"), Soon()));
  EXPECT_EQ(TroubleOf(order.status()), Trouble::kRejected);
  EXPECT_THAT(sim.Journal(), IsEmpty());
}

TEST_F(HetznerProviderTest, AnOutageIsNotOurFault) {
  http.SetDown(true);
  EXPECT_EQ(TroubleOf(Servers().status()), Trouble::kUnavailable);
  EXPECT_EQ(TroubleOf(Order().status()), Trouble::kUnavailable);  // not sent: not bought
  http.SetDown(false);
  EXPECT_THAT(Servers(), IsOk());
}

TEST_F(HetznerProviderTest, AMissingPasswordIsTold) {
  secrets.Set("env:ROBOT", "");
  const Status status = Servers().status();
  EXPECT_EQ(TroubleOf(status), Trouble::kAuth);
  EXPECT_THAT(std::string(Message(status)), testing::HasSubstr("env:ROBOT"));
  EXPECT_THAT(sim.Journal(), IsEmpty());
}

}  // namespace
}  // namespace muster
