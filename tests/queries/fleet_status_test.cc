#include "muster/spec/v1/fleet.pb.h"
#include "queries/fleet_status/model.h"
#include "queries/fleet_status/view.h"
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

using eventpb::WorkerHealthChanged;

FleetStatus Zeb(LogBuilder& log) {
  const auto models = log.Models();
  auto fleet = models->Fleet(FleetName("zeb"), log.now());
  EXPECT_THAT(fleet, IsOk());
  return *fleet;
}

// One healthy worker producing 4.2/s at $0.081/h, seen at the builder's clock.
void Healthy(LogBuilder& log, const std::string& id, LogBuilder::Offered offered = {}) {
  log.Launch(id, "zeb", offered);
  log.Accept(id, "i" + id);
  log.See(id, offered.price);
  log.Read(id, {.counter = 7, .total = 1792, .rate = 4.2});
  log.Health(id, WorkerHealthChanged::HEALTHY);
}

TEST(FleetStatus, OfAFleetThatWasNeverAppliedIsNotFound) {
  LogBuilder log;
  EXPECT_THAT(log.Models()->Fleet(FleetName("zeb"), log.now()), StatusIs(StatusCode::kNotFound));
}

TEST(FleetStatus, WhetherAFleetIsKnownIsToldWithoutItsStatus) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 3});
  EXPECT_TRUE(log.Models()->HasFleet(FleetName("zeb")));
  EXPECT_FALSE(log.Models()->HasFleet(FleetName("zebra")));
}

TEST(FleetStatus, CountsAHealthyWorkerAsItIsShown) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 3});
  Healthy(log, "aaaa");
  Healthy(log, "bbbb");
  log.Read("bbbb", {.counter = 8, .total = 1800, .rate = 0});  // healthy, and produces nothing
  const auto models = log.Models();
  const auto page = models->Workers({}, log.now());
  ASSERT_THAT(page, IsOk());
  WorkerTally shown;
  for (const WorkerStatus& worker : page->workers) shown.Add(worker);
  FleetStatus one_by_one, fleet = Zeb(log);
  shown.AddTo(one_by_one, log.now());
  EXPECT_EQ(fleet.healthy, 2);
  EXPECT_EQ(one_by_one.healthy, fleet.healthy);
  EXPECT_EQ(one_by_one.have, fleet.have);
  EXPECT_EQ(one_by_one.observed_at, fleet.observed_at);
  EXPECT_DOUBLE_EQ(fleet.rate_per_s, 4.2);
  EXPECT_DOUBLE_EQ(one_by_one.rate_per_s, fleet.rate_per_s);
}

TEST(FleetStatus, CountsWantedHaveAndHealthy) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 3});
  Healthy(log, "aaaa");
  log.Launch("bbbb", "zeb", {.index = 1});
  const FleetStatus fleet = Zeb(log);
  EXPECT_EQ(fleet.wanted, 3);
  EXPECT_EQ(fleet.have, 2);
  EXPECT_EQ(fleet.healthy, 1);
  EXPECT_EQ(fleet.burn, MicroUsdPerHour(81'000));  // a launch in flight is not billed yet
  EXPECT_DOUBLE_EQ(fleet.rate_per_s, 4.2);
  EXPECT_EQ(fleet.cost_per_unit_rate, MicroUsdPerHour(19'286));
  EXPECT_EQ(fleet.work_unit, "games");
  EXPECT_EQ(fleet.state, "1 launching (0s); 1 short");
}

TEST(FleetStatus, SaysHowLongAWorkerMayStillBeInSetup) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1});
  log.Launch("k7f2q", "zeb", {});
  log.Accept("k7f2q", "123");
  log.After(absl::Minutes(3)).Read("k7f2q", {.phase = "setup"});
  log.Health("k7f2q", WorkerHealthChanged::SETUP);
  log.After(absl::Seconds(252));
  EXPECT_EQ(Zeb(log).state, "1 in SETUP (4m12s of 10m, then replace)");
}

TEST(FleetStatus, ShowsTheLimitThatThePolicyJudgedBy) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1, .setup_s = 600});
  log.Launch("k7f2q", "zeb", {});
  log.Accept("k7f2q", "123");
  log.Read("k7f2q", {.phase = "setup"});
  eventpb::WorkerHealthChanged change;
  change.set_health(WorkerHealthChanged::SETUP);
  *change.mutable_evidence()->add_measures() = MakeMeasure("SETUP", 0, 1200, "s");
  log.Write("worker/k7f2q", change);
  log.After(absl::Minutes(1));
  EXPECT_EQ(Zeb(log).state, "1 in SETUP (1m of 20m, then replace)");
}

TEST(FleetStatus, ShowsWhyAWorkerFailsWhenNoClockRuns) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1});
  Healthy(log, "aaaa");
  eventpb::WorkerHealthChanged change;
  change.set_health(WorkerHealthChanged::FAILING);
  change.set_detail("$0.1/h is over $0.09/h");
  log.Write("worker/aaaa", change);
  EXPECT_EQ(Zeb(log).state, "1 FAILING ($0.1/h is over $0.09/h)");
}

TEST(FleetStatus, IsTheSameFromASnapshotAndWhenWorkersOfTheMiddleHaveEnded) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 5});
  for (const char* id : {"aaaa", "bbbb", "cccc"}) Healthy(log, id);
  for (const char* id : {"eeee", "dddd"}) {
    log.Launch(id, "zeb", {});
    log.After(absl::Minutes(1)).Accept(id, Cat("i", id));
    log.Health(id, WorkerHealthChanged::SETUP);
  }
  log.End("bbbb");
  log.After(absl::Minutes(2)).Read("aaaa", {.counter = 8, .total = 2048, .rate = 3.5});
  const auto models = log.Models();
  ReadModels loaded(log.store());
  ASSERT_TRUE(loaded.Load(models->Save()));
  for (const ReadModels* each : std::vector<const ReadModels*>{models.get(), &loaded}) {
    const auto fleet = each->Fleet(FleetName("zeb"), log.now());
    ASSERT_THAT(fleet, IsOk());
    EXPECT_EQ(fleet->have, 4);
    EXPECT_EQ(fleet->healthy, 2);
    EXPECT_DOUBLE_EQ(fleet->rate_per_s, 7.7);
    EXPECT_EQ(fleet->observed_at, log.now() - absl::Minutes(4));
    EXPECT_EQ(fleet->state, "2 in SETUP (oldest 3m of 10m, then replace); 1 short");
    const auto counts = each->HealthCounts();
    EXPECT_EQ(counts.at("zeb").at("HEALTHY"), 2);
    EXPECT_EQ(counts.at("zeb").at("SETUP"), 2);
  }
}

TEST(FleetStatus, IsAllHealthyWhenNothingIsAmiss) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1});
  Healthy(log, "aaaa");
  EXPECT_EQ(Zeb(log).state, "all healthy");
}

TEST(FleetStatus, ShowsAWaitWithItsNextTryAndKeepsItsBeginning) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1});
  eventpb::FleetWaitChanged change;
  auto& wait = *change.add_waits();
  wait.set_kind(eventpb::Wait::CREDIT);
  wait.set_detail("$0.00 left");
  wait.set_owner("operator");
  const absl::Time began = log.now();
  wait.set_until_us(ToStoredTime(log.now() + absl::Minutes(5)));
  log.Write("fleet/zeb", change);
  log.After(absl::Minutes(1));
  log.Write("fleet/zeb", change);
  const FleetStatus fleet = Zeb(log);
  ASSERT_EQ(fleet.waits.size(), 1u);
  EXPECT_EQ(fleet.waits[0].kind, "credit");
  EXPECT_EQ(fleet.waits[0].owner, "operator");
  EXPECT_EQ(fleet.waits[0].since, began);
  EXPECT_EQ(fleet.state, "waits for credit: $0.00 left (you: add credit, next try in 4m)");
  EXPECT_EQ(fleet.healthy, 0);
  change.clear_waits();
  log.Write("fleet/zeb", change);
  EXPECT_TRUE(Zeb(log).waits.empty());
}

TEST(FleetStatus, ObservedAtIsTheOldestFactShown) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 2});
  Healthy(log, "aaaa");
  const absl::Time first = log.now();
  log.After(absl::Minutes(2));
  Healthy(log, "bbbb", {.index = 1});
  log.Read("aaaa", {.counter = 8, .rate = 4.3});  // its list entry is still two minutes old
  EXPECT_EQ(Zeb(log).observed_at, first);
}

TEST(FleetStatus, ScalingChangesTheSpecShown) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 2});
  eventpb::FleetScaled scaled;
  scaled.set_workers(5);
  log.Write("fleet/zeb", scaled);
  const FleetStatus fleet = Zeb(log);
  EXPECT_EQ(fleet.wanted, 5);
  EXPECT_EQ(fleet.spec->workers(), 5);
}

TEST(FleetStatus, GoingDownWantsNothingAndEndedIsHiddenUnlessAskedFor) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1});
  Healthy(log, "aaaa");
  log.Write("fleet/zeb", eventpb::FleetDownRequested());
  EXPECT_EQ(Zeb(log).wanted, 0);
  EXPECT_EQ(Zeb(log).state, "going down, 1 left");
  log.End("aaaa");
  log.Write("fleet/zeb", eventpb::FleetEnded());
  EXPECT_EQ(Zeb(log).state, "ended");
  EXPECT_TRUE(log.Models()->Fleets(log.now()).empty());
  EXPECT_EQ(log.Models()->Fleets(log.now(), true).size(), 1u);
}

TEST(FleetStatus, WorstCaseRunsUntilMidnightUtc) {
  LogBuilder log(At("2026-11-21T22:00:00Z"));
  log.Fleet("zeb", {.workers = 1});
  Healthy(log, "aaaa", {.price = 100'000});
  log.After(absl::Hours(1));
  const FleetStatus fleet = Zeb(log);
  EXPECT_EQ(fleet.spent_today, MicroUsd(100'000));
  EXPECT_EQ(fleet.worst_case, MicroUsd(200'000));
}

TEST(FleetStatus, AWorkerBeingDestroyedIsBilledButNotHad) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1});
  Healthy(log, "aaaa");
  log.Write("worker/aaaa", eventpb::DestroyRequested());
  const FleetStatus fleet = Zeb(log);
  EXPECT_EQ(fleet.have, 0);
  EXPECT_EQ(fleet.destroying, 1);
  EXPECT_EQ(fleet.rate_per_s, 0);
  EXPECT_EQ(fleet.burn, MicroUsdPerHour(81'000));
}

TEST(Decisions, AreCountedByFleetRuleAndAction) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 1});
  log.Launch("aaaa", "zeb", {});
  log.Launch("bbbb", "zeb", {});
  const auto counts = log.Models()->Decisions();
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts[0].rule, "replenish");
  EXPECT_EQ(counts[0].action, "launch");
  EXPECT_EQ(counts[0].count, 2);
}

}  // namespace
}  // namespace muster::queries
