// The plan as a whole: order, idempotence, and a board that is kept up to date.
#include "commands/fleet/plan/plan.h"

#include "eventstore/base/rng.h"
#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"

namespace muster::fleet {
namespace {

TEST(FleetPlan, FillsAnAppliedFleet) {
  Stage stage;
  stage.Apply(Stage::Spec(4));
  stage.Market(Stage::Plenty(10));
  EXPECT_EQ(stage.PlanAndCarry(), "replenish x4");
  std::set<int> indexes;
  for (const WorkerId& id : stage.Launching()) {
    indexes.insert(stage.world.FindWorker(id)->identity.index);
  }
  EXPECT_EQ(indexes, (std::set<int>{0, 1, 2, 3}));
}

TEST(FleetPlan, PlannedTwiceOnTheSameStateGivesNothing) {
  Stage stage;
  specpb::FleetSpec spec = Stage::Spec(6);
  spec.mutable_quota()->set_name("huggingface-commits");
  stage.Apply(spec);
  stage.Market(Stage::Plenty(20));
  const WorkerId stuck = stage.AddLive(0);
  stage.AddHealthy(1);
  stage.AddHealthy(1);  // a duplicate
  stage.AddHealthy(9);  // out of range
  stage.now = At(0);
  stage.See(stuck);
  stage.Log(stuck, LogFacts("setup"));
  stage.now = At(700);
  stage.Log(stuck, LogFacts("setup"));
  for (int i = 0; i < 4; ++i) stage.PlanAndCarry();
  EXPECT_TRUE(stage.Decisions().decisions.empty());
}

TEST(FleetPlan, FailuresComeBeforeReplenishing) {
  Stage stage;
  stage.Apply(Stage::Spec(3));
  stage.Market(Stage::Plenty(5));
  const WorkerId dear = stage.AddLive(0);
  stage.See(dear, ActualStatus::kRunning, 95'000);
  stage.AddHealthy(1);
  EXPECT_EQ(stage.Rules(), "over-cost replenish");
}

TEST(FleetPlan, AReplacementWaitsUntilTheProviderTookTheDestroy) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  const WorkerId dear = stage.AddLive(0);
  stage.See(dear, ActualStatus::kRunning, 95'000);
  EXPECT_EQ(stage.PlanAndCarry(), "over-cost");
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.DestroyAccepted(dear);
  const PlanResult plan = stage.Decisions();
  ASSERT_EQ(stage.Launches(plan).size(), 1u);
  EXPECT_EQ(stage.Launches(plan)[0].replaces(), dear.str());
  EXPECT_EQ(stage.Launches(plan)[0].index(), 0);
  EXPECT_EQ(stage.Launches(plan)[0].evidence().rule(), "replace");
}

TEST(FleetPlan, EveryChangeOfWhatIsRentedCarriesItsEvidence) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market(Stage::Plenty(5));
  const WorkerId dear = stage.AddLive(0);
  stage.See(dear, ActualStatus::kRunning, 95'000);
  const PlanResult plan = stage.Decisions();
  for (const auto& launch : stage.Launches(plan)) {
    EXPECT_FALSE(launch.evidence().summary().empty());
    EXPECT_GE(launch.evidence().positions_size(), 2);
    for (const std::uint64_t position : launch.evidence().positions()) {
      EXPECT_LE(position, stage.world.head);
    }
    EXPECT_EQ(launch.evidence().policy_version(), "zeb@v1");
  }
  for (const auto& [id, verdict] : stage.Condemned(plan)) {
    EXPECT_GE(verdict.evidence().positions_size(), 1);
    EXPECT_GE(verdict.evidence().measures_size(), 1);
  }
}

TEST(FleetPlan, ExcessIsGivenUpOnceThoughTheDestroyIsNotAnsweredYet) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market(Stage::Plenty(5));
  for (int i = 0; i < 3; ++i) stage.AddHealthy(i);
  EXPECT_EQ(stage.PlanAndCarry(), "downscale");
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
}

TEST(FleetPlan, DownDestroysAllAndThenEndsTheFleet) {
  Stage stage;
  stage.Apply(Stage::Spec(2));
  stage.Market(Stage::Plenty(5));
  const WorkerId a = stage.AddHealthy(0);
  const WorkerId b = stage.AddLive(1);
  stage.OnFleet(Down{"enough"});
  EXPECT_EQ(stage.PlanAndCarry(), "down x2");
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.Gone(a);
  EXPECT_EQ(stage.Rules(), "nothing");
  stage.Gone(b);
  EXPECT_EQ(stage.PlanAndCarry(), "end");
  EXPECT_TRUE(stage.world.FindFleet(kZeb)->ended);
  EXPECT_EQ(stage.Rules(), "nothing");
}

TEST(FleetPlan, ALaunchUnderWayWhenTheFleetGoesDownIsDestroyedOnceItIsSettled) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market(Stage::Plenty(5));
  stage.PlanAndCarry();
  const WorkerId id = stage.Launching().at(0);
  stage.OnFleet(Down{"enough"});
  EXPECT_EQ(stage.PlanAndCarry(), "nothing");
  stage.Accept(id);
  EXPECT_EQ(stage.PlanAndCarry(), "down");
}

TEST(FleetPlan, NewsOfHealthAreWrittenOnce) {
  Stage stage;
  stage.Apply(Stage::Spec(1));
  stage.Market({});
  const WorkerId id = stage.AddHealthy(0);
  stage.Carry(stage.Decisions());
  EXPECT_EQ(stage.world.FindWorker(id)->live()->health, eventpb::WorkerHealthChanged::HEALTHY);
  EXPECT_EQ(stage.world.FindFleet(kZeb)->healthy_seen, 1);
  EXPECT_TRUE(stage.Decisions().decisions.empty());
}

std::string Describe(const PlanResult& plan) {
  std::string text;
  for (const Decision& decision : plan.decisions) {
    text += decision.rule;
    if (const auto* act = std::get_if<ForWorker>(&decision.act)) text += act->worker.str();
    if (const auto* act = std::get_if<Launch>(&decision.act)) {
      text += Cat(act->intent.offer().offer(), "@", act->intent.index());
    }
    text += ";";
  }
  return text;
}

// Random lives of workers: the board that heard every event decides as a fresh one does.
TEST(FleetPlan, ABoardKeptUpToDateDecidesAsAFreshOne) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    Stage stage;
    specpb::FleetSpec spec = Stage::Spec(5);
    spec.mutable_upgrades()->set_enabled(seed % 2 == 0);
    spec.mutable_upgrades()->set_cooldown_s(60);
    stage.Apply(spec);
    stage.Market(Stage::Plenty(40));
    Board board;
    std::vector<WorkerId> workers;
    for (int step = 0; step < 60; ++step) {
      stage.now += absl::Seconds(static_cast<std::int64_t>(rng.Below(200)));
      const std::size_t pick = workers.empty() ? 0 : rng.Below(workers.size());
      switch (rng.Below(8)) {
        case 0:
          workers.push_back(stage.AddLive(static_cast<int>(rng.Below(6))));
          break;
        case 1:
          if (!workers.empty()) stage.Produce(workers[pick]);
          break;
        case 2:
          if (!workers.empty()) stage.Log(workers[pick], LogFacts("setup"));
          break;
        case 3:
          if (!workers.empty()) stage.See(workers[pick], ActualStatus::kOffline);
          break;
        case 4:
          if (!workers.empty()) stage.DestroyAccepted(workers[pick]);
          break;
        case 5:
          if (!workers.empty()) stage.Gone(workers[pick]);
          break;
        case 6:
          stage.Market(Stage::Plenty(30));
          break;
        case 7:
          stage.OnFleet(Scale{static_cast<int>(rng.Below(7))});
          break;
      }
      for (const StreamId& stream : stage.touched) board.Touch(stream);
      stage.touched.clear();
      const PlanResult kept = PlanOn(board, stage.world, stage.options, stage.now, true);
      const PlanResult fresh = stage.Decisions();
      ASSERT_EQ(Describe(kept), Describe(fresh)) << "seed " << seed << " step " << step;
      stage.Carry(fresh);
      for (const WorkerId& id : stage.Launching()) {
        if (rng.Chance(0.5)) stage.Accept(id), workers.push_back(id);
      }
    }
  }
}

// At a limit one millionth decides; who decides the same log anew begins with another board.
TEST(FleetPlan, MoneyIsTheSameWheneverItsPartsWereLookedAt) {
  Stage stage;
  stage.Apply(Stage::Spec(5));
  stage.Market(Stage::Plenty(40));
  std::vector<WorkerId> workers;
  for (int index = 0; index < 5; ++index) workers.push_back(stage.AddLive(index));
  Board kept;
  for (std::size_t step = 0; step < 200; ++step) {
    stage.now += absl::Milliseconds(1234 + 77 * step % 1000);
    stage.Produce(workers[step % workers.size()]);
    for (const StreamId& stream : stage.touched) kept.Touch(stream);
    stage.touched.clear();
    kept.Refresh(stage.world, stage.now);
    Board fresh;
    fresh.TouchAll();
    fresh.Refresh(stage.world, stage.now);
    const Money mine = kept.MoneyOf(stage.world, kZeb, stage.now);
    const Money anew = fresh.MoneyOf(stage.world, kZeb, stage.now);
    ASSERT_EQ(mine.total.micros, anew.total.micros) << "step " << step;
    ASSERT_EQ(mine.today.micros, anew.today.micros) << "step " << step;
  }
}

TEST(FreePlaces, AreTheLowestThatNobodyHolds) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    FreePlaces places;
    std::set<int> held;
    for (int step = 0; step < 200; ++step) {
      const int index = static_cast<int>(rng.Below(12));
      if (held.insert(index).second) {
        places.Take(index);
      } else {
        held.erase(index);
        places.Give(index);
      }
      for (int from = 0; from < 15; ++from) {
        int lowest = from;
        while (held.contains(lowest)) ++lowest;
        ASSERT_EQ(places.From(from), lowest) << "seed " << seed << " step " << step;
      }
    }
  }
  FreePlaces none;
  none.Take(-1);  // a stray that is to be destroyed has no place
  none.Give(-1);
  EXPECT_EQ(none.From(0), 0);
}

TEST(FleetPlan, APassLooksOnlyAtFleetsThatChanged) {
  Stage stage;
  stage.Apply(Stage::Spec(1, "zeb"));
  stage.Apply(Stage::Spec(1, "other"));
  stage.Market({});
  Board board;
  stage.Carry(PlanOn(board, stage.world, stage.options, stage.now, true));
  const WorkerId id = stage.AddHealthy(0);
  for (const StreamId& stream : stage.touched) board.Touch(stream);
  board.Refresh(stage.world, stage.now);
  stage.touched.clear();
  board.dirty().clear();
  stage.now += absl::Seconds(10);
  stage.Produce(id);
  for (const StreamId& stream : stage.touched) board.Touch(stream);
  board.Refresh(stage.world, stage.now);
  EXPECT_EQ(board.dirty(), std::set<FleetName>{kZeb});
}

}  // namespace
}  // namespace muster::fleet
