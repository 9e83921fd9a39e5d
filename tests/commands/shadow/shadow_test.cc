// Decisions of a candidate beside those of the live policy, on one World.
#include "commands/shadow/commands.h"
#include "commands/shadow/compare.h"
#include "commands/shadow/money.h"
#include "commands/shadow/view.h"
#include "commands/snapshot.h"
#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"

namespace muster::shadow {
namespace {

using fleet::kZeb;
using fleet::Stage;
using Kind = eventpb::ShadowDisagreed;
using ::testing::HasSubstr;

class ShadowTest : public testing::Test {
 protected:
  void Begin(const specpb::FleetSpec& candidate) {
    Start start;
    start.candidate = candidate;
    start.live_spent = SpentByFleet(stage_.world, kZeb, stage_.now).total;
    Do(std::move(start));
  }
  StatusOr<Events> Try(const Command& command) {
    State none;
    none.fleet = kZeb;
    const State* known = stage_.world.FindShadow(kZeb);
    return Decide(known == nullptr ? none : *known, command, {stage_.now});
  }
  void Do(const Command& command) { stage_.FoldAll(ShadowStream(kZeb), Try(command)); }
  const State& shadow() { return *stage_.world.FindShadow(kZeb); }
  // One look of the live policy: compared, recorded, then carried out.
  std::string Look() {
    const fleet::PlanResult live = stage_.Decisions();
    const Comparison came = Compare({stage_.world, live, stage_.options, stage_.now}, shadow());
    agreements_ += came.agreements;
    unrecorded_ += came.unrecorded;
    std::string text;
    for (const eventpb::EventBody& body : came.events) {
      const std::string what =
          body.has_shadow_resolved()
              ? Cat(eventpb::ShadowResolved::Side_Name(body.shadow_resolved().side()), " over")
              : Cat(Kind::Kind_Name(body.shadow_disagreed().kind()), " ",
                    body.shadow_disagreed().rule());
      text += Cat(text.empty() ? "" : ", ", what);
    }
    Do(Record{shadow().started.position, came.events});
    stage_.Carry(live);
    return text.empty() ? "nothing" : text;
  }
  void Wait(absl::Duration span) { stage_.now += span; }

  Stage stage_;
  int agreements_ = 0;
  int unrecorded_ = 0;
};

TEST_F(ShadowTest, ASecondOneIsRefusedUntilTheFirstHasEnded) {
  stage_.Apply(Stage::Spec(2));
  Begin(Stage::Spec(3));
  EXPECT_EQ(Kinds(Try(Start{Stage::Spec(4)})), "FAILED_PRECONDITION");
  EXPECT_EQ(Kinds(Try(End{})), "shadow.ended");
  Do(End{});
  EXPECT_FALSE(shadow().running);
  EXPECT_EQ(Kinds(Try(End{})), "NOT_FOUND");
  EXPECT_EQ(Kinds(Try(Start{Stage::Spec(4)})), "shadow.started");
}

TEST_F(ShadowTest, WhatWasComparedForAnotherShadowIsNotRecorded) {
  stage_.Apply(Stage::Spec(2));
  Begin(Stage::Spec(3));
  const std::uint64_t first = shadow().started.position;
  const Events events = {Wrap(eventpb::ShadowCounted())};
  EXPECT_EQ(Kinds(Try(Record{first, events})), "shadow.counted");
  Do(End{});
  EXPECT_EQ(Kinds(Try(Record{first, events})), "nothing");
  Begin(Stage::Spec(4));
  EXPECT_EQ(Kinds(Try(Record{first, events})), "nothing");
}

TEST_F(ShadowTest, TheSameSpecAgrees) {
  stage_.Apply(Stage::Spec(3));
  Begin(Stage::Spec(3));
  stage_.Market(Stage::Plenty(9));
  EXPECT_EQ(Look(), "nothing");
  EXPECT_EQ(agreements_, 3);
}

TEST_F(ShadowTest, ALowerCapWouldNotRentAndSaysWhy) {
  stage_.Apply(Stage::Spec(1));
  specpb::FleetSpec candidate = Stage::Spec(1);
  candidate.mutable_market()->set_price_max_micro_usd_per_hour(40'000);
  Begin(candidate);
  stage_.Market(Stage::Plenty(9));
  EXPECT_EQ(Look(), "WOULD_NOT_RENT replenish");
  const Kind what = shadow().open.begin()->second.what;
  EXPECT_EQ(what.live_offer().offer(), "o0");
  EXPECT_THAT(what.why_not(), HasSubstr("price over $0.04/h"));
  EXPECT_GT(what.live_evidence().positions_size(), 0);
  // The worker that came of it is none of the candidate's, and it says so only once.
  Wait(absl::Minutes(1));
  EXPECT_EQ(Look(), "nothing");
  EXPECT_TRUE(CandidateWorld(stage_.world, shadow(), stage_.now).open_by_fleet.empty());
}

TEST_F(ShadowTest, AnotherOfferIsOneDisagreementThatLastsAsLongAsEither) {
  stage_.Apply(Stage::Spec(1));
  specpb::FleetSpec candidate = Stage::Spec(1);
  candidate.mutable_market()->mutable_gpus(0)->set_rate_per_s(0.1);  // thinks little of 3070s
  Begin(candidate);
  stage_.Market(
      {Stage::MakeOffer("a", "RTX 3070", 50'000), Stage::MakeOffer("b", "RTX 4070", 80'000)});
  EXPECT_EQ(Look(), "WOULD_RENT_OTHER replenish");
  const WorkerId live = stage_.Launching().at(0);
  stage_.Accept(live);
  Wait(absl::Hours(1));
  EXPECT_EQ(Difference(stage_.world, shadow(), stage_.now).total, MicroUsd(30'000));
  Do(Record{shadow().started.position, {}});
  stage_.Gone(live, eventpb::WorkerEnded::VANISHED);
  stage_.Market({});
  EXPECT_EQ(Look(), "LIVE over");
  ASSERT_EQ(shadow().open.size(), 1u);
  Wait(absl::Hours(1));
  EXPECT_EQ(Difference(stage_.world, shadow(), stage_.now).total, MicroUsd(110'000));
}

TEST_F(ShadowTest, MoreWorkersAreRentedInTheBookOnce) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market(Stage::Plenty(9));
  stage_.AddHealthy(0);
  Begin(Stage::Spec(3));
  EXPECT_EQ(Look(), "WOULD_RENT replenish, WOULD_RENT replenish");
  EXPECT_EQ(Look(), "nothing");
  Wait(absl::Hours(1));
  EXPECT_EQ(Difference(stage_.world, shadow(), stage_.now).total, MicroUsd(50'000 + 50'100));
  EXPECT_EQ(shadow().by_rule.at("replenish").count, 2);
}

TEST_F(ShadowTest, FewerWorkersAreEndedInTheBookUntilTheLiveFleetFollows) {
  stage_.Apply(Stage::Spec(2));
  stage_.Market({});
  const WorkerId kept = stage_.AddHealthy(0, 2.0, 60'000, absl::Hours(2));
  const WorkerId ended = stage_.AddHealthy(1, 2.0, 70'000, absl::Hours(2));
  Begin(Stage::Spec(1));
  EXPECT_EQ(Look(), "WOULD_END downscale");
  EXPECT_EQ(shadow().open.begin()->second.what.worker(), ended.str());
  Wait(absl::Hours(1));
  stage_.Produce(kept, 2.0, 60'000);
  stage_.Produce(ended, 2.0, 70'000);
  EXPECT_EQ(Look(), "nothing");
  EXPECT_EQ(Difference(stage_.world, shadow(), stage_.now).total, MicroUsd(-70'000));
  stage_.OnFleet(fleet::Scale{1});
  EXPECT_EQ(Look(), "nothing");  // the live policy ends it too
  stage_.Gone(ended);
  EXPECT_EQ(Look(), "LIVE over");
  EXPECT_TRUE(shadow().open.empty());
  Wait(absl::Hours(1));
  EXPECT_EQ(Difference(stage_.world, shadow(), stage_.now).total, MicroUsd(-70'000));
}

TEST_F(ShadowTest, AWorkerThatIsOnlyTooDearRunsOnInTheBook) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market({});
  const WorkerId dear = stage_.AddHealthy(0, 2.0, 95'000, absl::Hours(2));
  specpb::FleetSpec candidate = Stage::Spec(1);
  candidate.mutable_market()->set_price_max_micro_usd_per_hour(120'000);
  Begin(candidate);
  EXPECT_EQ(Look(), "WOULD_KEEP over-cost");
  stage_.DestroyAccepted(dear);
  stage_.Gone(dear);
  Wait(absl::Hours(1));
  EXPECT_EQ(Look(), "LIVE over");
  EXPECT_EQ(Difference(stage_.world, shadow(), stage_.now).total, MicroUsd(95'000));
  const World view = CandidateWorld(stage_.world, shadow(), stage_.now);
  EXPECT_EQ(view.open_by_fleet.at(kZeb).count(dear), 1u);
}

TEST_F(ShadowTest, AWorkerThatFailedIsGoneForBothWhoeverHadMorePatience) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market({});
  const WorkerId stuck = stage_.AddHealthy(0, 2.0, 60'000, absl::Hours(2));
  specpb::FleetSpec candidate = Stage::Spec(1);
  candidate.mutable_timers()->set_no_progress_s(7200);
  Begin(candidate);
  Wait(absl::Minutes(16));
  stage_.See(stuck);
  stage_.Log(stuck, LogFacts("producing", 2));
  EXPECT_EQ(Look(), "WOULD_KEEP no-progress");
  stage_.DestroyAccepted(stuck);
  stage_.Gone(stuck);
  EXPECT_EQ(Look(), "LIVE over");
  EXPECT_EQ(Difference(stage_.world, shadow(), stage_.now).total, MicroUsd(0));
  EXPECT_TRUE(CandidateWorld(stage_.world, shadow(), stage_.now).open_by_fleet.empty());
}

TEST_F(ShadowTest, WhatIsRentedInTruthStandsForWhatWasSupposed) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market(Stage::Plenty(4));
  const WorkerId stuck = stage_.AddHealthy(0, 2.0, 60'000, absl::Hours(2));
  specpb::FleetSpec candidate = Stage::Spec(1);
  candidate.mutable_timers()->set_no_progress_s(300);
  Begin(candidate);
  Wait(absl::Minutes(8));
  stage_.See(stuck);
  stage_.Log(stuck, LogFacts("producing", 2));
  EXPECT_EQ(Look(), "WOULD_END no-progress");
  EXPECT_EQ(Look(), "WOULD_RENT replace");
  Wait(absl::Minutes(8));
  stage_.Market(Stage::Plenty(4));
  stage_.See(stuck);
  stage_.Log(stuck, LogFacts("producing", 2));
  EXPECT_EQ(Look(), "nothing");  // the live policy ends it
  stage_.DestroyAccepted(stuck);
  stage_.Gone(stuck);
  EXPECT_EQ(Look(), "LIVE over, CANDIDATE over");
  EXPECT_TRUE(shadow().open.empty());
  ASSERT_EQ(stage_.Launching().size(), 1u);
}

TEST_F(ShadowTest, TheVeryOfferThatWasSupposedStandsForItWhateverItsPlace) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market({Stage::MakeOffer("a", "RTX 3070", 50'000)});
  const WorkerId failing = stage_.AddHealthy(0, 2.0, 60'000, absl::Hours(2));
  Begin(Stage::Spec(2));
  EXPECT_EQ(Look(), "WOULD_RENT replenish");
  stage_.Gone(failing, eventpb::WorkerEnded::VANISHED);
  EXPECT_EQ(Look(), "CANDIDATE over");
  EXPECT_TRUE(shadow().open.empty());
  EXPECT_EQ(CandidateWorld(stage_.world, shadow(), stage_.now).open_by_fleet.at(kZeb).size(), 1u);
}

TEST_F(ShadowTest, ABudgetIsHeldAgainstWhatTheCandidateWouldHaveSpent) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market(Stage::Plenty(9));
  stage_.AddHealthy(0);
  specpb::FleetSpec candidate = Stage::Spec(4);
  candidate.mutable_budget()->set_per_hour_micro_usd(170'000);
  Begin(candidate);
  EXPECT_EQ(Look(), "WOULD_RENT replenish, WOULD_RENT replenish");  // 0.06 + 0.05 + 0.0501
  Wait(absl::Minutes(1));
  EXPECT_EQ(Look(), "nothing");
}

TEST_F(ShadowTest, AnHourHasItsNumberOfDisagreements) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market(Stage::Plenty(9));
  stage_.AddHealthy(0);
  Begin(Stage::Spec(3));
  Kind one;
  one.set_kind(Kind::WOULD_END);
  one.set_rule("no-progress");
  one.set_worker("gone");
  one.set_at_us(ToStoredTime(stage_.now));
  for (int i = 1; i < kPerHourMax; ++i) {
    one.set_number(i);
    Do(Record{shadow().started.position, {Wrap(one)}});
  }
  Look();
  EXPECT_EQ(shadow().disagreements, kPerHourMax);
  EXPECT_EQ(unrecorded_, 1);
  Wait(absl::Minutes(59));
  stage_.Market(Stage::Plenty(9));
  EXPECT_EQ(Look(), "nothing");
  Wait(absl::Minutes(1));
  EXPECT_EQ(Look(), "WOULD_RENT replenish");
}

TEST_F(ShadowTest, ExamplesAreTheNewestThree) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market(Stage::Plenty(9));
  stage_.AddHealthy(0);
  Begin(Stage::Spec(6));
  Look();
  const RuleCount& replenish = shadow().by_rule.at("replenish");
  EXPECT_EQ(replenish.count, 5);
  ASSERT_EQ(replenish.newest.size(), 3u);
  EXPECT_EQ(replenish.newest[0].number, 5);
  EXPECT_GT(replenish.newest[0].at.position, 0u);
  EXPECT_FALSE(replenish.newest[0].evidence.empty());
  EXPECT_THAT(replenish.newest[0].text,
              HasSubstr("live: no launch (it has 1 of 1 worker); candidate would rent RTX 3070"));
}

TEST_F(ShadowTest, ASnapshotHoldsTheBook) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market(Stage::Plenty(9));
  stage_.AddHealthy(0);
  Begin(Stage::Spec(3));
  Look();
  const auto parsed = ParseWorld(SerializeWorld(stage_.world));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(Digest(*parsed), Digest(stage_.world));
  EXPECT_EQ(parsed->FindShadow(kZeb)->open.size(), 2u);
}

TEST_F(ShadowTest, NothingElseOfTheWorldMoves) {
  stage_.Apply(Stage::Spec(1));
  stage_.Market(Stage::Plenty(9));
  stage_.AddHealthy(0);
  const auto bare = [&] {
    World copy = stage_.world.Copy();
    copy.head = 0;
    return Digest(copy);
  };
  const std::string before = bare();
  Begin(Stage::Spec(3));
  const fleet::PlanResult live = stage_.Decisions();
  const Comparison came = Compare({stage_.world, live, stage_.options, stage_.now}, shadow());
  Wait(absl::Hours(5));
  Do(Record{shadow().started.position, came.events});
  Do(End{});
  EXPECT_EQ(bare(), before);
}

}  // namespace
}  // namespace muster::shadow
