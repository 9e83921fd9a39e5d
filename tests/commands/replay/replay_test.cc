#include "commands/replay/replay.h"

#include "eventstore/events/account_events.h"
#include "tests/commands/replay/hand_log.h"
#include "tests/support/pch.h"

namespace muster::replay {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Twelve events: one worker of $0.09/h is rented at noon, accepted ten seconds later, and is looked
// at until an hour after that. A cheaper machine is offered too, but dearer per hour than ...
//
//    1  12:00:00  fleet applied: 1 worker, at most $0.10/h
//    2  12:00:00  a complete list: nothing runs
//    3  12:00:00  offers: 101 at $0.09/h on machine 1 (RTX 3070), 102 at $0.095/h on machine 2
//    4  12:00:00  rented: offer 101                                   (policy, by 3)
//    5  12:00:10  accepted
//    6  12:00:10  seen running at $0.09/h
//    7  12:02:10  log: counter 1
//    8  12:05:10  log: counter 2      9  seen running
//   10  13:00:10  log: counter 60    11  seen running
//   12  13:00:10  offers as before
HandLog OneHour(const std::vector<eventpb::OfferSeen>& offers, bool marked = true) {
  HandLog log;
  log.Apply(HandSpec()).Listed().Offers(offers).Rent("k7f2q", offers[0], marked);
  log.After(absl::Seconds(10)).Accept("k7f2q", "900").See("k7f2q", 90'000);
  log.After(absl::Minutes(2)).Read("k7f2q", 1);
  log.After(absl::Minutes(3)).Read("k7f2q", 2).See("k7f2q", 90'000);
  log.After(absl::Minutes(55)).Read("k7f2q", 60).See("k7f2q", 90'000).Offers(offers);
  return log;
}
std::vector<eventpb::OfferSeen> TwoOffers() {
  return {HandOffer("101", "1", 90'000), HandOffer("102", "2", 95'000)};
}

TEST(Replay, TheSamePolicyDecidesTheSameAndGivesTheSameDigest) {
  HandLog log = OneHour(TwoOffers());
  ASSERT_EQ(log.head(), 12u);
  const Report none = log.Replayed(std::nullopt);
  EXPECT_EQ(none.decisions, 1);
  EXPECT_EQ(none.reproduced, 1);
  EXPECT_FALSE(none.first.has_value());
  EXPECT_EQ(none.digest, none.digest_replayed);
  EXPECT_EQ(none.live.spent, MicroUsd(90'000));  // 13:00:10 - 12:00:10 = 1 h at $0.09
  const Report same = log.With(HandSpec());
  EXPECT_FALSE(same.first.has_value());
  EXPECT_EQ(same.digest, none.digest);
  EXPECT_EQ(same.digest_replayed, none.digest);
  EXPECT_EQ(same.live_only + same.replayed_only, 0);
  EXPECT_EQ(same.replayed.spent, same.live.spent);
  EXPECT_THAT(same.model, IsEmpty());
}

// A cap of $0.08/h refuses both offers: live paid 1 h x $0.09/h = $0.09, the replay nothing.
TEST(Replay, ALowerCapThatRentsNothingSavesExactlyWhatWasPaid) {
  HandLog log = OneHour(TwoOffers());
  const Report report = log.With(HandSpec(80'000));
  ASSERT_TRUE(report.first.has_value());
  EXPECT_EQ(report.first->position, 3u);  // decided on the events up to 3, as 4 says
  EXPECT_EQ(report.first->at, Noon());
  ASSERT_THAT(report.first->live, SizeIs(1));
  EXPECT_EQ(report.first->live[0].position, 4u);
  EXPECT_EQ(report.first->live[0].rule, "replenish");
  EXPECT_THAT(report.first->live[0].text, HasSubstr("offer 101 at $0.09/h"));
  EXPECT_THAT(report.first->replayed, IsEmpty());
  EXPECT_EQ(report.first->spent, MicroUsd());
  EXPECT_EQ(report.live.spent, MicroUsd(90'000));
  EXPECT_EQ(report.replayed.spent, MicroUsd());
  EXPECT_EQ(report.live_only, 1);
  EXPECT_EQ(report.replayed_only, 0);
  EXPECT_NE(report.digest, report.digest_replayed);
}

// The live offer is 101 at $0.09/h with the default rate of 2/s. A second one at $0.06/h is not on
// the live list of GPUs' prices: it has to be cheaper per game to be chosen live, so here it is a
// GPU that only the new policy allows: RTX 3060 at $0.06/h.
//
//   live      accepted 12:00:10, 13:00:10 is the end:   3600 s x $0.09/h         = $0.0900
//   replayed  rented 12:00:00, accepted after the median of what was seen, 10 s:
//             12:00:10 to 13:00:10                      3600 s x $0.06/h         = $0.0600
//   difference                                                                    -$0.0300
TEST(Replay, AnotherMachineIsPaidFromTheMedianAcceptanceAtTheRecordedPrice) {
  std::vector<eventpb::OfferSeen> offers = TwoOffers();
  offers.push_back(HandOffer("103", "3", 60'000));
  offers[2].set_gpu("RTX 3060");
  HandLog log = OneHour(offers);
  specpb::FleetSpec spec = HandSpec(80'000);
  spec.mutable_market()->add_gpus()->set_name("RTX 3060");
  const Report report = log.With(spec);
  ASSERT_TRUE(report.first.has_value());
  ASSERT_THAT(report.first->replayed, SizeIs(1));
  EXPECT_THAT(report.first->replayed[0].text, HasSubstr("offer 103 at $0.06/h"));
  EXPECT_EQ(report.live.spent, MicroUsd(90'000));
  EXPECT_EQ(report.replayed.spent, MicroUsd(60'000));
  EXPECT_EQ(report.replayed.tally.launches, 1);
  EXPECT_EQ(report.replayed.running, 1);
  EXPECT_EQ(report.replayed.burn, MicroUsdPerHour(60'000));
  ASSERT_THAT(report.model, SizeIs(3));
  EXPECT_THAT(report.model[2], HasSubstr("accepted after 10s, the median of 1 seen"));
  EXPECT_THAT(report.unknown, Contains(HasSubstr("were never searched for")));
}

// One worker more: the second offer, $0.095/h, is rented beside the first, which goes on as
// recorded. From 12:00:10 (median acceptance) to 13:00:10: $0.095. Live $0.09, replayed $0.185.
TEST(Replay, OneWorkerMoreIsRentedBesideTheOneOfTheLog) {
  HandLog log = OneHour(TwoOffers());
  const Report report = log.With(HandSpec(100'000, 2));
  ASSERT_TRUE(report.first.has_value());
  EXPECT_THAT(report.first->live, IsEmpty());
  ASSERT_THAT(report.first->replayed, SizeIs(1));
  EXPECT_THAT(report.first->replayed[0].text, HasSubstr("offer 102"));
  EXPECT_EQ(report.both, 1);
  EXPECT_EQ(report.replayed.spent, MicroUsd(185'000));
  EXPECT_EQ(report.replayed.running, 2);
}

// No worker at all: nothing is rented, as with the lower cap.
TEST(Replay, NoWorkersCostNothing) {
  HandLog log = OneHour(TwoOffers());
  const Report report = log.With(HandSpec(100'000, 0));
  ASSERT_TRUE(report.first.has_value());
  EXPECT_EQ(report.replayed.spent, MicroUsd());
}

// The worker's counter stands still from 12:05:10 on, and live nobody minds for 15 minutes. A
// policy that gives it three minutes ends it at the first look that shows as much: 12:10:10, five
// minutes after the counter last grew. It is gone after the default minute, at 12:11:10, having run
// for 11 min: 660 s x $0.09/h = $0.0165. Another is rented as soon as the order is taken, five
// seconds later by default, 12:10:15: offer 102, since the machine of 101 failed within the hour.
// Accepted after the median of 10 s, 12:10:25, it runs to the end, 12:15:10: 285 s x $0.095/h =
// $0.0075208, rounded up to $0.007521. Live: 15 min, $0.0225. Difference: $0.001521 more.
TEST(Replay, AShorterClockEndsAWorkerAtTheLookThatShowsIt) {
  HandLog log;
  const auto offers = TwoOffers();
  log.Apply(HandSpec()).Listed().Offers(offers).Rent("k7f2q", offers[0]);
  log.After(absl::Seconds(10)).Accept("k7f2q", "900").See("k7f2q", 90'000);
  log.After(absl::Minutes(2)).Read("k7f2q", 1);
  log.After(absl::Minutes(3)).Read("k7f2q", 2).See("k7f2q", 90'000).Offers(offers);
  log.After(absl::Minutes(5)).Read("k7f2q", 2).See("k7f2q", 90'000).Offers(offers);
  log.After(absl::Minutes(5)).Read("k7f2q", 2).See("k7f2q", 90'000).Offers(offers);
  specpb::FleetSpec spec = HandSpec();
  spec.mutable_timers()->set_no_progress_s(180);
  const Report report = log.With(spec);
  ASSERT_TRUE(report.first.has_value());
  EXPECT_EQ(report.first->at, Noon() + absl::Seconds(610));
  ASSERT_THAT(report.first->replayed, SizeIs(1));
  EXPECT_EQ(report.first->replayed[0].rule, "no-progress");
  EXPECT_THAT(report.first->replayed[0].evidence.summary(), HasSubstr("5m"));
  EXPECT_EQ(report.first->spent, MicroUsd(15'000));  // 600 s x $0.09/h
  EXPECT_EQ(report.live.spent, MicroUsd(22'500));
  EXPECT_EQ(report.replayed.spent, MicroUsd(16'500 + 7'521));
  EXPECT_THAT(report.unknown, Contains(HasSubstr("every five minutes only")));
}

TEST(Replay, TwoReplaysOfOneLogAreAlikeToTheLastDigit) {
  HandLog log = OneHour(TwoOffers());
  const Report a = log.With(HandSpec(100'000, 2)), b = log.With(HandSpec(100'000, 2));
  EXPECT_EQ(a.digest_replayed, b.digest_replayed);
  EXPECT_EQ(a.replayed.spent, b.replayed.spent);
  EXPECT_EQ(a.moments, b.moments);
}

TEST(Replay, ADecisionThatTheCodeDoesNotMakeIsNotReproduced) {
  HandLog log;
  const auto offers = TwoOffers();
  // Live is said to have taken the dearer one.
  log.Apply(HandSpec()).Listed().Offers(offers).Rent("k7f2q", offers[1]);
  log.After(absl::Seconds(10)).Accept("k7f2q", "900");
  const Report report = log.Replayed(std::nullopt);
  EXPECT_EQ(report.decisions, 1);
  EXPECT_EQ(report.reproduced, 0);
  ASSERT_THAT(report.unreproduced, SizeIs(1));
  EXPECT_EQ(report.unreproduced[0].position, 4u);
  EXPECT_NE(report.digest, report.digest_replayed);
}

TEST(Replay, AnOlderLogWithoutMarksIsReplayedByItsDecisionsTimes) {
  HandLog log = OneHour(TwoOffers(), /*marked=*/false);
  const Report report = log.With(HandSpec());
  EXPECT_EQ(report.reproduced, 1);
  EXPECT_FALSE(report.first.has_value());
  EXPECT_EQ(report.digest, report.digest_replayed);
  EXPECT_THAT(report.unknown, Contains(HasSubstr("1 pass of an older muster")));
}

TEST(Replay, WhereMusterDidNotRunNobodyDecides) {
  HandLog log;
  log.Apply(HandSpec(100'000, 0)).Listed();
  log.After(absl::Hours(24 * 30)).Listed();
  const Report report = log.With(HandSpec(100'000, 0));
  EXPECT_LT(report.moments, 30);
}

TEST(Replay, AnOperatorsScalingStaysUnlessTheFileSaysOtherwise) {
  HandLog log;
  const auto offers = TwoOffers();
  log.Apply(HandSpec()).Listed();
  eventpb::FleetScaled scaled;
  scaled.set_workers(0);
  scaled.set_workers_before(1);
  log.Add("fleet/zeb", scaled).After(absl::Seconds(30)).Offers(offers);
  EXPECT_FALSE(log.With(HandSpec()).first.has_value());
  EXPECT_FALSE(log.With(HandSpec(100'000, 5)).first.has_value());  // scaled afterwards
}

TEST(PassMark, IsReadBackAndNothingElseIs) {
  const PassMark mark{48197, absl::FromUnixMicros(1'763'743'987'123'456)};
  EXPECT_EQ(PassMarkText(mark), "pass/48197/1763743987123456");
  EXPECT_EQ(PassMarkOf(PassMarkText(mark)), mark);
  for (const char* other : {"", "request/7", "pass/", "pass/1", "pass/1/", "pass/x/1", "pass/1/2x",
                            "pass/99999999999999999999999/1"}) {
    EXPECT_EQ(PassMarkOf(other), std::nullopt) << other;
  }
}

TEST(ActDigest, DependsOnMomentLineAndOrder) {
  Act a, b;
  a.line = "a";
  b.line = "b";
  const auto of = [](std::vector<std::pair<std::uint64_t, Act>> acts) {
    ActDigest digest;
    for (const auto& [moment, act] : acts) digest.Add(moment, act);
    return digest.Hex();
  };
  EXPECT_EQ(of({{1, a}, {2, b}}), of({{1, a}, {2, b}}));
  EXPECT_NE(of({{1, a}, {2, b}}), of({{2, a}, {2, b}}));
  EXPECT_NE(of({{1, a}, {1, b}}), of({{1, b}, {1, a}}));
  EXPECT_NE(of({}), of({{1, a}}));
}

TEST(ShownId, NumbersPassAndNothingElseDoes) {
  EXPECT_EQ(ShownId("31801284"), "31801284");
  EXPECT_EQ(ShownId(""), "");
  EXPECT_EQ(ShownId("sk-secret").size(), 11u);
  EXPECT_NE(ShownId("sk-secret"), ShownId("sk-secreu"));
  EXPECT_EQ(ShownId("123456789012345678901").substr(0, 1), "x");
}

}  // namespace
}  // namespace muster::replay
