#include "services/metrics/metrics.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "queries/projector.h"
#include "services/metrics/names.h"
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster::metrics {
namespace {

using queries::LogBuilder;
using queries::Projector;

std::string ReadSource(const std::string& path) {
  std::ifstream in(SourceDir() + "/" + path);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

// Every muster_... word of a text; the series of a histogram under the histogram's name.
std::set<std::string> NamesIn(const std::string& text) {
  std::set<std::string> names;
  for (std::size_t at = text.find("muster_"); at != text.npos; at = text.find("muster_", at)) {
    std::size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", at);
    if (end == text.npos) end = text.size();
    std::string name = text.substr(at, end - at);
    at = end;
    for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
      if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
    }
    names.insert(std::move(name));
  }
  return names;
}

std::set<std::string> KnownNames() {
  std::set<std::string> names;
  for (const MetricInfo& info : AllMetrics()) names.emplace(info.name);
  return names;
}

class FixedLimiter final : public RateLimiter {
 public:
  Task<Status> Acquire(std::string, CallPriority, absl::Time) override { co_return Status(); }
  void Throttled(std::string_view, absl::Duration) override {}
  void Passed(std::string_view) override {}
  std::map<std::string, Budget> Budgets() const override {
    return {{"GET instances", {.wait = absl::Seconds(3), .waiting = 2, .throttled_total = 7}}};
  }
};

// A log in which every model has something to say.
void FillLog(LogBuilder& log) {
  log.Fleet("zeb", {.workers = 2, .cap_day = 18'000'000});
  eventpb::QuotaIntervalChanged quota;
  quota.set_interval_s(288);
  log.Write("fleet/zeb", quota);
  log.Launch("aaaa", "zeb", {.price = 100'000});
  log.Accept("aaaa", "1");
  log.See("aaaa", 100'000);
  log.Read("aaaa", {.counter = 1, .total = 256, .rate = 4.5});
  log.Health("aaaa", eventpb::WorkerHealthChanged::HEALTHY);
  log.Launch("dud1", "zeb", {.price = 100'000, .index = 1});
  log.Accept("dud1", "2");
  log.After(absl::Hours(1));
  log.End("dud1");
  eventpb::CreditObserved credit;
  credit.set_credit_micro_usd(5'000'000);
  log.Write("account/vast", credit);
  eventpb::HostStruck struck;
  struck.set_cause("no-progress");
  struck.set_weight(3);
  struck.set_fleet("zeb");
  log.Write("host/vast/5512", struck);
}

ServerProbe AServer() {
  ServerProbe server{.server = "b1",
                     .provider = "hetzner",
                     .state = "in service",
                     .since = absl::FromUnixSeconds(1'790'000'000),
                     .in_service = true,
                     .currency = "EUR",
                     .price_per_month = 148,
                     .spent = 3.56};
  server.vitals = ServerProbe::Vitals{.at = absl::FromUnixSeconds(1'790'000'060),
                                      .reached = true,
                                      .load1 = 1.5,
                                      .memory_bytes = 64e9,
                                      .memory_available_bytes = 32e9,
                                      .disk_bytes = 1e12,
                                      .disk_free_bytes = 4e11,
                                      .build_processes = 7,
                                      .gpus = {{0.25, 20e9, 5e9}}};
  return server;
}

struct Scene {
  LogBuilder log;
  Projector projector{log.rt(), log.store()};
  FixedLimiter limiter;
  Metrics metrics{{.version = "0.1.0", .started_at = log.now()}};
  queries::Lag lag;
  Probe probe{.policy_passes = 12,
              .policy_last_pass = absl::Milliseconds(3),
              .store_syncs = 4,
              .store_syncing = absl::Milliseconds(8),
              .reactor_lag = {{0.001, 0.01}, {5, 2, 1}, absl::Milliseconds(30)},
              .shadows = {{"zeb", true, {{"replenish", 3}, {"no-progress", 1}}, 2, -0.25}},
              .servers = {AServer()},
              .store_free_bytes = 5'000'000'000,
              .chain_verified = 9,
              .notify = {{.name = "pager", .sent = 3, .failed = 2, .dropped = 1, .behind = 4}}};

  explicit Scene(bool fill = true) {
    if (fill) FillLog(log);
    EXPECT_THAT(log.rt().Run(projector.Start()), IsOk());
  }
  void Update() {
    metrics.Update({.models = &projector.models(),
                    .lag = &lag,
                    .probe = &probe,
                    .head = log.store().Head(),
                    .snapshots = {{"read-models", 3}},
                    .budgets = {{"vast", limiter.Budgets()}}},
                   log.now());
  }
  void Exercise() {
    metrics.ObserveProviderCall("vast", "GET instances", "", absl::Milliseconds(120));
    metrics.ObserveProviderCall("vast", "GET instances", "throttled", absl::Milliseconds(80));
    metrics.ObserveAppend(Status(), 3, absl::Milliseconds(2));
    metrics.ObserveAppend(Unavailable("sync failed"), 1, absl::Milliseconds(2));
    Update();
  }
};

TEST(Metrics, EveryNameOfTheTableIsExposedAndNoOther) {
  Scene scene;
  scene.Exercise();
  std::set<std::string> exposed;
  std::istringstream lines(scene.metrics.Text());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) exposed.insert(line.substr(7, line.find(' ', 7) - 7));
  }
  EXPECT_EQ(exposed, KnownNames());
}

TEST(Metrics, NamesFollowTheConventions) {
  for (const MetricInfo& info : AllMetrics()) {
    SCOPED_TRACE(std::string(info.name));
    EXPECT_TRUE(info.name.starts_with("muster_"));
    EXPECT_EQ(info.type == Type::kCounter, info.name.ends_with("_total"));
    if (info.type == Type::kHistogram) EXPECT_TRUE(info.name.ends_with("_seconds"));
    EXPECT_TRUE(info.help.ends_with("."));
    EXPECT_LE(info.labels.size(), 5u);
  }
}

TEST(Metrics, ShowMoneyAndWorkToTheDigit) {
  Scene scene;
  scene.Exercise();
  const std::string text = scene.metrics.Text();
  for (const std::string line : {
           "muster_fleet_workers_wanted{fleet=\"zeb\"} 2",
           "muster_fleet_workers_healthy{fleet=\"zeb\"} 1",
           "muster_fleet_burn_usd_per_hour{fleet=\"zeb\"} 0.1",
           "muster_fleet_spent_usd_total{fleet=\"zeb\"} 0.2",
           "muster_fleet_lost_usd_total{fleet=\"zeb\"} 0.1",
           "muster_fleet_budget_day_usd{fleet=\"zeb\"} 18",
           "muster_fleet_work_units_per_second{fleet=\"zeb\",unit=\"games\"} 4.5",
           "muster_fleet_worker_health{fleet=\"zeb\",health=\"STALLED\"} 0",
           "muster_account_runway_seconds{provider=\"vast\"} 180000",
           "muster_hosts_blocked{provider=\"vast\"} 1",
           "muster_decisions_total{fleet=\"zeb\",rule=\"replenish\",action=\"launch\"} 2",
           "muster_provider_throttle_wait_seconds{provider=\"vast\",endpoint=\"GET instances\"} 3",
           "muster_store_events_appended_total 3",
           "muster_store_sync_seconds_total 0.008",
           "muster_policy_passes_total 12",
           "muster_reactor_lag_seconds_bucket{le=\"0.01\"} 7",
           "muster_reactor_lag_seconds_bucket{le=\"+Inf\"} 8",
           "muster_reactor_lag_seconds_count 8",
           "muster_store_append_errors_total{code=\"UNAVAILABLE\"} 1",
           "muster_server_state{server=\"b1\",provider=\"hetzner\",state=\"in service\"} 1",
           "muster_server_price_per_month{server=\"b1\",currency=\"EUR\"} 148",
           "muster_builder_reached{server=\"b1\"} 1",
           "muster_builder_gpu_utilization_ratio{server=\"b1\",gpu=\"0\"} 0.25",
       }) {
    EXPECT_THAT(text, testing::HasSubstr(line + "\n"));
  }
}

TEST(Metrics, OfABuilderThatIsNotReachedOnlyThatIsShown) {
  Scene scene;
  scene.probe.servers[0].vitals->reached = false;
  scene.Exercise();
  EXPECT_THAT(scene.metrics.Text(),
              testing::HasSubstr("muster_builder_reached{server=\"b1\"} 0\n"));
  EXPECT_THAT(scene.metrics.Text(), testing::Not(testing::HasSubstr("muster_builder_load1{")));
  scene.probe.servers[0].in_service = false;
  scene.Update();
  EXPECT_THAT(scene.metrics.Text(), testing::Not(testing::HasSubstr("muster_builder_reached{")));
}

TEST(Metrics, TooManyWorkersLoseTheirOwnSeriesButNotTheirFleets) {
  LogBuilder log;
  log.Fleet("zeb", {.workers = 3});
  for (int i = 0; i < 3; ++i) log.Launch(Cat("w", i), "zeb", {.index = i});
  const auto models = log.Models();
  for (const int most : {2, 3}) {
    Metrics metrics({.version = "x", .started_at = log.now(), .worker_series_max = most});
    metrics.Update({.models = models.get()}, log.now());
    const std::string text = metrics.Text();
    EXPECT_EQ(text.find("muster_worker_info{") == text.npos, most == 2);
    EXPECT_THAT(text, testing::HasSubstr(Cat("muster_worker_series_suppressed ", most == 2)));
    EXPECT_THAT(text, testing::HasSubstr("muster_fleet_workers_open{fleet=\"zeb\"} 3"));
  }
}

TEST(Metrics, RunKeepsTheValuesFresh) {
  Scene scene(false);
  scene.log.rt().Spawn("metrics",
                       scene.metrics.Run(scene.log.rt(), {.projector = &scene.projector,
                                                          .store = &scene.log.store(),
                                                          .limiters = {{"vast", &scene.limiter}}}));
  scene.log.rt().RunUntilIdle();
  EXPECT_THAT(scene.metrics.Text(), testing::HasSubstr("muster_projection_position 0\n"));
  FillLog(scene.log);
  scene.log.rt().RunFor(absl::Seconds(6));
  EXPECT_THAT(scene.metrics.Text(),
              testing::Not(testing::HasSubstr("muster_projection_position 0\n")));
  EXPECT_THAT(scene.metrics.Text(),
              testing::HasSubstr("muster_fleet_workers_wanted{fleet=\"zeb\"} 2"));
  scene.metrics.Stop();
}

TEST(Metrics, RefuseAnAddressThatIsNone) {
  Metrics metrics({.version = "x", .started_at = absl::UnixEpoch()});
  for (const std::string address : {"", "9464", ":9464", "127.0.0.1:", "127.0.0.1:x",
                                    "127.0.0.1:70000", "some host:1", "127.0.0.1:9464,9465"}) {
    EXPECT_THAT(metrics.Listen(address), StatusIs(StatusCode::kInvalidArgument)) << address;
  }
  EXPECT_EQ(metrics.port(), 0);
}

TEST(Metrics, AreServedOnAFreePortAndATakenOneIsAnError) {
  Metrics metrics({.version = "x", .started_at = absl::UnixEpoch()});
  ASSERT_THAT(metrics.Listen("localhost:0"), IsOk());
  EXPECT_GT(metrics.port(), 0);
  EXPECT_THAT(metrics.Listen("localhost:0"), StatusIs(StatusCode::kFailedPrecondition));
  Metrics second({.version = "x", .started_at = absl::UnixEpoch()});
  EXPECT_THAT(second.Listen(Cat("127.0.0.1:", metrics.port())), StatusIs(StatusCode::kUnavailable));
}

TEST(Metrics, ScrapesAndUpdatesFromTwoThreadsDoNotMeet) {
  Scene scene;
  std::atomic<bool> stop = false;
  std::thread scraper([&] {
    while (!stop) scene.metrics.Text();
  });
  for (int i = 0; i < 200; ++i) scene.Exercise();
  stop = true;
  scraper.join();
}

// ---- what is shipped speaks of metrics that exist
// ------------------------------------------------

TEST(MetricsReadme, NamesEveryMetricAndNoOther) {
  EXPECT_EQ(NamesIn(ReadSource("services/metrics/README.md")), KnownNames());
}

TEST(MetricsDeploy, AlertsAndDashboardsUseOnlyExistingNames) {
  const std::set<std::string> known = KnownNames();
  std::vector<std::string> paths = {"deploy/prometheus/alerts.yml"};
  for (const auto& entry : std::filesystem::directory_iterator(SourceDir() + "/deploy/grafana")) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() == ".json")
      paths.push_back(Cat("deploy/grafana/", path.filename().string()));
  }
  EXPECT_GE(paths.size(), 6u);
  for (const std::string& path : paths) {
    const std::set<std::string> used = NamesIn(ReadSource(path));
    EXPECT_GT(used.size(), 5u) << path;
    for (const std::string& name : used) EXPECT_TRUE(known.contains(name)) << path << ": " << name;
  }
}

// Every rule has a page for who is woken by it, and every page a rule.
TEST(MetricsDeploy, EveryAlertHasItsSectionInTheRunbook) {
  const auto words = [](const std::string& path, const std::string& before) {
    std::set<std::string> found;
    std::istringstream lines(ReadSource(path));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t at = line.find(before);
      if (at != std::string::npos) found.insert(line.substr(at + before.size()));
    }
    return found;
  };
  const std::set<std::string> rules = words("deploy/prometheus/alerts.yml", "- alert: ");
  EXPECT_GT(rules.size(), 10u);
  EXPECT_EQ(words("deploy/runbooks/alerts.md", "## "), rules);
  std::set<std::string> links;
  for (std::string rule : rules) {
    std::transform(rule.begin(), rule.end(), rule.begin(), ::tolower);
    links.insert(rule);
  }
  EXPECT_EQ(words("deploy/prometheus/alerts.yml", "runbook: deploy/runbooks/alerts.md#"), links);
}

TEST(Metrics, AFailureRuleIsCountedFromZero) {
  Scene scene;
  scene.Exercise();
  EXPECT_THAT(scene.metrics.Text(),
              testing::HasSubstr(
                  "muster_decisions_total{fleet=\"zeb\",rule=\"offline\",action=\"destroy\"} 0"));
}

int RunShell(const std::string& command, std::string* output) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe))
    output->append(buffer, n);
  return ::pclose(pipe);
}

bool HavePromtool() {
  std::string ignored;
  return RunShell("command -v promtool", &ignored) == 0;
}

TEST(MetricsDeploy, PromtoolAcceptsConfigurationAndRules) {
  if (!HavePromtool()) GTEST_SKIP() << "promtool is not installed";
  std::string output;
  EXPECT_EQ(RunShell("cd " + SourceDir() +
                         "/deploy/prometheus && promtool check config "
                         "prometheus.yml && promtool check rules alerts.yml",
                     &output),
            0)
      << output;
}

TEST(MetricsDeploy, AlertsFireWhenTheyShould) {
  if (!HavePromtool()) GTEST_SKIP() << "promtool is not installed";
  std::string output;
  EXPECT_EQ(
      RunShell("promtool test rules " + SourceDir() + "/tests/services/metrics/alerts_test.yml",
               &output),
      0)
      << output;
}

TEST(MetricsDeploy, PromtoolFindsNothingToComplainAboutInAScrape) {
  if (!HavePromtool()) GTEST_SKIP() << "promtool is not installed";
  Scene scene;
  scene.Exercise();
  const std::filesystem::path file =
      std::filesystem::path(testing::TempDir()) / Cat("muster-metrics-", ::getpid(), ".txt");
  std::ofstream(file) << scene.metrics.Text();
  std::string output;
  EXPECT_EQ(RunShell("promtool check metrics < " + file.string(), &output), 0) << output;
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace muster::metrics
