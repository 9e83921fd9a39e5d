#include "commands/replay/mask.h"

#include <google/protobuf/message.h>

#include "commands/fleet/plan/label.h"
#include "tests/commands/replay/hand_log.h"
#include "tests/commands/replay/planted.h"
#include "tests/support/pch.h"

namespace muster::replay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Mask NewMask() { return Mask({"RTX 3070", "RTX 3060"}, {"vast"}); }

TEST(Mask, LetsNoPlantedTextThroughWhateverFieldItIsIn) {
  int with_text = 0;
  for (const EventKind kind : AllEventKinds()) {
    eventpb::EventBody body;
    const auto* field = body.GetDescriptor()->FindFieldByNumber(kind);
    Plant(*body.GetReflection()->MutableMessage(&body, field));
    with_text += body.SerializeAsString().find(kPlanted) != std::string::npos ? 1 : 0;
    Mask mask = NewMask();
    const auto masked = mask.Event(StreamId("worker/k7f2q"), body);
    if (!masked.has_value()) continue;
    EXPECT_THAT(masked->body.SerializeAsString(), Not(HasSubstr(kPlanted)))
        << field->name() << "\n"
        << masked->body.DebugString();
  }
  EXPECT_GT(with_text, 35);  // most kinds hold some
}

TEST(Mask, LetsNoTextOfAPolicyThroughEither) {
  specpb::FleetSpec spec;
  Plant(spec);
  const specpb::FleetSpec masked = NewMask().Policy(spec);
  EXPECT_THAT(masked.SerializeAsString(), Not(HasSubstr(kPlanted))) << masked.DebugString();
}

TEST(Mask, ForgetsFieldsOfANewerMuster) {
  eventpb::EventBody body;
  body.mutable_credit_observed()
      ->GetReflection()
      ->MutableUnknownFields(body.mutable_credit_observed())
      ->AddLengthDelimited(99, std::string(kPlanted));
  const auto masked = NewMask().Event(StreamId("account/vast"), body);
  ASSERT_TRUE(masked.has_value());
  EXPECT_THAT(masked->body.SerializeAsString(), Not(HasSubstr(kPlanted)));
}

TEST(Mask, KeepsNumbersTimesAndWhatIsOfGeneralKnowledge) {
  eventpb::OffersObserved observed;
  *observed.add_offers() = HandOffer("31801284", "5512", 61'700);
  observed.mutable_offers(0)->set_location("Ohio, US");
  const auto masked = NewMask().Event(StreamId("account/vast"), Wrap(observed));
  ASSERT_TRUE(masked.has_value());
  const eventpb::OfferSeen& offer = masked->body.offers_observed().offers(0);
  EXPECT_EQ(offer.offer(), "31801284");
  EXPECT_EQ(offer.machine(), "5512");
  EXPECT_EQ(offer.gpu(), "RTX 3070");
  EXPECT_EQ(offer.location(), "US");
  EXPECT_EQ(offer.price_micro_usd_per_hour(), 61'700);
}

TEST(Mask, KeepsTheWordsThatAContainersStatusIsJudgedByAndNoOther) {
  eventpb::InstanceObserved seen;
  seen.set_status_message("Error: Manifest Unknown for https://u:hunter2@registry/x");
  const auto masked = NewMask().Event(StreamId("worker/k7f2q"), Wrap(seen));
  EXPECT_EQ(masked->body.instance_observed().status_message(), "manifest unknown");
}

// Measurements belong to a program; what names it is left out on both sides alike.
TEST(Mask, MeasurementsStillBelongToTheirProgram) {
  specpb::FleetSpec spec = HandSpec();
  (*spec.mutable_launch()->mutable_env())["MODE"] = "fast";
  eventpb::HostMeasured measured;
  measured.set_work_key(fleet::WorkKey(spec));
  Mask mask = NewMask();
  const auto masked = mask.Event(StreamId("host/vast/1"), Wrap(measured));
  EXPECT_EQ(masked->body.host_measured().work_key(), fleet::WorkKey(mask.Policy(spec)));
  spec.mutable_launch()->set_image("other");
  EXPECT_NE(masked->body.host_measured().work_key(), fleet::WorkKey(mask.Policy(spec)));
}

TEST(Mask, AStraysLabelStillNamesItsPlace) {
  specpb::FleetSpec spec = HandSpec();
  spec.mutable_launch()->set_label("secret-name-{index}-of-{fleet}");
  Mask mask = NewMask();
  eventpb::FleetApplied applied;
  *applied.mutable_spec() = spec;
  (void)mask.Event(StreamId("fleet/zeb"), Wrap(applied));
  mask.Know(StreamId("worker/k7f2q"));
  eventpb::OrphanFound found;
  found.set_label("secret-name-3-of-zeb.k7f2q");
  found.set_fleet("zeb");
  const auto masked = mask.Event(StreamId("account/vast"), Wrap(found));
  const std::string& label = masked->body.orphan_found().label();
  EXPECT_EQ(fleet::IndexFromLabel(mask.Policy(spec), label), 3);
  EXPECT_EQ(fleet::TokenIn(label), "k7f2q");
  EXPECT_THAT(label, Not(HasSubstr("secret")));
}

TEST(Mask, SaysWhoActedAndNotByName) {
  EXPECT_EQ(Mask::Actor("policy:zeb@v12"), "policy");
  EXPECT_EQ(Mask::Actor("operator:alice"), "operator");
  EXPECT_EQ(Mask::Actor("alice"), "other");
}

}  // namespace
}  // namespace muster::replay
