// What is chosen and what is refused: ranking, reservation, budgets, back-off.
#include "commands/fleet/plan/budget.h"
#include "commands/fleet/plan/ranking.h"
#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"

namespace muster::fleet {
namespace {

const TakenFn kFree = [](const Offer&) { return std::string(); };

// ---- ranking ----

TEST(Ranking, ByExpectedPricePerUnitOfWork) {
  Stage stage;
  const specpb::FleetSpec spec = Stage::Spec(1);
  const auto ranked = RankOffers(stage.world, spec,
                                 {Stage::MakeOffer("a", "RTX 3070", 60'000),   // 0.030
                                  Stage::MakeOffer("b", "RTX 4070", 75'000),   // 0.025
                                  Stage::MakeOffer("c", "RTX 3060", 42'000)},  // 0.028
                                 kFree, stage.now);
  ASSERT_EQ(ranked.size(), 3u);
  EXPECT_EQ(ranked[0].offer.id.str(), "b");
  EXPECT_EQ(ranked[1].offer.id.str(), "c");
  EXPECT_EQ(ranked[0].expected.from, "fleet table");
  EXPECT_EQ(ranked[1].expected.from, "gpu default");
}

TEST(Ranking, EachRefusalAtItsThreshold) {
  specpb::FleetSpec spec = Stage::Spec(1);
  specpb::Market& market = *spec.mutable_market();
  market.set_reliability_min(0.95);
  market.set_cuda_min(12.4);
  market.set_inet_down_mbps_min(100);
  market.set_inet_up_mbps_min(50);
  market.set_remaining_s_min(3600);
  market.add_countries("SE");
  struct Case {
    std::function<void(Offer&)> change;
    const char* verdict;
  };
  const Case cases[] = {
      {[](Offer&) {}, ""},
      {[](Offer& o) { o.price = MicroUsdPerHour(90'000); }, ""},
      {[](Offer& o) { o.price = MicroUsdPerHour(90'001); }, "price over $0.09/h"},
      {[](Offer& o) { o.price = MicroUsdPerHour(0); }, "no price"},
      {[](Offer& o) { o.reliability = 0.95; }, ""},
      {[](Offer& o) { o.reliability = 0.949; }, "reliability under 0.95"},
      {[](Offer& o) { o.cuda = 12.4; }, ""},
      {[](Offer& o) { o.cuda = 12.3; }, "CUDA under 12.4"},
      {[](Offer& o) { o.inet_down_mbps = 99; }, "download under 100 Mbit/s"},
      {[](Offer& o) { o.inet_up_mbps = 49; }, "upload under 50 Mbit/s"},
      {[](Offer& o) { o.remaining = absl::Seconds(3600); }, ""},
      {[](Offer& o) { o.remaining = absl::Seconds(3599); }, "offered for less than 1h00m"},
      {[](Offer& o) { o.disk_free_gb = 15; }, ""},
      {[](Offer& o) { o.disk_free_gb = 14.9; }, "less than 15 GB of disk"},
      {[](Offer& o) { o.gpus = 2; }, "2 GPUs"},
      {[](Offer& o) { o.gpu = GpuName("RTX 9090"); }, "GPU RTX 9090 not in the list"},
      {[](Offer& o) { o.location = ", US"; }, "country not in the list"},
  };
  for (const Case& one : cases) {
    Offer offer = Stage::MakeOffer("a", "RTX 3070", 60'000);
    one.change(offer);
    EXPECT_EQ(SpecRefusal(spec, offer), one.verdict);
  }
}

TEST(Ranking, ThreeLiveStrikesBlockAMachine) {
  for (const int strikes : {2, 3, 4}) {
    Stage stage;
    stage.Strike("ma", strikes);
    const auto ranked = RankOffers(stage.world, Stage::Spec(1),
                                   {Stage::MakeOffer("a", "RTX 3070", 60'000)}, kFree, stage.now);
    EXPECT_EQ(ranked[0].verdict, strikes < 3 ? "" : Cat(strikes, " strikes")) << strikes;
  }
}

void Measure(Stage& stage, const specpb::FleetSpec& spec, std::string_view machine, int times,
             double rate, bool booted = true) {
  static int worker = 0;
  for (int i = 0; i < times; ++i) {
    eventpb::HostMeasured measured;
    measured.set_worker(Cat("measured", worker++));
    measured.set_gpu("RTX 3070");
    measured.set_rate_per_s(rate);
    measured.set_producing_s(booted ? 3600 : 0);
    measured.set_booted(booted);
    measured.set_work_key(WorkKey(spec));
    stage.Fold(HostStream(kVast, MachineId(machine)), Wrap(measured));
  }
}

TEST(Ranking, OwnMeasurementsCountOnceThereAreEnough) {
  for (const int samples : {2, 3}) {
    Stage stage;
    const specpb::FleetSpec spec = Stage::Spec(1);
    Measure(stage, spec, "ma", samples, 3.4);
    const Expectation expected =
        Measurements(stage.world, spec).Of(Stage::MakeOffer("a", "RTX 3070", 60'000));
    EXPECT_DOUBLE_EQ(expected.rate_per_s, samples < 3 ? 2.0 : 3.4);
    EXPECT_EQ(expected.from, samples < 3 ? "fleet table" : "measured n=3");
    // What machines of this GPU did speaks for one that was never ours.
    const Expectation other =
        Measurements(stage.world, spec).Of(Stage::MakeOffer("b", "RTX 3070", 60'000));
    EXPECT_DOUBLE_EQ(other.rate_per_s, samples < 3 ? 2.0 : 3.4);
  }
}

TEST(Ranking, MeasurementsOfAnotherProgramSayNothing) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(1);
  Measure(stage, spec, "ma", 5, 3.4);
  (*spec.mutable_launch()->mutable_env())["WEIGHTS_NAME"] = "large-belief";
  EXPECT_EQ(Measurements(stage.world, spec).Of(Stage::MakeOffer("a", "RTX 3070", 60'000)).from,
            "fleet table");
}

TEST(Ranking, AMachineThatSeldomComesUpIsWorthLess) {
  Stage stage;
  const specpb::FleetSpec spec = Stage::Spec(1);
  Measure(stage, spec, "ma", 3, 2.0);
  Measure(stage, spec, "ma", 3, 0, /*booted=*/false);
  const Expectation expected =
      Measurements(stage.world, spec).Of(Stage::MakeOffer("a", "RTX 3070", 60'000));
  EXPECT_DOUBLE_EQ(expected.rate_per_s, 1.0);
  EXPECT_FALSE(expected.preferred);
}

TEST(Ranking, AMachineThatServedWellIsPreferred) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(1);
  spec.mutable_market()->set_preferred_bonus(0.10);
  Measure(stage, spec, "ma", 1, 2.0);
  for (const std::int64_t micros : {65'000, 67'000}) {  // 10 % above $0.06/h is $0.066/h
    const auto ranked = RankOffers(
        stage.world, spec,
        {Stage::MakeOffer("a", "RTX 3070", micros), Stage::MakeOffer("b", "RTX 3070", 60'000)},
        kFree, stage.now);
    EXPECT_EQ(ranked[0].offer.id.str(), micros < 66'000 ? "a" : "b") << micros;
  }
}

TEST(Ranking, AbsurdRatesAndPricesChooseNothing) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(1);
  spec.mutable_market()->set_rate_default_per_s(0);
  const auto ranked =
      RankOffers(stage.world, spec, {Stage::MakeOffer("a", "RTX 3060", 60'000)}, kFree, stage.now);
  EXPECT_EQ(ranked[0].verdict, "no expected rate");
}

// ---- budgets ----

TEST(Budget, PerHourAtItsEdge) {
  specpb::Budget budget;
  budget.set_per_hour_micro_usd(200'000);
  Money money;
  money.burn = MicroUsdPerHour(140'000);
  EXPECT_EQ(BudgetRefusal(budget, money, MicroUsdPerHour(60'000), "fleet zeb", At(0)), "");
  EXPECT_EQ(BudgetRefusal(budget, money, MicroUsdPerHour(60'001), "fleet zeb", At(0)),
            "fleet zeb per hour: $0.14/h + $0.06/h > $0.20/h");
}

TEST(Budget, PerDayCountsWhatRunsUntilMidnight) {
  specpb::Budget budget;
  budget.set_per_day_micro_usd(1'000'000);
  Money money;
  money.today = MicroUsd(400'000);
  money.burn = MicroUsdPerHour(100'000);
  const absl::Time now = NextMidnight(At(0)) - absl::Hours(3);
  EXPECT_EQ(BudgetRefusal(budget, money, MicroUsdPerHour(100'000), "fleet zeb", now), "");
  EXPECT_NE(BudgetRefusal(budget, money, MicroUsdPerHour(100'001), "fleet zeb", now), "");
}

TEST(Budget, TotalLeavesAnHour) {
  specpb::Budget budget;
  budget.set_total_micro_usd(1'000'000);
  Money money;
  money.total = MicroUsd(800'000);
  money.burn = MicroUsdPerHour(140'000);
  EXPECT_EQ(BudgetRefusal(budget, money, MicroUsdPerHour(60'000), "fleet zeb", At(0)), "");
  EXPECT_NE(BudgetRefusal(budget, money, MicroUsdPerHour(60'001), "fleet zeb", At(0)), "");
}

TEST(Budget, NoLimitRefusesNothing) {
  Money money;
  money.burn = MicroUsdPerHour(1'000'000'000);
  EXPECT_EQ(BudgetRefusal({}, money, MicroUsdPerHour(90'000), "fleet zeb", At(0)), "");
  EXPECT_EQ(BudgetBreach({}, money, "fleet zeb", At(0)), "");
}

TEST(Budget, LaunchesOfOnePassAreAddedUp) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(5);
  spec.mutable_budget()->set_per_hour_micro_usd(150'500);  // 50.0 + 50.1 + 50.2 = 150.3
  stage.Apply(spec);
  stage.Market(Stage::Plenty(9));
  EXPECT_EQ(stage.PlanAndCarry(), "replenish x3");
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.world.FindFleet(kZeb)->waits.at(0).kind(), eventpb::Wait::BUDGET);
}

TEST(Budget, TheAccountsLimitHoldsOverItsFleets) {
  Stage stage;
  stage.options.account_budgets[kVast].set_per_hour_micro_usd(160'000);
  stage.Apply(Stage::Spec(2, "zeb"));
  stage.Apply(Stage::Spec(2, "other"));
  stage.Market(Stage::Plenty(9));
  EXPECT_EQ(stage.PlanAndCarry(), "replenish x3");
}

// Found by the storm: nobody was given up for an account, so what ran spent past its limit.
TEST(Budget, WhatRunsIsGivenUpBeforeTheAccountsLimitIsReached) {
  Stage stage;
  stage.options.account_budgets[kVast].set_total_micro_usd(1'000'000);
  stage.Apply(Stage::Spec(2));
  stage.Market({});
  stage.AddHealthy(0, 2.0, 60'000, absl::Minutes(1));
  stage.AddHealthy(1, 2.0, 60'000, absl::Minutes(1));
  stage.now = At(0) + absl::Hours(8) + absl::Minutes(8);
  EXPECT_EQ(stage.Condemned(stage.Decisions()).size(), 0u);
  stage.now += absl::Minutes(2);
  // Once one is given up the other fits for ten minutes more.
  const auto condemned = stage.Condemned(stage.Decisions());
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_EQ(condemned.begin()->second.evidence().rule(), "over-budget");
  EXPECT_THAT(condemned.begin()->second.evidence().summary(), testing::HasSubstr("account vast"));
}

TEST(Budget, AnAccountGivesUpNoMoreThanItMust) {
  Stage stage;
  stage.options.account_budgets[kVast].set_per_hour_micro_usd(130'000);
  stage.Apply(Stage::Spec(2, "zeb"));
  stage.Market({});
  stage.AddHealthy(0, 2.0, 60'000, absl::Minutes(1));
  stage.AddHealthy(1, 2.0, 60'000, absl::Minutes(1));
  EXPECT_EQ(stage.Condemned(stage.Decisions()).size(), 0u);
  stage.options.account_budgets[kVast].set_per_hour_micro_usd(110'000);
  EXPECT_EQ(stage.Condemned(stage.Decisions()).size(), 1u);
}

// Found by the storm: a fleet gave up a worker for what another one, looked at later, gave up
// anyway.
TEST(Budget, NobodyIsGivenUpForAnAccountBecauseOfWhoGoesAnyway) {
  for (const bool taken_down : {false, true}) {
    Stage stage;
    stage.options.account_budgets[kVast].set_per_hour_micro_usd(200'000);
    stage.Apply(Stage::Spec(2, "aaa"));
    stage.Apply(Stage::Spec(1, "zeb"));
    stage.Market({});
    stage.AddHealthy(0, 2.0, 60'000, absl::Minutes(1), "aaa");
    stage.AddHealthy(1, 2.0, 60'000, absl::Minutes(1), "aaa");
    const WorkerId dear = stage.AddHealthy(0);
    EXPECT_EQ(stage.Condemned(stage.Decisions()).size(), 0u);
    stage.See(dear, ActualStatus::kRunning, 150'000);
    if (taken_down) stage.OnFleet(Down{"as the test says"});
    const auto condemned = stage.Condemned(stage.Decisions());
    ASSERT_EQ(condemned.size(), 1u) << taken_down;
    EXPECT_EQ(condemned.begin()->first, dear);
  }
}

TEST(Budget, WhatRunsIsGivenUpBeforeTheLimitIsReached) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(2);
  spec.mutable_budget()->set_total_micro_usd(1'000'000);
  stage.Apply(spec);
  stage.Market({});
  stage.AddHealthy(0, 2.0, 60'000, absl::Minutes(1));
  stage.AddHealthy(1, 2.0, 60'000, absl::Minutes(1));
  EXPECT_EQ(stage.Rules(), "nothing");
  // $0.12/h: a dollar lasts 8 h 20 min from the start a minute ago; 10 minutes earlier it ends.
  stage.now = At(0) + absl::Hours(8) + absl::Minutes(8);
  EXPECT_EQ(stage.Condemned(stage.Decisions()).size(), 0u);
  stage.now += absl::Minutes(2);
  for (const auto& [id, verdict] : stage.Condemned(stage.Decisions())) {
    EXPECT_EQ(verdict.evidence().rule(), "over-budget");
    EXPECT_FALSE(verdict.replace());
  }
  EXPECT_GE(stage.Condemned(stage.Decisions()).size(), 1u);
}

// ---- back-off ----

TEST(Backoff, GrowsWithRefusedLaunchesAndEndsWithAnAcceptedOne) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(30));
  absl::Duration pause = absl::Seconds(10);
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(stage.PlanAndCarry(), "replenish") << i;
    stage.Reject(stage.Launching().at(0), eventpb::LaunchRejected::REJECTED);
    stage.now += pause - absl::Seconds(1);
    ASSERT_EQ(stage.PlanAndCarry(), "nothing") << i;
    stage.now += absl::Seconds(1);
    pause *= 2;
  }
  ASSERT_EQ(stage.PlanAndCarry(), "replenish");
  stage.Accept(stage.Launching().at(0));
  stage.OnFleet(Scale{2});
  EXPECT_EQ(stage.PlanAndCarry(), "replenish");
}

TEST(Backoff, AfterRefusalsOneLaunchIsTriedBeforeTheOthersFollow) {
  Stage stage;
  stage.Apply(Stage::Spec(4));
  stage.Market(Stage::Plenty(30));
  ASSERT_EQ(stage.PlanAndCarry(), "replenish x4");
  for (const WorkerId& id : stage.Launching()) {
    stage.Reject(id, eventpb::LaunchRejected::UNAVAILABLE);
  }
  stage.now += absl::Seconds(80);
  EXPECT_EQ(stage.PlanAndCarry(), "replenish");
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.Accept(stage.Launching().at(0));
  EXPECT_EQ(stage.PlanAndCarry(), "replenish x3");
}

TEST(Backoff, WorkersThatFailAsFastAsTheyAreRentedAreNotRentedForEver) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  for (int i = 0; i < 6; ++i) {
    const WorkerId id = stage.AddHealthy(0);  // they begin well
    eventpb::WorkerCondemned ours = Verdict("broken-launch");
    ours.set_strike_weight(0);
    stage.OnWorker(id, worker::Condemn{std::move(ours)});
    stage.DestroyAccepted(id);
    EXPECT_EQ(stage.Rules(), i < 5 ? "replace" : "nothing") << i;
    stage.Gone(id);
  }
  EXPECT_EQ(stage.Waits(), "BUDGET");
  stage.now += absl::Hours(1);
  stage.Market(Stage::Plenty(3));
  EXPECT_EQ(stage.Rules(), "replenish");
}

TEST(Launches, OnlySoManyAreInFlightAtOnce) {
  Stage stage;
  stage.Apply(Stage::Spec(20));
  stage.Market(Stage::Plenty(40));
  EXPECT_EQ(stage.PlanAndCarry(), "replenish x8");
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.Accept(stage.Launching().at(0));
  EXPECT_EQ(stage.PlanAndCarry(), "replenish");
}

TEST(Launches, OldOffersAreNoOffers) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(3));
  stage.now += absl::Minutes(10);
  EXPECT_EQ(stage.Rules(), "replenish");
  stage.now += absl::Seconds(1);
  EXPECT_EQ(stage.Rules(), "nothing");
  EXPECT_EQ(stage.Waits(), "OFFERS");
}

// ---- labels ----

TEST(Labels, EndInTheTokenAndReadBack) {
  const specpb::FleetSpec spec = Stage::Spec(1);
  EXPECT_EQ(LabelFor(spec, 3, WorkerId("m7k2abcde")), "zeb-worker-vast-3.m7k2abcde");
  EXPECT_EQ(TokenIn("zeb-worker-vast-3.m7k2abcde"), "m7k2abcde");
  EXPECT_EQ(IndexFromLabel(spec, " zeb-worker-vast-3.m7k2abcde "), 3);
  EXPECT_EQ(IndexAfterPrefix("zeb-worker-vast-", "zeb-worker-vast-12"), 12);
  EXPECT_EQ(IndexAfterPrefix("zeb-worker-vast-", "zeb-worker-vast-"), std::nullopt);
  EXPECT_EQ(IndexAfterPrefix("zeb-", "zeb-large-3"), std::nullopt);
}

TEST(WorkKey, NamesTheProgramAndHoldsNoSecret) {
  specpb::FleetSpec spec = Stage::Spec(1);
  (*spec.mutable_launch()->mutable_env())["HF_TOKEN"] = "env:HF_TOKEN";
  const std::string key = WorkKey(spec);
  (*spec.mutable_launch()->mutable_env())["HF_TOKEN"] = "env:OTHER";
  EXPECT_EQ(WorkKey(spec), key);
  spec.mutable_launch()->set_onstart("echo a fix");
  EXPECT_EQ(WorkKey(spec), key);
  (*spec.mutable_launch()->mutable_env())["WEIGHTS_NAME"] = "large";
  EXPECT_NE(WorkKey(spec), key);
}

}  // namespace
}  // namespace muster::fleet
