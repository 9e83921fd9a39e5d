#include "queries/projector.h"

#include "eventstore/base/rng.h"
#include "queries/packing.h"
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

// Any events in any streams, in no sensible order, with a clock that jumps about.
void WriteRandomEvents(LogBuilder& log, std::uint64_t seed, int count) {
  Rng rng(seed);
  const auto& kinds = AllEventKinds();
  for (int i = 0; i < count; ++i) {
    log.After(absl::Seconds(static_cast<std::int64_t>(rng.Below(7200)) - 1800));
    const std::string worker = Cat("w", rng.Below(5));
    eventpb::EventBody body;
    const EventKind kind = kinds[rng.Below(kinds.size())];
    const auto* field = body.GetDescriptor()->FindFieldByNumber(kind);
    body.GetReflection()->MutableMessage(&body, field);
    if (body.has_launch_requested()) {
      auto& e = *body.mutable_launch_requested();
      e.set_fleet(Cat("f", rng.Below(2)));
      e.set_provider("vast");
      e.mutable_offer()->set_gpu(rng.Chance(0.5) ? "RTX 3060" : "");
      e.mutable_offer()->set_price_micro_usd_per_hour(
          static_cast<std::int64_t>(rng.Below(200'000)) - 1000);
    }
    if (body.has_fleet_applied()) body.mutable_fleet_applied()->mutable_spec()->set_workers(3);
    if (body.has_instance_observed()) {
      auto& e = *body.mutable_instance_observed();
      e.set_price_known(rng.Chance(0.7));
      e.set_price_micro_usd_per_hour(static_cast<std::int64_t>(rng.Below(200'000)));
    }
    if (body.has_log_observed()) {
      auto& e = *body.mutable_log_observed();
      e.set_counter(static_cast<std::int64_t>(rng.Below(20)) - 1);
      e.set_rate_per_s(rng.Between(-1, 5));
    }
    if (body.has_worker_condemned()) {
      body.mutable_worker_condemned()->mutable_evidence()->add_positions(rng.Below(2000));
    }
    const std::string streams[] = {"worker/" + worker, Cat("fleet/f", rng.Below(2)),
                                   "host/vast/1",      "account/vast",
                                   "installation",     "host/odd"};
    const StreamId stream(rng.Chance(0.6) ? streams[0] : streams[rng.Below(6)]);
    const auto done =
        log.rt().Run(log.store().Append(stream, Expect::At(log.store().StreamVersion(stream)),
                                        {{.id = EventId(Cat("r", seed, "-", i)),
                                          .type = std::string(TypeName(kind)),
                                          .payload = EncodeEvent(body),
                                          .occurred_at = log.now()}},
                                        log.now()));
    ASSERT_THAT(done, IsOk());
  }
}

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
