#include "eventstore/events/account_events.h"
#include "eventstore/events/fleet_events.h"
#include "eventstore/events/host_events.h"
#include "eventstore/events/readable.h"
#include "eventstore/events/worker_events.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::ElementsAre;

TEST(Codec, EveryKindHasATypeNameOfItsOwnAndComesBack) {
  std::set<std::string_view> names;
  for (const EventKind kind : AllEventKinds()) {
    EXPECT_NE(TypeName(kind), "") << kind;
    EXPECT_TRUE(names.insert(TypeName(kind)).second) << TypeName(kind);
    eventpb::EventBody body;
    body.GetReflection()->MutableMessage(&body,
                                         eventpb::EventBody::descriptor()->FindFieldByNumber(kind));
    const auto decoded = DecodeEvent(TypeName(kind), EncodeEvent(body));
    ASSERT_THAT(decoded, IsOk());
    EXPECT_EQ(decoded->kind_case(), kind);
  }
}
TEST(Codec, RubbishIsDataLossAndAnUnknownKindIsUnimplemented) {
  EXPECT_THAT(DecodeEvent("x", "\xFF\xFF\xFF"), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(DecodeEvent("x", ""), StatusIs(StatusCode::kUnimplemented));
}
TEST(Codec, EveryTextIsMadeReadableHoweverDeep) {
  eventpb::FleetApplied applied;
  applied.mutable_spec()->set_name("z\xC3");
  applied.mutable_spec()->mutable_market()->add_countries("D\xFF");
  applied.mutable_spec()->mutable_market()->add_countries("DE");
  (*applied.mutable_spec()->mutable_launch()->mutable_env())["KEY"] = "\xED\xA0\x80";
  eventpb::EventBody body = Wrap(applied);
  MakeReadable(body);
  const auto decoded = DecodeEvent(TypeName(body.kind_case()), EncodeEvent(body));
  ASSERT_THAT(decoded, IsOk());
  const specpb::FleetSpec& spec = decoded->fleet_applied().spec();
  EXPECT_EQ(spec.name(), "z\uFFFD");
  EXPECT_THAT(spec.market().countries(), ElementsAre("D\uFFFD", "DE"));
  EXPECT_EQ(spec.launch().env().at("KEY"), "\uFFFD\uFFFD\uFFFD");
}
TEST(Codec, MapsAreWrittenInKeyOrder) {
  specpb::FleetSpec a, b;
  for (const char* key : {"A", "B", "C", "D"}) (*a.mutable_launch()->mutable_env())[key] = "1";
  for (const char* key : {"D", "B", "A", "C"}) (*b.mutable_launch()->mutable_env())[key] = "1";
  EXPECT_EQ(SpecDigest(a), SpecDigest(b));
  b.set_workers(1);
  EXPECT_NE(SpecDigest(a), SpecDigest(b));
}

TEST(Values, WrapPutsAMessageIntoItsKind) {
  eventpb::FleetScaled scaled;
  scaled.set_workers(3);
  const eventpb::EventBody body = Wrap(scaled);
  EXPECT_EQ(body.kind_case(), eventpb::EventBody::kFleetScaled);
  EXPECT_EQ(body.fleet_scaled().workers(), 3);
}
TEST(Values, EvidenceNamesEachPositionOnceAndNoneThatNeverWas) {
  const auto evidence =
      MakeEvidence("no-progress", "15m04s >= 15m", {MakeMeasure("since_progress", 904, 900, "s")},
                   {7, 0, 3, 7}, "zeb@v12");
  EXPECT_THAT(evidence.positions(), ElementsAre(3, 7));
  EXPECT_EQ(evidence.measures(0).threshold(), 900);
  EXPECT_EQ(evidence.policy_version(), "zeb@v12");
}
TEST(Values, NeverIsStoredAsZero) {
  EXPECT_EQ(ToStoredTime(absl::InfiniteFuture()), 0);
  EXPECT_EQ(ToStoredTime(absl::InfinitePast()), 0);
  EXPECT_EQ(FromStoredTime(0, absl::InfiniteFuture()), absl::InfiniteFuture());
  const absl::Time time = absl::FromUnixMicros(1'790'000'000'123'456);
  EXPECT_EQ(FromStoredTime(ToStoredTime(time), {}), time);
  EXPECT_EQ(Stored(time + absl::Nanoseconds(999)), time);
}
TEST(Values, ForeignTextIsMadeValidAndShort) {
  EXPECT_EQ(StoredText("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_LE(StoredText(std::string(9999, 'x')).size(), 512u);
}

TEST(AccountEvents, AnOfferComesBackAsItWas) {
  Offer offer;
  offer.id = OfferId("12345678");
  offer.machine = MachineId("5512");
  offer.host = "77";
  offer.gpu = GpuName("RTX 4070 Ti");
  offer.gpus = 2;
  offer.price = MicroUsdPerHour(81'000);
  offer.reliability = 0.99;
  offer.cuda = 12.4;
  offer.inet_down_mbps = 800;
  offer.inet_up_mbps = 200;
  offer.disk_free_gb = 120;
  offer.remaining = absl::Hours(48);
  offer.location = "Sweden, SE";
  const Offer back = ToOffer(MakeOfferSeen(offer));
  EXPECT_EQ(back.id, offer.id);
  EXPECT_EQ(back.machine, offer.machine);
  EXPECT_EQ(back.host, offer.host);
  EXPECT_EQ(back.gpu, offer.gpu);
  EXPECT_EQ(back.gpus, offer.gpus);
  EXPECT_EQ(back.price, offer.price);
  EXPECT_EQ(back.reliability, offer.reliability);
  EXPECT_EQ(back.cuda, offer.cuda);
  EXPECT_EQ(back.inet_down_mbps, offer.inet_down_mbps);
  EXPECT_EQ(back.inet_up_mbps, offer.inet_up_mbps);
  EXPECT_EQ(back.disk_free_gb, offer.disk_free_gb);
  EXPECT_EQ(back.remaining, offer.remaining);
  EXPECT_EQ(back.location, offer.location);
}
TEST(WorkerEvents, AnInstanceComesBackAndAnUnknownPriceIsNone) {
  Instance instance;
  instance.actual = ActualStatus::kOffline;
  instance.actual_raw = "offline";
  instance.intended_raw = "running";
  instance.status_message = "lost";
  instance.ssh_host = "ssh4.example";
  instance.ssh_port = 40022;
  instance.price = MicroUsdPerHour(5);
  instance.price_known = false;
  instance.label = "zeb-worker-vast-0.k7f2q";
  const Instance back = ToInstance(MakeInstanceObserved(instance));
  EXPECT_EQ(back.actual, instance.actual);
  EXPECT_EQ(back.actual_raw, instance.actual_raw);
  EXPECT_EQ(back.status_message, instance.status_message);
  EXPECT_EQ(back.ssh_port, instance.ssh_port);
  EXPECT_EQ(back.label, instance.label);
  EXPECT_FALSE(back.price_known);
  EXPECT_EQ(back.price, MicroUsdPerHour(0));
}
TEST(HostEvents, AStrikesCauseIsTheRuleOfItsEvidence) {
  const auto struck = MakeHostStruck(WorkerId("w"), FleetName("zeb"), 1, absl::InfiniteFuture(),
                                     MakeEvidence("no-progress", ""));
  EXPECT_EQ(struck.cause(), "no-progress");
  EXPECT_EQ(ExpiryOf(struck), absl::InfiniteFuture());
}

}  // namespace
}  // namespace muster
