#include "queries/projector.h"

#include "queries/packing.h"
#include "tests/queries/random_log.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

void AskEverything(const ReadModels& models, absl::Time now) {
  models.Fleets(now, true);
  models.Accounts(now);
  models.Hosts({}, now);
  models.BadHosts(ProviderName("vast"), now);
  models.Efficiency(FleetName(), now);
  const CostReport cost = models.Cost(FleetName(), now);
  EXPECT_GE(cost.sum.total.micros, 0);
  MicroUsd fleets;
  for (const CostRow& row : cost.fleets) fleets += row.total;
  EXPECT_EQ(fleets, cost.sum.total);
  for (const CostRow& row : cost.days) EXPECT_GE(row.total.micros, 0);
  EXPECT_THAT(models.Events({.newest_first = true}), IsOk());
  const auto workers = models.Workers({.include_ended = true}, now);
  ASSERT_THAT(workers, IsOk());
  for (const WorkerStatus& worker : workers->workers) {
    EXPECT_THAT(models.Explain("worker/" + worker.id.str()), IsOk());
  }
  models.Explain("fleet/f0").IgnoreError();
}

TEST(ReadModels, RandomEventsNeverCrashAndEveryWayOfFoldingAgrees) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(Cat("seed ", seed));
    LogBuilder log;
    WriteRandomEvents(log, seed, 150);
    ReadModels live(log.store());
    log.Fold(live);
    AskEverything(live, log.now());
    ReadModels restored(log.store());
    ASSERT_TRUE(restored.Load(live.Save()));
    EXPECT_EQ(restored.Digest(), live.Digest());
    WriteRandomEvents(log, seed + 1000, 100);
    log.Fold(live);
    log.Fold(restored);
    AskEverything(restored, log.now());
    EXPECT_EQ(live.Digest(), restored.Digest());
    EXPECT_EQ(live.Digest(), log.Models()->Digest());
  }
}

TEST(ReadModels, ADamagedSnapshotIsRefused) {
  LogBuilder log;
  WriteRandomEvents(log, 7, 100);
  const std::string good = log.Models()->Save();
  Rng rng(1);
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    bad[rng.Below(bad.size())] ^= static_cast<char>(1 + rng.Below(255));
    ReadModels models(log.store());
    EXPECT_FALSE(models.Load(bad));
  }
  ReadModels models(log.store());
  EXPECT_FALSE(models.Load(good.substr(0, good.size() - 1)));
  EXPECT_FALSE(ReadModels(log.store()).Load(""));
}

TEST(Packing, DamagedBytesNeitherCrashNorAskForTheMemoryOfTheMoon) {
  std::map<std::string, std::vector<std::int64_t>> good;
  for (int i = 0; i < 20; ++i) good[Cat("key", i)] = {i, -i, INT64_MAX, INT64_MIN};
  Packer packer;
  packer(good, std::optional<double>(2.5), At("2026-11-21T12:00:00Z"));
  const std::string bytes = packer.Take();
  const auto unpack = [](std::string_view from) {
    std::map<std::string, std::vector<std::int64_t>> map;
    std::optional<double> number;
    absl::Time time;
    Unpacker unpacker(from);
    unpacker(map, number, time);
    return std::make_tuple(unpacker.done(), map, number, time);
  };
  EXPECT_EQ(unpack(bytes),
            std::make_tuple(true, good, std::optional<double>(2.5), At("2026-11-21T12:00:00Z")));
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bad = bytes.substr(0, rng.Below(bytes.size() + 1));
    if (!bad.empty()) bad[rng.Below(bad.size())] ^= static_cast<char>(1 + rng.Below(255));
    unpack(bad);
  }
}

TEST(ReadModels, AnEventOfANewerWriterStopsTheFolding) {
  LogBuilder log;
  ReadModels models(log.store());
  RecordedEvent event{.position = 1, .stream = StreamId("worker/x"), .version = 1};
  event.event.type = "worker.teleported";
  EXPECT_THAT(models.Apply(event), StatusIs(StatusCode::kUnimplemented));
  EXPECT_EQ(models.position(), 0u);
}

TEST(Projector, CatchesUpThenFollows) {
  LogBuilder log;
  log.Fleet("zeb", {});
  log.Launch("aaaa", "zeb", {});
  Projector projector(log.rt(), log.store());
  EXPECT_THAT(log.rt().Run(projector.Start()), IsOk());
  EXPECT_EQ(projector.position(), 2u);
  log.Accept("aaaa", "1");
  log.rt().RunFor(absl::Seconds(1));
  EXPECT_EQ(projector.position(), 3u);
  EXPECT_EQ(projector.models().Worker("aaaa", log.now())->phase, "live");
  EXPECT_EQ(projector.lag().events, 0u);
}

TEST(Projector, CatchesUpInBatchesWithoutHoldingUpOthers) {
  LogBuilder log;
  WriteRandomEvents(log, 3, 100);
  Projector projector(log.rt(), log.store(), {.batch = 7});
  EXPECT_THAT(log.rt().Run(projector.Start()), IsOk());
  EXPECT_EQ(projector.position(), 100u);
  EXPECT_EQ(projector.models().Digest(), log.Models()->Digest());
}

TEST(Projector, WaitPastWakesWatchersWhenSomethingWasFolded) {
  LogBuilder log;
  log.Fleet("zeb", {});
  Projector projector(log.rt(), log.store());
  EXPECT_THAT(log.rt().Run(projector.Start()), IsOk());
  const absl::Time deadline = log.rt().Now() + absl::Minutes(1);
  EXPECT_TRUE(log.rt().Run(projector.WaitPast(0, deadline)));
  bool woken = false;
  log.rt().Spawn("watch", [](Projector& p, absl::Time until, bool* out) -> Task<void> {
    *out = co_await p.WaitPast(1, until);
  }(projector, deadline, &woken));
  log.rt().RunUntilIdle();
  EXPECT_FALSE(woken);
  log.Launch("aaaa", "zeb", {});
  log.rt().RunUntilIdle();
  EXPECT_TRUE(woken);
  EXPECT_FALSE(log.rt().Run(projector.WaitPast(99, log.rt().Now() + absl::Seconds(5))));
}

TEST(Projector, RebuildsBesideTheLiveOneAndFindsThemEqual) {
  LogBuilder log;
  WriteRandomEvents(log, 5, 120);
  Projector projector(log.rt(), log.store(), {.batch = 10});
  EXPECT_THAT(log.rt().Run(projector.Start()), IsOk());
  const auto report = log.rt().Run(projector.Rebuild());
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->equal()) << report->digest_live << "\n" << report->digest_rebuilt;
  EXPECT_EQ(report->position, 120u);
  WriteRandomEvents(log, 6, 5);
  log.rt().RunFor(absl::Seconds(1));
  EXPECT_EQ(projector.position(), 125u);
}

TEST(Projector, StartsFromASnapshotAndThrowsADamagedOneAway) {
  LogBuilder log;
  WriteRandomEvents(log, 8, 50);
  {
    Projector projector(log.rt(), log.store());
    EXPECT_THAT(log.rt().Run(projector.Start()), IsOk());
    EXPECT_THAT(projector.SaveSnapshot(), IsOk());
  }
  WriteRandomEvents(log, 9, 10);
  Projector again(log.rt(), log.store());
  EXPECT_THAT(log.rt().Run(again.Start()), IsOk());
  EXPECT_EQ(again.models().Digest(), log.Models()->Digest());

  EXPECT_THAT(log.store().SaveSnapshot("read-models", {.position = 50, .state = "rubbish"}),
              IsOk());
  Projector third(log.rt(), log.store());
  EXPECT_THAT(log.rt().Run(third.Start()), IsOk());
  EXPECT_EQ(third.models().Digest(), log.Models()->Digest());
}

TEST(Projector, ThrowsASnapshotOfAnotherLogAway) {
  LogBuilder one, other;
  one.Fleet("zeb", {});
  other.Fleet("belief", {});
  EXPECT_THAT(
      other.store().SaveSnapshot("read-models", {.position = 1, .state = one.Models()->Save()}),
      IsOk());
  Projector projector(other.rt(), other.store());
  EXPECT_THAT(other.rt().Run(projector.Start()), IsOk());
  EXPECT_EQ(projector.models().Digest(), other.Models()->Digest());
  EXPECT_THAT(projector.models().Fleet(FleetName("belief"), other.now()), IsOk());
}

TEST(ReadModels, AGapInTheLogIsDataLoss) {
  LogBuilder log;
  log.Fleet("zeb", {});
  ReadModels models(log.store());
  log.Fold(models);
  RecordedEvent later;
  later.position = 3;
  EXPECT_THAT(models.Apply(later), StatusIs(StatusCode::kDataLoss));
}

TEST(Projector, BuildsTheModelsOfThePast) {
  LogBuilder log;
  log.Fleet("zeb", {});
  log.Launch("aaaa", "zeb", {});
  const absl::Time before = log.now();
  log.After(absl::Minutes(10)).Accept("aaaa", "1");
  log.After(absl::Minutes(10)).End("aaaa");
  Projector projector(log.rt(), log.store(), {.batch = 1});
  EXPECT_THAT(log.rt().Run(projector.Start()), IsOk());
  EXPECT_THAT(projector.SaveSnapshot(), IsOk());  // later than what is asked for: not used

  const auto past = log.rt().Run(projector.AsOf(Position{3}));
  ASSERT_THAT(past, IsOk());
  EXPECT_EQ((*past)->Worker("aaaa", log.now())->phase, "live");
  EXPECT_EQ((*past)->Events({})->events.size(), 3u);
  EXPECT_THAT((*past)->Explain("4"), StatusIs(StatusCode::kNotFound));

  const auto by_time = log.rt().Run(projector.AsOf(before + absl::Minutes(1)));
  ASSERT_THAT(by_time, IsOk());
  EXPECT_EQ((*by_time)->position(), 2u);
  EXPECT_EQ(*projector.PositionAt(before - absl::Hours(1)), 0u);
  EXPECT_EQ(*projector.PositionAt(absl::InfiniteFuture()), 4u);
  EXPECT_THAT(log.rt().Run(projector.AsOf(Position{5})), StatusIs(StatusCode::kOutOfRange));
}

TEST(Projector, LagCountsWhatIsRecordedAndNotFolded) {
  LogBuilder log;
  log.Fleet("zeb", {});
  Projector projector(log.rt(), log.store());  // not started
  log.rt().RunFor(absl::Seconds(30));
  EXPECT_EQ(projector.lag().events, 1u);
  EXPECT_GE(projector.lag().behind, absl::Seconds(30));
}

}  // namespace
}  // namespace muster::queries
