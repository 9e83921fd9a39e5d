// Bodies in, values out: what no simulator sends.
#include "workers/providers/hetzner/wire.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/providers/hetzner/hardware.h"
#include "workers/providers/hetzner/json.h"

namespace muster::hetzner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const MarketTerms kTerms{"EUR", absl::FromUnixSeconds(1'790'000'000)};

TEST(HetznerWire, PricesBecomeMillionthsExactly) {
  EXPECT_EQ(MicrosFromDecimal("148.0000"), 148'000'000);
  EXPECT_EQ(MicrosFromDecimal("0.2372"), 237'200);
  EXPECT_EQ(MicrosFromDecimal("1.70"), 1'700'000);
  EXPECT_EQ(MicrosFromDecimal("39"), 39'000'000);
  EXPECT_EQ(MicrosFromDecimal("0.1"), 100'000);  // where a double would not be
  EXPECT_EQ(MicrosFromDecimal("0.0000010"), 1);
  EXPECT_EQ(MicrosFromDecimal("1000000000"), 1'000'000'000'000'000);
  for (const char* odd : {"", ".", "1.", ".5", "1,92", "-1", "+1", "1e3", " 1", "0x1", "1.2.3",
                          "0.0000001", "1000000001", "99999999999999999999", "NaN"}) {
    EXPECT_EQ(MicrosFromDecimal(odd), std::nullopt) << odd;
  }
}

TEST(HetznerWire, ReadsAnAuctionProduct) {
  const auto offers = ParseProducts(ServerChannel::kAuction, R"([{"product":{"id":3100001,
    "name":"SB148","description":["Intel Core i5-13500","4x RAM 16384 MB DDR4",
    "2x SSD M.2 NVMe 1,92 TB Datacenter","GPU - NVIDIA RTX 4000 SFF Ada Generation"],
    "traffic":"unlimited","cpu":"Intel Core i5-13500","cpu_benchmark":32000,"memory_size":64,
    "hdd_size":1920,"hdd_count":2,"datacenter":"FSN1-DC22","price":"148.0000",
    "price_hourly":"0.2372","price_setup":"0.0000","fixed_price":false,"next_reduce":10800,
    "orderable_addons":[{"id":"primary_ipv4","prices":[
      {"location":"HEL1","price":{"net":"9.0000"},"price_setup":{"net":"0.0000"}},
      {"location":"FSN1","price":{"net":"1.7000","hourly_net":"0.0027"},
       "price_setup":{"net":"0.0000"}}]}]}}])",
                                    kTerms);
  ASSERT_THAT(offers, IsOkAndHolds(SizeIs(1)));
  const ServerOffer& offer = offers->front();
  EXPECT_EQ(offer.id, OfferId("3100001"));
  EXPECT_EQ(offer.cores, 14);
  EXPECT_EQ(offer.benchmark, 32000);
  EXPECT_EQ(offer.memory_gb, 64);
  EXPECT_EQ(offer.disk_gb, 1920);
  EXPECT_EQ(offer.disks, 2);
  EXPECT_TRUE(offer.gpu_ada);
  EXPECT_EQ(offer.gpu, "GPU - NVIDIA RTX 4000 SFF Ada Generation");
  EXPECT_EQ(offer.price.month, (Money{148'000'000, "EUR"}));
  EXPECT_EQ(offer.price.hour, (Money{237'200, "EUR"}));
  ASSERT_TRUE(offer.ipv4.has_value());
  EXPECT_EQ(offer.ipv4->month.micros, 1'700'000);
  EXPECT_EQ(offer.next_reduction, kTerms.now + absl::Hours(3));
}

TEST(HetznerWire, ACountdownThatIsOverAnnouncesNothing) {
  const auto offers =
      ParseProducts(ServerChannel::kAuction,
                    R"([{"product":{"id":1,"price":"1.0000","next_reduce":-5}}])", kTerms);
  ASSERT_THAT(offers, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ(offers->front().next_reduction, std::nullopt);
}

TEST(HetznerWire, AnOfferWithoutAPriceIsLeftOut) {
  const auto offers = ParseProducts(
      ServerChannel::kAuction,
      R"([{"product":{"id":1,"price":12.5}},{"product":{"id":2,"price":"12.50"}}])", kTerms);
  ASSERT_THAT(offers, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ(offers->front().id, OfferId("2"));
  EXPECT_FALSE(ParseProducts(ServerChannel::kAuction, R"([{"product":{"id":1}}])", kTerms).ok());
}

TEST(HetznerWire, AStandardProductIsAnOfferForEachPlace) {
  const auto offers = ParseProducts(ServerChannel::kStandard,
                                    R"([{"product":{"id":"GEX44","name":"GEX44","description":[
    "Intel Core i5-13500","64 GB DDR4 RAM","2 x 1.92 TB NVMe SSD"],"location":["FSN1","HEL1"],
    "prices":[{"location":"FSN1","price":{"net":"184.0000","hourly_net":"0.2949"},
      "price_setup":{"net":"79.0000"}},{"location":"HEL1","price":{"net":"182.0000",
      "hourly_net":null},"price_setup":{"net":"79.0000"}}]}},
    {"product":{"id":"NONE","name":"NONE","prices":[]}}])",
                                    kTerms);
  ASSERT_THAT(offers, IsOkAndHolds(SizeIs(2)));
  EXPECT_EQ((*offers)[0].id, OfferId("GEX44@FSN1"));
  EXPECT_EQ((*offers)[0].price.setup.micros, 79'000'000);
  EXPECT_EQ((*offers)[0].memory_gb, 64);
  EXPECT_EQ((*offers)[0].disk_gb, 1920);
  EXPECT_EQ((*offers)[0].disks, 2);
  EXPECT_EQ((*offers)[0].cores, 14);
  EXPECT_EQ((*offers)[1].location, "HEL1");
  EXPECT_FALSE((*offers)[1].price.hour.has_value());
}

TEST(HetznerWire, AGpuIsKnownByItsLine) {
  EXPECT_TRUE(FindGpu({"GPU - NVIDIA RTX 4000 SFF Ada Generation"}).ada);
  EXPECT_TRUE(FindGpu({"Nvidia RTX\u2122 4000 SFF Ada Generation"}).ada);
  EXPECT_TRUE(FindGpu({"NVIDIA RTX(tm) 4000 SFF Ada"}).ada);
  EXPECT_EQ(FindGpu({"64 GB", "GeForce GTX 1080"}).line, "GeForce GTX 1080");
  EXPECT_FALSE(FindGpu({"GeForce GTX 1080"}).ada);
  EXPECT_EQ(FindGpu({"AMD Radeon Pro"}).line, "AMD Radeon Pro");
  EXPECT_EQ(FindGpu({"NIC 1 Gbit - Intel I219-LM", "NIC 10 Gbit NVIDIA ConnectX-6"}).line, "");
  EXPECT_EQ(FindGpu({"Intel Core i5-13500", "Quartz board", "gputils"}).line, "");
}

TEST(HetznerWire, CoresFollowFromTheProcessorsName) {
  EXPECT_EQ(CoresOf("Intel Core i5-13500"), 14);
  EXPECT_EQ(CoresOf("AMD Ryzen\u2122 9 5950X"), 16);
  EXPECT_EQ(CoresOf("AMD EPYC 7502P"), 32);
  EXPECT_EQ(CoresOf("2x Intel Xeon E5-2620V3"), 12);
  EXPECT_EQ(CoresOf("Intel XEON E-2176G"), 6);
  EXPECT_EQ(CoresOf("Something New 9000"), 0);
  EXPECT_EQ(CoresOf(""), 0);
}

TEST(HetznerWire, ReadsADescriptionsAmounts) {
  const Hardware one =
      ReadDescription({"AMD EPYC 7502P", "7x RAM 65536 MB DDR4 ECC reg.",
                       "2x SSD U.2 NVMe 3,84 TB Datacenter", "2x HDD SATA 16,0 TB Enterprise"});
  EXPECT_EQ(one.cpu, "AMD EPYC 7502P");
  EXPECT_EQ(one.memory_gb, 448);
  EXPECT_EQ(one.disk_gb, 3840);
  EXPECT_EQ(one.disks, 2);
  const Hardware two = ReadDescription({"2 x 512 GB NVMe SSD", "64 GB DDR5"});
  EXPECT_EQ(two.disk_gb, 512);
  EXPECT_EQ(two.disks, 2);
  EXPECT_EQ(two.memory_gb, 64);
}

TEST(HetznerWire, FormsAreEscaped) {
  EXPECT_EQ(FormBody({{"data", "ssh-ed25519 AA+/= a&b"}, {"key[]", "x:y"}}),
            "data=ssh-ed25519%20AA%2B%2F%3D%20a%26b&key%5B%5D=x%3Ay");
  EXPECT_EQ(FormBody({}), "");
}

TEST(HetznerWire, AnOrdersFormIsWhatItSays) {
  ServerOrderSpec spec;
  spec.offer = OfferId("3100001");
  spec.key_fingerprint = "15:28:b0:03:95:f0:77:b3:10:56:15:6b:77:22:a5:bb";
  using Field = std::pair<std::string, std::string>;
  EXPECT_THAT(*OrderForm(spec),
              ElementsAre(Field("product_id", "3100001"),
                          Field("authorized_key[]", spec.key_fingerprint), Field("test", "true")));
  spec.channel = ServerChannel::kStandard;
  spec.offer = OfferId("EX44@HEL1");
  spec.ipv4 = true;
  spec.test = false;
  EXPECT_THAT(
      *OrderForm(spec),
      ElementsAre(Field("product_id", "EX44"), Field("authorized_key[]", spec.key_fingerprint),
                  Field("location", "HEL1"), Field("addon[]", "primary_ipv4"),
                  Field("test", "false")));
  spec.offer = OfferId("EX44");
  EXPECT_EQ(TroubleOf(OrderForm(spec).status()), Trouble::kRejected);
  spec.location = "FSN1";
  EXPECT_THAT(OrderForm(spec), IsOk());
}

TEST(HetznerWire, OnlyIdsOfTheChannelAreLetThrough) {
  for (const char* odd : {"", "31/../key", "abc", "12@FSN1", "-1", "1 2"}) {
    EXPECT_FALSE(ReadOfferId(ServerChannel::kAuction, OfferId(odd)).ok()) << odd;
  }
  for (const char* odd : {"", "EX44@", "@FSN1", "EX/44", "EX44@FSN1@X", "EX 44", "EX44?x"}) {
    EXPECT_FALSE(ReadOfferId(ServerChannel::kStandard, OfferId(odd)).ok()) << odd;
  }
}

TEST(HetznerWire, AnOrderTellsItsTimeInAnyZone) {
  const auto order = ParseOrder(ServerChannel::kAuction, R"({"transaction":{"id":"B1-2-3",
    "date":"2026-11-21T12:30:43+01:00","status":"ready","server_number":"3100001",
    "server_ip":null,"authorized_key":[{"key":{"fingerprint":
    "15:28:B0:03:95:F0:77:B3:10:56:15:6B:77:22:A5:BB"}},null,{"key":null}],"host_key":[null,
    {"key":{"fingerprint":"SHA256:qz0a6yffQMFyVkOKbxsEWLl9yupXZupWpcZvOdIwAA0=",
    "type":"ED25519"}},{"key":{"fingerprint":""}},{"key":{"fingerprint":"short"}}],
    "product":{"id":3100001}}})");
  ASSERT_THAT(order, IsOk());
  EXPECT_EQ(order->ordered_at, absl::FromUnixSeconds(1795260643));
  EXPECT_EQ(order->server, ServerNumber("3100001"));
  EXPECT_THAT(order->key_fingerprints,
              ElementsAre("15:28:b0:03:95:f0:77:b3:10:56:15:6b:77:22:a5:bb"));
  EXPECT_THAT(order->host_keys, ElementsAre(HostKeyFingerprint{
                                    "ED25519", "qz0a6yffQMFyVkOKbxsEWLl9yupXZupWpcZvOdIwAA0"}));
}

TEST(HetznerWire, ResetKindsNobodyKnowsAreLeftOut) {
  EXPECT_THAT(*ParseResetKinds(R"({"reset":{"type":["sw","quantum","hw"]}})"),
              ElementsAre(ResetKind::kSoftware, ResetKind::kHardware));
  EXPECT_THAT(*ParseResetKinds(R"({"reset":{"type":"man"}})"), ElementsAre(ResetKind::kManual));
  EXPECT_THAT(*ParseResetKinds(R"({"reset":{}})"), IsEmpty());
}

TEST(HetznerWire, PasswordsAreFoundHoweverDeep) {
  EXPECT_THAT(SecretsIn(R"({"boot":{"rescue":{"password":"one-one"},"linux":null,
    "vnc":{"x":[{"password":"two-two"}]},"password":null}})"),
              testing::UnorderedElementsAre("one-one", "two-two"));
  EXPECT_THAT(SecretsIn("<html>password"), IsEmpty());
}

TEST(HetznerWire, AKeyIsComparedWithoutItsComment) {
  const std::string list = R"([{"key":{"data":"ssh-ed25519 AAAA"}}])";
  EXPECT_THAT(ListHoldsKey(list, "ssh-ed25519 AAAA somebody@here"), IsOkAndHolds(true));
  EXPECT_THAT(ListHoldsKey(list, "ssh-ed25519 AAAB"), IsOkAndHolds(false));
  EXPECT_THAT(ListHoldsKey(list, "AAAA"), IsOkAndHolds(false));
  EXPECT_FALSE(ListHoldsKey("{}", "ssh-ed25519 AAAA").ok());
}

TEST(HetznerWire, AMalformedAnswerNamesItsSizeAndNothingElse) {
  const std::string body = R"({"rescue":{"password":"hidden-word","active":7}})";
  const Status status = ParseRescue(body).status();
  EXPECT_EQ(TroubleOf(status), Trouble::kMalformed);
  EXPECT_THAT(std::string(Message(status)), testing::Not(HasSubstr("hidden")));
  EXPECT_THAT(std::string(Message(status)), HasSubstr(Cat(body.size(), " bytes")));
}

}  // namespace
}  // namespace muster::hetzner
