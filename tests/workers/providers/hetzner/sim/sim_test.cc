// The simulated web service as a foreign client meets it: forms, shapes, quotas, logins, time.
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/escaping.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/providers/hetzner/sim/sim_driver.h"

namespace muster::hetznersim {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class HetznerSimTest : public testing::Test, public SimDriver {};

TEST_F(HetznerSimTest, TakesArraysInEverySpellingThatClientsUse) {
  StoreKey();
  for (const char* name :
       {"authorized_key[]", "authorized_key%5B%5D", "authorized_key[0]", "authorized_key"}) {
    const Answer answer = Do("POST", "order/server_market/transaction",
                             OrderForm(Cat(name, "=", kMd5A), "&test=true"));
    ASSERT_EQ(answer.status, 201) << name;
    EXPECT_EQ(answer.body["transaction"]["authorized_key"][0]["key"]["fingerprint"], kMd5A);
    EXPECT_EQ(answer.body["transaction"]["status"], "cancelled");
  }
  EXPECT_THAT(sim.Orders(), IsEmpty());
}

TEST_F(HetznerSimTest, RefusesWhatIsNoForm) {
  HttpRequest request{.method = "POST", .url = "/key"};
  request.headers = {{"Authorization", Cat("Basic ", absl::Base64Escape("#ws+sim:sim-password"))},
                     {"Content-Type", "application/json"}};
  request.body = "{\"name\":\"a\"}";
  EXPECT_EQ(sim.Handle(request, now).response.status, 400);
  EXPECT_EQ(Do("POST", "key", "name=a").body["error"]["missing"], json({"data"}));
  EXPECT_EQ(Do("POST", "key", "name=a&data=rubbish").body["error"]["invalid"], json({"data"}));
}

TEST_F(HetznerSimTest, FingerprintsAKeyAsSshKeygenDoes) {
  StoreKey();
  const Answer key = Do("GET", Cat("key/", kMd5A));
  EXPECT_EQ(key.body["key"]["type"], "ED25519");
  EXPECT_EQ(key.body["key"]["data"], std::string(kKeyA).substr(0, std::string(kKeyA).size() - 2));
  EXPECT_EQ(key.body["key"]["created_at"], "2026-11-21 12:30:43");
  EXPECT_EQ(Do("DELETE", Cat("key/", kMd5A)).text, "");
  EXPECT_EQ(Do("GET", "key").status, 404);
}

TEST_F(HetznerSimTest, EscapesAsTheServiceDoes) {
  EXPECT_THAT(Do("GET", "order/server/product").text, HasSubstr("RTX\\u2122 4000"));
  EXPECT_THAT(Do("GET", "order/server/product").text, HasSubstr("1 Gbit\\/s"));
}

TEST_F(HetznerSimTest, ThreeBadLoginsCloseTheServiceForTenMinutes) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Do("GET", "server", "", "x:y").status, 401);
  EXPECT_EQ(Do("GET", "server").status, 401);  // the right one, too late
  Wait(absl::Minutes(10) - absl::Seconds(1));
  EXPECT_EQ(Do("GET", "server").status, 401);
  Wait(absl::Seconds(1));
  EXPECT_EQ(Do("GET", "server").status, 404);
  EXPECT_EQ(sim.BadLogins(), 3);
}

TEST_F(HetznerSimTest, AGoodLoginBetweenBadOnesResetsTheCount) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Do("GET", "server", "", "x:y").status, 401);
    EXPECT_EQ(Do("GET", "server", "", "x:y").status, 401);
    EXPECT_EQ(Do("GET", "server").status, 404);
  }
}

TEST_F(HetznerSimTest, EachRowOfQuotasIsCountedInItsWindow) {
  for (int i = 0; i < 200; ++i) ASSERT_EQ(Do("GET", "server").status, 404) << i;
  const Answer refused = Do("GET", "server/1/cancellation");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body["error"]["code"], "RATE_LIMIT_EXCEEDED");
  EXPECT_EQ(refused.body["error"]["max_request"], 200);
  EXPECT_EQ(refused.body["error"]["interval"], 3600);
  EXPECT_EQ(Do("GET", "key").status, 404);  // another row
  Wait(absl::Hours(1));
  EXPECT_EQ(Do("GET", "server").status, 404);
}

TEST_F(HetznerSimTest, MachinesAreToldTheAddressesThatTheServiceTells) {
  const std::int64_t without = Server();
  EXPECT_EQ(machines.boots.back().ipv4, "");
  StoreKey();
  Order("&addon[]=primary_ipv4");
  Wait(absl::Minutes(10));
  ASSERT_THAT(machines.boots, SizeIs(2));
  const SimBoot& boot = machines.boots.back();
  const Answer server = Do("GET", Cat("server/", boot.server.str()));
  EXPECT_EQ(server.body["server"]["server_ip"], boot.ipv4);
  EXPECT_EQ(server.body["server"]["server_ipv6_net"], boot.ipv6_net);
  EXPECT_EQ(boot.ipv4, boot.address);
  EXPECT_NE(boot.server.str(), Cat(without));
}

TEST(HetznerSim, MachinesWithANetworkOfTheirOwnHaveNoLoopbackAddress) {
  HetznerSimOptions options;
  options.public_ipv4 = true;
  NotedMachines machines;
  HetznerSim sim(options, absl::FromUnixSeconds(1'800'000'000), &machines);
  const std::int64_t number = sim.AddForeignServer("a");
  const HttpRequest request{
      .method = "GET",
      .url = "/ip",
      .headers = {{"Authorization", Cat("Basic ", absl::Base64Escape("#ws+sim:sim-password"))}}};
  const auto reply = json::parse(sim.Handle(request, sim.now()).response.body);
  const std::string loopback = LoopbackAddress(number);
  EXPECT_EQ(reply[0]["ip"]["ip"], Cat("198.18.", loopback.substr(std::string("127.1.").size())));
}

TEST_F(HetznerSimTest, AnOrderIsDeliveredInARescueSystemWithTheKeysItWasOrderedWith) {
  const std::int64_t number = Server();
  ASSERT_THAT(machines.boots, SizeIs(1));
  EXPECT_TRUE(machines.boots[0].rescue);
  EXPECT_EQ(machines.boots[0].address, LoopbackAddress(number));
  EXPECT_THAT(machines.boots[0].authorized_keys[0], HasSubstr("ssh-ed25519 AAAA"));
  const Answer order = Do("GET", Cat("order/server_market/transaction/", sim.Orders().at(0).id));
  EXPECT_EQ(order.body["transaction"]["status"], "ready");
  EXPECT_EQ(order.body["transaction"]["server_number"], number);
  EXPECT_TRUE(order.body["transaction"]["server_ip"].is_null());
  EXPECT_EQ(order.body["transaction"]["host_key"][0]["key"]["fingerprint"], std::string(43, 'b'));
  EXPECT_EQ(Do("GET", Cat("boot/", number, "/rescue")).body["rescue"]["active"], false);
}

TEST_F(HetznerSimTest, AProductIsSoldOnce) {
  const std::string id = sim.Products().at(0).id;
  Server();
  EXPECT_EQ(Do("GET", Cat("order/server_market/product/", id)).status, 404);
  EXPECT_EQ(Do("POST", "order/server_market/transaction",
               Cat("product_id=", id, "&authorized_key[]=", kMd5A))
                .status,
            400);
}

TEST_F(HetznerSimTest, ARescueSystemBootsOnceWithFreshKeysThenTheDiskAgain) {
  const std::int64_t number = Server();
  const std::string boot = Cat("boot/", number, "/rescue");
  const Answer active = Do("POST", boot, Cat("os=linux&authorized_key[]=", kMd5A));
  EXPECT_EQ(active.body["rescue"]["os"], "linux");
  EXPECT_THAT(active.body["rescue"]["password"].get<std::string>(), SizeIs(12));
  EXPECT_EQ(Do("POST", Cat("reset/", number), "type=hw").status, 200);
  EXPECT_THAT(machines.offs, testing::ElementsAre(Cat(number)));
  Wait(absl::Seconds(77));
  EXPECT_THAT(machines.boots, SizeIs(1));
  Wait(absl::Seconds(6));
  ASSERT_THAT(machines.boots, SizeIs(2));
  EXPECT_TRUE(machines.boots[1].rescue);
  const Answer last = Do("GET", boot + "/last");
  EXPECT_EQ(last.body["rescue"]["host_key"][0]["key"]["fingerprint"], std::string(43, 'c'));
  EXPECT_TRUE(Do("GET", boot).body["rescue"]["os"].is_array());
  Do("POST", Cat("reset/", number), "type=hw");
  Wait(absl::Minutes(2));
  ASSERT_THAT(machines.boots, SizeIs(3));
  EXPECT_FALSE(machines.boots[2].rescue);
}

TEST_F(HetznerSimTest, ALaterResetVoidsTheBootThatWasUnderWay) {
  const std::int64_t number = Server();
  Do("POST", Cat("reset/", number), "type=hw");
  Wait(absl::Seconds(40));
  Do("POST", Cat("reset/", number), "type=hw");
  Wait(absl::Seconds(60));
  EXPECT_THAT(machines.boots, SizeIs(1));
  Wait(absl::Seconds(60));
  EXPECT_THAT(machines.boots, SizeIs(2));
}

TEST_F(HetznerSimTest, PowerGoesOffAndOnByTheShortButton) {
  const std::int64_t number = Server();
  Do("POST", Cat("reset/", number), "type=power_long");
  EXPECT_EQ(sim.Servers().at(0).power, Power::kOff);
  Do("POST", Cat("reset/", number), "type=hw");  // nothing to reset
  Wait(absl::Minutes(5));
  EXPECT_EQ(sim.Servers().at(0).power, Power::kOff);
  Do("POST", Cat("reset/", number), "type=power");
  Wait(absl::Minutes(5));
  EXPECT_EQ(sim.Servers().at(0).power, Power::kInstalled);
}

TEST_F(HetznerSimTest, ACancellationForADateEndsTheServerThatNight) {
  const std::int64_t number = Server();
  const std::string path = Cat("server/", number, "/cancellation");
  EXPECT_TRUE(Do("GET", path).body["cancellation"]["cancellation_reason"].is_array());
  EXPECT_EQ(Do("POST", path, "cancellation_date=2026-11-20").status, 400);
  EXPECT_EQ(Do("POST", path, "cancellation_date=2026-02-30").status, 400);
  EXPECT_EQ(Do("POST", path, "cancellation_date=2026-11-22&reserve_location=true").status, 409);
  EXPECT_EQ(Do("POST", path, "cancellation_date=2026-11-22").status, 200);
  EXPECT_TRUE(Do("GET", path).body["cancellation"]["cancellation_reason"].is_null());
  EXPECT_EQ(Do("POST", path, "cancellation_date=2026-11-23").status, 409);
  Wait(absl::Hours(35));  // 2026-11-22, 23:38 in Berlin
  EXPECT_THAT(sim.Servers(), SizeIs(1));
  Wait(absl::Hours(1));
  EXPECT_THAT(sim.Servers(), IsEmpty());
  EXPECT_EQ(machines.offs.back(), Cat(number, " forgotten"));
  EXPECT_EQ(Do("GET", Cat("server/", number)).status, 404);
}

TEST_F(HetznerSimTest, AWithdrawnCancellationEndsNothing) {
  const std::int64_t number = Server();
  const std::string path = Cat("server/", number, "/cancellation");
  Do("POST", path, "cancellation_date=2026-11-22");
  EXPECT_EQ(Do("DELETE", path).text, "");
  Wait(absl::Hours(72));
  EXPECT_THAT(sim.Servers(), SizeIs(1));
  EXPECT_EQ(Do("POST", Cat("server/", number, "/reversal")).status, 404);
}

TEST_F(HetznerSimTest, AStandardServerAsksForItsLocation) {
  StoreKey();
  Do("POST", "order/server/transaction",
     Cat("product_id=EX44&location=FSN1&authorized_key[]=", kMd5A));
  Wait(absl::Minutes(8));
  const std::string path = Cat("server/", sim.Servers().at(0).number, "/cancellation");
  EXPECT_EQ(Do("POST", path, "cancellation_date=now").body["error"]["missing"],
            json({"reserve_location"}));
  EXPECT_EQ(Do("POST", path, "cancellation_date=now&reserve_location=false").status, 200);
  EXPECT_THAT(sim.Servers(), IsEmpty());
}

TEST_F(HetznerSimTest, MoneyIsCountedInStartedHoursAndNoMonthCostsMoreThanItsPrice) {
  Server();
  const ServerView fresh = sim.Servers().at(0);
  EXPECT_GT(fresh.spent_micros, 0);
  Wait(absl::Hours(24 * 8));  // still November
  EXPECT_GT(sim.SpentMicros(), fresh.spent_micros * 150);
  Wait(absl::Hours(24 * 365));
  EXPECT_LE(sim.SpentMicros(), 14 * 260'000'000LL);
}

TEST_F(HetznerSimTest, AnIpv4AddressCostsAsOffered) {
  Server();
  const std::int64_t without = sim.Servers().at(0).spent_micros;
  SimDriver other;
  other.StoreKey();
  other.Order("&addon[]=primary_ipv4");
  other.Wait(absl::Minutes(8));
  EXPECT_EQ(other.sim.Servers().at(0).spent_micros, without + 2'700);
}

TEST_F(HetznerSimTest, TheListingOfOrdersEndsAfterThirtyDays) {
  Server();
  Wait(absl::Hours(24 * 30));
  EXPECT_EQ(Do("GET", "order/server_market/transaction").status, 404);
}

TEST_F(HetznerSimTest, IsControlledOverHttp) {
  const std::int64_t number = Server();
  EXPECT_EQ(Do("GET", "control/state").body["servers"], 1);
  EXPECT_EQ(Do("GET", "control/servers").body["servers"][0]["power"], "rescue");
  EXPECT_THAT(Do("GET", "control/catalogue").body["traps"].size(), testing::Gt(50u));
  EXPECT_EQ(Do("POST", "control/faults", R"({"trap":"maintenance","times":1})").status, 200);
  EXPECT_EQ(Do("GET", "server").status, 503);
  EXPECT_EQ(Do("GET", "server").status, 200);
  EXPECT_EQ(Do("POST", "control/faults", R"({"trap":"nonsense"})").status, 400);
  EXPECT_EQ(Do("POST", Cat("control/servers/", number, "/crash"), "{}").status, 200);
  EXPECT_EQ(sim.Servers().at(0).power, Power::kDead);
  EXPECT_EQ(Do("POST", "control/servers", R"({"name":"old"})").status, 200);
  EXPECT_THAT(sim.Servers(), SizeIs(2));
  EXPECT_EQ(Do("DELETE", Cat("control/products/", sim.Products().at(0).id)).status, 200);
  EXPECT_EQ(Do("POST", Cat("control/products/", sim.Products().at(0).id, "/price"),
               R"({"month_micros":50000000})")
                .status,
            200);
  EXPECT_EQ(sim.Products().at(0).month_micros, 50'000'000);
  EXPECT_EQ(Do("POST", "control/clock", R"({"skip_s":3600})").status, 200);
  EXPECT_EQ(sim.now(), now + absl::Hours(1));
  EXPECT_EQ(Do("GET", "control/journal").status, 200);
  for (const char* secret : {"sim-password", "Basic"}) {
    EXPECT_THAT(Do("GET", "control/journal").text, testing::Not(HasSubstr(secret)));
  }
}

TEST(HetznerSimMarket, PricesFallWithTime) {
  HetznerSim sim({.seed = 3}, absl::FromUnixSeconds(1'795'260'643));
  std::int64_t before = 0, after = 0;
  for (const ProductView& product : sim.Products()) before += product.month_micros;
  sim.Advance(sim.now() + absl::Hours(24));
  for (const ProductView& product : sim.Products()) after += product.month_micros;
  EXPECT_LT(after, before);
}

TEST(HetznerSimMarket, FollowsFromTheSeed) {
  const absl::Time now = absl::FromUnixSeconds(1'795'260'643);
  const auto text = [&](std::uint64_t seed) {
    HetznerSim sim({.seed = seed}, now);
    std::string all;
    for (const ProductView& p : sim.Products()) all += Cat(p.id, p.name, p.gpu, p.datacenter);
    return all;
  };
  EXPECT_EQ(text(1), text(1));
  EXPECT_NE(text(1), text(2));
}

TEST(HetznerSimSettings, AreCheckedByName) {
  SimSpec spec{.seed = 9, .start = absl::FromUnixSeconds(1'795'260'643)};
  spec.settings = {{"products", "3"}, {"delivery_max", "2m"}, {"user", "#ws+x"}};
  const auto options = OptionsFrom(spec);
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->products, 3);
  EXPECT_EQ(options->delivery_max, absl::Minutes(2));
  for (const auto& [name, value] : {std::pair{"nonsense", "1"},
                                    {"products", "-1"},
                                    {"products", "many"},
                                    {"delivery_max", "2"},
                                    {"gpu_share", "1.5"},
                                    {"quotas", "perhaps"},
                                    {"delivery_max", "5s"}}) {
    spec.settings = {{name, value}};
    EXPECT_FALSE(OptionsFrom(spec).ok()) << name << "=" << value;
  }
}

TEST(HetznerSimTraps, AreNamedOnceAndFoundByName) {
  std::set<std::string> names;
  for (int i = 0;; ++i) {
    const auto trap = static_cast<Trap>(i);
    names.insert(std::string(TrapName(trap)));
    EXPECT_EQ(TrapFromName(TrapName(trap)), trap);
    if (trap == Trap::kReservationSpelt) break;
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Trap::kReservationSpelt) + 1);
  EXPECT_EQ(TrapFromName("none such"), std::nullopt);
}

}  // namespace
}  // namespace muster::hetznersim
