// Workers, hosts, accounts, efficiency and the timeline: given events, then what is shown.
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

using eventpb::WorkerHealthChanged;

WorkerStatus Worker(LogBuilder& log, std::string_view key) {
  auto worker = log.Models()->Worker(key, log.now());
  EXPECT_THAT(worker, IsOk());
  return *worker;
}

// ---- workers ------------------------------------------------------------------------------------

TEST(WorkerModel, ShowsEverythingThatIsKnown) {
  LogBuilder log;
  log.Fleet("zeb", {});
  log.Launch("k7f2q", "zeb", {.price = 81'000, .expected = 2.4, .index = 3});
  log.After(absl::Minutes(1)).Accept("k7f2q", "123");
  log.After(absl::Minutes(1)).See("k7f2q", 82'000);
  log.After(absl::Minutes(1)).Read("k7f2q", {.counter = 7, .total = 1792, .rate = 4.0});
  log.After(absl::Minutes(1)).Read("k7f2q", {.counter = 8, .total = 2048, .rate = 5.0});
  log.Health("k7f2q", WorkerHealthChanged::HEALTHY);
  const WorkerStatus worker = Worker(log, "k7f2q");
  EXPECT_EQ(worker.fleet, FleetName("zeb"));
  EXPECT_EQ(worker.index, 3);
  EXPECT_EQ(worker.label, "zeb-worker-vast-3.k7f2q");
  EXPECT_EQ(worker.instance, InstanceId("123"));
  EXPECT_EQ(worker.machine, MachineId("5512"));
  EXPECT_EQ(worker.phase, "live");
  EXPECT_EQ(worker.health, "HEALTHY");
  EXPECT_EQ(worker.price, MicroUsdPerHour(82'000));
  EXPECT_EQ(worker.counter, 8);
  EXPECT_EQ(worker.total, 2048);
  EXPECT_DOUBLE_EQ(worker.rate_per_s, 5.0);
  EXPECT_DOUBLE_EQ(worker.rate_mean_per_s, 4.5);
  EXPECT_EQ(worker.last_progress_at, log.now());
  EXPECT_EQ(worker.observed_at, log.now() - absl::Minutes(2));
  EXPECT_EQ(worker.actual_status, "running");
  EXPECT_EQ(worker.ssh_port, 2200);
  EXPECT_TRUE(worker.ever_produced);
}

TEST(WorkerModel, ARepeatedCounterIsNoProgress) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {});
  log.Accept("k7f2q", "123");
  log.Read("k7f2q", {.counter = 7});
  const absl::Time progress = log.now();
  log.After(absl::Minutes(9)).Read("k7f2q", {.counter = 7});
  EXPECT_EQ(Worker(log, "k7f2q").last_progress_at, progress);
}

TEST(WorkerModel, WorkOfAContainerStartedAnewIsAdded) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {});
  log.Accept("k7f2q", "123");
  log.Read("k7f2q", {.counter = 7, .total = 1792, .container = "a"});
  log.Read("k7f2q", {.counter = 2, .total = 512, .container = "b"});
  log.Health("k7f2q", WorkerHealthChanged::HEALTHY);
  const auto report = log.Models()->Efficiency(FleetName("zeb"), log.now());
  ASSERT_EQ(report.workers.size(), 1u);
  EXPECT_DOUBLE_EQ(report.workers[0].total_units, 2304);
}

TEST(WorkerModel, IsFoundByIdPrefixLabelInstanceAndSlot) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {.index = 1});
  log.Accept("k7f2q", "123");
  log.Launch("kzzzz", "zeb", {.index = 2});
  for (const std::string key : {"k7f2q", "k7", "worker/k7f2q", "workers/k7f2q", "123", "zeb/1",
                                "zeb-worker-vast-1.k7f2q"}) {
    EXPECT_EQ(Worker(log, key).id, WorkerId("k7f2q")) << key;
  }
  const auto models = log.Models();
  EXPECT_THAT(models->Worker("k", log.now()),
              StatusIs(StatusCode::kFailedPrecondition, testing::HasSubstr("kzzzz")));
  EXPECT_THAT(models->Worker("zeb/10", log.now()), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(models->Worker("", log.now()), StatusIs(StatusCode::kNotFound));
}

TEST(WorkerModel, ASlotMeansItsOpenWorkerOrElseTheNewestEnded) {
  LogBuilder log;
  log.Launch("aaaa", "zeb", {});
  log.End("aaaa");
  log.After(absl::Minutes(1)).Launch("bbbb", "zeb", {});
  log.End("bbbb");
  EXPECT_EQ(Worker(log, "zeb/0").id, WorkerId("bbbb"));
  EXPECT_EQ(Worker(log, "zeb/0").ended_how, "destroyed");
  log.After(absl::Minutes(1)).Launch("cccc", "zeb", {});
  EXPECT_EQ(Worker(log, "zeb/0").id, WorkerId("cccc"));
}

TEST(WorkerModel, PagesGoThroughEveryWorkerOnceWhateverEndsMeanwhile) {
  LogBuilder log;
  for (int i = 0; i < 7; ++i) log.Launch(Cat("w", i), "zeb", {.index = i});
  WorkerQuery query{.page_size = 3};
  auto page = log.Models()->Workers(query, log.now());
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(page->workers.size(), 3u);
  log.End("w2");  // the last of the first page
  std::vector<std::string> rest;
  while (!page->next_page_token.empty()) {
    query.page_token = page->next_page_token;
    page = log.Models()->Workers(query, log.now());
    ASSERT_THAT(page, IsOk());
    for (const auto& worker : page->workers) rest.push_back(worker.id.str());
  }
  EXPECT_THAT(rest, testing::ElementsAre("w3", "w4", "w5", "w6"));
  EXPECT_EQ(log.Models()->Workers({.include_ended = true}, log.now())->workers.size(), 7u);
  EXPECT_THAT(log.Models()->Workers({.page_token = "nobody"}, log.now()),
              StatusIs(StatusCode::kInvalidArgument));
}

// ---- efficiency ---------------------------------------------------------------------------------

TEST(EfficiencyModel, RanksByCostOfWorkAndPutsIdleOnesLast) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 3});
  const auto worker = [&](const std::string& id, std::string gpu, std::int64_t price, double rate) {
    log.Launch(id, "zeb", {.gpu = std::move(gpu), .price = price, .expected = 2.4});
    log.Accept(id, "i" + id);
    if (rate > 0) log.Read(id, {.counter = 1, .total = 256, .rate = rate});
    log.Health(id, rate > 0 ? WorkerHealthChanged::HEALTHY : WorkerHealthChanged::BOOT);
  };
  worker("dear", "RTX 3090", 100'000, 2.0);
  worker("good", "RTX 4070 Ti", 80'000, 4.0);
  worker("idle", "RTX 4070 Ti", 80'000, 0);
  const auto report = log.Models()->Efficiency(FleetName(), log.now());
  ASSERT_EQ(report.workers.size(), 3u);
  EXPECT_EQ(report.workers[0].key, "good");
  EXPECT_EQ(report.workers[0].cost_per_unit_rate, MicroUsdPerHour(20'000));
  EXPECT_EQ(report.workers[1].key, "dear");
  EXPECT_EQ(report.workers[2].key, "idle");
  EXPECT_EQ(report.workers[2].cost_per_unit_rate, MicroUsdPerHour(0));
  ASSERT_EQ(report.gpus.size(), 2u);
  EXPECT_EQ(report.gpus[0].key, "RTX 4070 Ti");
  EXPECT_EQ(report.gpus[0].workers, 2);
  EXPECT_EQ(report.gpus[0].cost_per_unit_rate, MicroUsdPerHour(40'000));  // the idle one costs too
  ASSERT_EQ(report.fleets.size(), 1u);
  EXPECT_DOUBLE_EQ(report.fleets[0].rate_per_s, 6.0);
  EXPECT_DOUBLE_EQ(report.fleets[0].expected_rate_per_s, 7.2);
  EXPECT_EQ(report.work_unit, "games");
}

TEST(EfficiencyModel, KeepsWhatEndedWorkersDidAndCost) {
  LogBuilder log;
  log.Fleet("zeb", {});
  log.Launch("aaaa", "zeb", {.price = 60'000});
  log.Accept("aaaa", "1");
  log.Read("aaaa", {.counter = 1, .total = 256, .rate = 4});
  log.After(absl::Hours(1)).End("aaaa");
  const auto report = log.Models()->Efficiency(FleetName("zeb"), log.now());
  EXPECT_TRUE(report.workers.empty());
  ASSERT_EQ(report.gpus.size(), 1u);
  EXPECT_EQ(report.gpus[0].workers, 0);
  EXPECT_DOUBLE_EQ(report.gpus[0].total_units, 256);
  EXPECT_EQ(report.gpus[0].spent, MicroUsd(60'000));
}

// ---- hosts --------------------------------------------------------------------------------------

void Strike(LogBuilder& log, const std::string& machine, double weight, absl::Time expires) {
  eventpb::HostStruck e;
  e.set_worker("k7f2q");
  e.set_cause("no-progress");
  e.set_weight(weight);
  e.set_expires_us(ToStoredTime(expires));
  log.Write("host/vast/" + machine, e);
}

TEST(StrikesModel, ThreeLiveStrikesBlockUntilOneExpires) {
  LogBuilder log;
  log.Fleet("zeb", {.strike_limit = 3});
  const absl::Time soon = log.now() + absl::Hours(1);
  Strike(log, "5512", 1, soon);
  Strike(log, "5512", 1, absl::InfiniteFuture());
  EXPECT_FALSE(log.Models()->Hosts({}, log.now()).at(0).blocked);
  Strike(log, "5512", 1, absl::InfiniteFuture());
  const auto models = log.Models();
  EXPECT_TRUE(models->Hosts({}, soon - absl::Microseconds(1)).at(0).blocked);
  const HostStatus host = models->Hosts({}, soon).at(0);
  EXPECT_FALSE(host.blocked);
  EXPECT_DOUBLE_EQ(host.live_strikes, 2);
  EXPECT_EQ(host.strikes.size(), 3u);
  EXPECT_FALSE(host.strikes[0].live);
}

TEST(StrikesModel, TheLimitIsEachFleetsOwn) {
  LogBuilder log;
  log.Fleet("careful", {.strike_limit = 1});
  log.Fleet("zeb", {.strike_limit = 3});
  Strike(log, "5512", 1, absl::InfiniteFuture());
  const HostStatus host = log.Models()->Hosts({}, log.now()).at(0);
  EXPECT_THAT(host.blocked_for, testing::ElementsAre(FleetName("careful")));
  log.Write("fleet/careful", eventpb::FleetDownRequested());
  EXPECT_FALSE(log.Models()->Hosts({}, log.now()).at(0).blocked);
}

TEST(StrikesModel, ExportsOneLinePerWholeLiveStrike) {
  LogBuilder log;
  log.Fleet("zeb", {.strike_limit = 2});
  Strike(log, "100", 1, absl::InfiniteFuture());
  Strike(log, "200", 1, absl::InfiniteFuture());
  Strike(log, "200", 1, absl::InfiniteFuture());
  Strike(log, "300", 0.5, absl::InfiniteFuture());
  Strike(log, "400", 1, log.now() - absl::Seconds(1));
  // 200 is blocked here at two; the old scripts block at three lines.
  EXPECT_EQ(log.Models()->BadHosts(ProviderName("vast"), log.now()), "100\n200\n200\n200\n");
}

TEST(StrikesModel, APardonClearsAndAnImportCounts) {
  LogBuilder log;
  eventpb::StrikesImported imported;
  imported.set_file("bad-hosts.txt");
  imported.set_strikes(3);
  log.Write("host/vast/77", imported);
  EXPECT_DOUBLE_EQ(log.Models()->Hosts({}, log.now()).at(0).live_strikes, 3);
  log.Write("host/vast/77", eventpb::HostPardoned());
  EXPECT_TRUE(log.Models()->Hosts({.struck_only = true}, log.now()).empty());
  EXPECT_EQ(log.Models()->Hosts({}, log.now()).size(), 1u);
}

TEST(StrikesModel, MeanRateIsWeightedByProducingTime) {
  LogBuilder log;
  const auto measure = [&](double rate, std::int64_t seconds) {
    eventpb::HostMeasured e;
    e.set_gpu("RTX 3070");
    e.set_rate_per_s(rate);
    e.set_producing_s(seconds);
    e.set_booted(seconds > 0);
    log.Write("host/vast/5512", e);
  };
  measure(2, 300);
  measure(4, 100);
  measure(0, 0);
  const HostStatus host = log.Models()->Hosts({}, log.now()).at(0);
  EXPECT_DOUBLE_EQ(host.rate_mean_per_s, 2.5);
  EXPECT_EQ(host.samples, 2);
  EXPECT_EQ(host.launches, 3);
  EXPECT_EQ(host.boots, 2);
}

// ---- accounts -----------------------------------------------------------------------------------

TEST(AccountModel, ShowsCreditRunwayTroublesAndOrphans) {
  LogBuilder log;
  eventpb::CreditObserved credit;
  credit.set_credit_micro_usd(1'000'000);
  log.Write("account/vast", credit);
  eventpb::AccountTroubleBegan trouble;
  trouble.set_kind(eventpb::AccountTroubleBegan::THROTTLED);
  trouble.set_endpoint("GET instances");
  log.Write("account/vast", trouble);
  eventpb::OrphanFound orphan;
  orphan.set_instance("999");
  orphan.set_price_micro_usd_per_hour(100'000);
  log.Write("account/vast", orphan);
  log.Launch("k7f2q", "zeb", {.price = 150'000});
  log.Accept("k7f2q", "123");
  AccountStatus account = log.Models()->Accounts(log.now()).at(0);
  EXPECT_EQ(account.credit, MicroUsd(1'000'000));
  EXPECT_EQ(account.burn, MicroUsdPerHour(250'000));
  EXPECT_EQ(account.runway, absl::Hours(4));
  ASSERT_EQ(account.troubles.size(), 1u);
  EXPECT_EQ(account.troubles[0].kind, "throttled");
  ASSERT_EQ(account.orphans.size(), 1u);
  eventpb::OrphanResolved resolved;
  resolved.set_instance("999");
  log.Write("account/vast", resolved);
  eventpb::AccountTroubleEnded ended;
  ended.set_kind(eventpb::AccountTroubleBegan::THROTTLED);
  ended.set_endpoint("GET instances");
  log.Write("account/vast", ended);
  account = log.Models()->Accounts(log.now()).at(0);
  EXPECT_TRUE(account.troubles.empty());
  EXPECT_TRUE(account.orphans.empty());
}

TEST(AccountModel, ACreditWaitHasABeginningAndAnEnd) {
  LogBuilder log;
  log.Write("account/vast", eventpb::CreditWaitBegan());
  const absl::Time began = log.now();
  log.After(absl::Minutes(5)).Write("account/vast", eventpb::CreditWaitBegan());
  AccountStatus account = log.Models()->Accounts(log.now()).at(0);
  EXPECT_TRUE(account.credit_wait);
  EXPECT_EQ(account.credit_wait_since, began);
  log.Write("account/vast", eventpb::CreditWaitEnded());
  EXPECT_FALSE(log.Models()->Accounts(log.now()).at(0).credit_wait);
}

// ---- timeline -----------------------------------------------------------------------------------

std::vector<Position> Walk(LogBuilder& log, EventQuery query) {
  const auto models = log.Models();
  std::vector<Position> seen;
  while (true) {
    const auto page = models->Events(query);
    EXPECT_THAT(page, IsOk());
    for (const EventLine& line : page->events) seen.push_back(line.recorded.position);
    if (page->next_after == 0) return seen;
    query.after = page->next_after;
  }
}

TEST(Timeline, PagesForwardsAndBackwardsSeeEveryEventOnce) {
  LogBuilder log;
  log.Fleet("zeb", {});               // 1
  log.Launch("aaaa", "zeb", {});      // 2
  log.Launch("bbbb", "other", {});    // 3
  log.Accept("aaaa", "1");            // 4
  Strike(log, "5512", 1, log.now());  // 5
  for (const int size : {1, 2, 3, 4, 5, 100}) {
    EXPECT_THAT(Walk(log, {.page_size = size}), testing::ElementsAre(1, 2, 3, 4, 5));
    EXPECT_THAT(Walk(log, {.page_size = size, .newest_first = true}),
                testing::ElementsAre(5, 4, 3, 2, 1));
    EXPECT_THAT(Walk(log, {.stream = StreamId("worker/aaaa"), .page_size = size}),
                testing::ElementsAre(2, 4));
    EXPECT_THAT(Walk(log, {.fleet = FleetName("zeb"), .page_size = size, .newest_first = true}),
                testing::ElementsAre(4, 2, 1));
    EXPECT_THAT(
        Walk(log,
             {.stream = StreamId("worker/bbbb"), .fleet = FleetName("zeb"), .page_size = size}),
        testing::IsEmpty());
    EXPECT_THAT(Walk(log, {.page_size = size, .types = {"worker.launch_requested"}}),
                testing::ElementsAre(2, 3));
  }
  EXPECT_THAT(Walk(log, {.after = 3}), testing::ElementsAre(4, 5));
  EXPECT_THAT(Walk(log, {.after = 3, .newest_first = true}), testing::ElementsAre(2, 1));
  EXPECT_THAT(Walk(log, {.after = 99}), testing::IsEmpty());
}

TEST(Timeline, LinesSpeakTheReadersWords) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {.index = 2});
  log.Accept("k7f2q", "123");
  log.See("k7f2q", 81'000);
  log.End("k7f2q", 310'000);
  const auto page = log.Models()->Events({});
  ASSERT_THAT(page, IsOk());
  std::vector<std::string> lines;
  for (const EventLine& line : page->events) lines.push_back(line.text);
  EXPECT_THAT(lines, testing::ElementsAre(
                         "decision: rent RTX 3070, offer 9001 at $0.081/h, for slot 2 (replenish)",
                         "rented: instance 123", "instance running, $0.081/h",
                         "ended: destroyed, spent $0.31"));
}

TEST(Timeline, OfALongReasonOnlyTheFirstClauseIsToldAndTimesAreWholeSeconds) {
  LogBuilder log;
  eventpb::LaunchRequested launch;
  *launch.mutable_evidence() = MakeEvidence("replenish", "0 of 4 workers; RTX 3070 at $0.081/h");
  log.Write("worker/k7f2q", launch);
  Strike(log, "5512", 1, At("2026-12-21T09:01:48Z") + absl::Milliseconds(684));
  const auto page = log.Models()->Events({});
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(page->events[0].text, testing::EndsWith("(replenish: 0 of 4 workers)"));
  EXPECT_EQ(page->events[1].text,
            "machine struck for no-progress, weight 1, until 2026-12-21T09:01:48Z");
}

TEST(Timeline, EveryKindOfEventHasALine) {
  LogBuilder log;
  for (const EventKind kind : AllEventKinds()) {
    eventpb::EventBody body;
    const auto* field = body.GetDescriptor()->FindFieldByNumber(kind);
    body.GetReflection()->MutableMessage(&body, field);
    const auto done = log.rt().Run(
        log.store().Append(StreamId(Cat("x/", static_cast<int>(kind))), Expect::NoStream(),
                           {{.id = EventId(Cat("e", static_cast<int>(kind))),
                             .type = std::string(TypeName(kind)),
                             .payload = EncodeEvent(body),
                             .occurred_at = log.now()}},
                           log.now()));
    ASSERT_THAT(done, IsOk());
  }
  const auto page = log.Models()->Events({.page_size = 1000});
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(page->events.size(), AllEventKinds().size());
  for (const EventLine& line : page->events) {
    if (line.recorded.event.type == "worker.condemned") continue;  // says its rule, here empty
    EXPECT_FALSE(line.text.empty()) << line.recorded.event.type;
  }
}

}  // namespace
}  // namespace muster::queries
