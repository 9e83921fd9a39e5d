#include "services/metrics/samples.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "commands/rules.h"
#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"
#include "queries/projector.h"
#include "queries/read_models.h"
#include "services/metrics/names.h"

namespace muster::metrics {
namespace {

// By which a worker is condemned for failing. A series that began with its first count would hide
// that one from every increase.
constexpr std::array kFailureRules = {rules::kOffline,     rules::kStuckBoot,    rules::kStuckSetup,
                                      rules::kStuckWarmup, rules::kBrokenLaunch, rules::kFatalError,
                                      rules::kNoProgress};

// Shown with 0 too, so that an alert rule always finds its series.
constexpr std::array kHealths = {"LAUNCHING", "BOOT",      "SETUP",      "WARMUP",
                                 "HEALTHY",   "STALLED",   "FAILING",    "OFFLINE",
                                 "HELD",      "CONDEMNED", "DESTROYING", "UNKNOWN"};
constexpr std::array kWaits = {"credit", "auth",      "outage",  "throttle", "offers",
                               "budget", "preflight", "unclear", "list",     "secrets"};
constexpr std::array kTroubles = {"auth", "forbidden", "outage", "throttled"};

void AddFleet(Samples& to, const queries::FleetStatus& fleet, absl::Time now) {
  const std::string& name = fleet.name.str();
  to.Add("muster_fleet_workers_wanted", {name}, fleet.wanted);
  to.Add("muster_fleet_workers_open", {name}, fleet.have);
  to.Add("muster_fleet_workers_healthy", {name}, fleet.healthy);
  to.Add("muster_fleet_burn_usd_per_hour", {name}, fleet.burn.usd());
  to.Add("muster_fleet_spent_usd_total", {name}, fleet.spent_total.usd());
  to.Add("muster_fleet_spent_today_usd", {name}, fleet.spent_today.usd());
  if (fleet.cap_day.micros > 0) to.Add("muster_fleet_budget_day_usd", {name}, fleet.cap_day.usd());
  to.Add("muster_fleet_work_units_per_second", {name, fleet.work_unit}, fleet.rate_per_s);
  to.Add("muster_fleet_strikes_suspended", {name}, fleet.strikes_suspended ? 1 : 0);
  if (fleet.upload_interval_s > 0) {
    to.Add("muster_fleet_upload_interval_seconds", {name},
           static_cast<double>(fleet.upload_interval_s));
  }
  if (fleet.have + fleet.destroying > 0 && fleet.observed_at != absl::InfinitePast()) {
    const absl::Duration age = std::max(now - fleet.observed_at, absl::ZeroDuration());
    to.Add("muster_fleet_observation_age_seconds", {name}, absl::ToDoubleSeconds(age));
  }
  for (const char* kind : kWaits) {
    bool waits = false;
    for (const auto& wait : fleet.waits) waits = waits || wait.kind == kind;
    to.Add("muster_fleet_waiting", {name, kind}, waits ? 1 : 0);
  }
}

void AddWorker(Samples& to, const queries::WorkerStatus& worker) {
  const std::string& fleet = worker.fleet.str();
  const std::string& id = worker.id.str();
  to.Add("muster_worker_info",
         {fleet, id, worker.instance.str(), worker.machine.str(), worker.gpu.str()}, 1);
  to.Add("muster_worker_healthy", {fleet, id}, worker.health == "HEALTHY" ? 1 : 0);
  to.Add("muster_worker_burn_usd_per_hour", {fleet, id},
         worker.phase == "launching" ? 0 : worker.price.usd());
  to.Add("muster_worker_spent_usd", {fleet, id}, worker.spent.usd());
  to.Add("muster_worker_work_units_per_second", {fleet, id},
         worker.producing ? worker.rate_per_s : 0);
  if (worker.last_progress_at != absl::InfinitePast()) {
    to.Add("muster_worker_last_progress_timestamp_seconds", {fleet, id},
           absl::ToDoubleSeconds(worker.last_progress_at - absl::UnixEpoch()));
  }
}

void AddWorkers(Samples& to, const queries::ReadModels& models,
                const std::vector<queries::FleetStatus>& fleets, absl::Time now,
                const MetricsOptions& options) {
  auto by_health = models.HealthCounts();
  int open = 0;
  for (const auto& [fleet, counts] : by_health) {
    for (const auto& [health, count] : counts) open += count;
  }
  for (const auto& fleet : fleets) {
    for (const char* health : kHealths) by_health[fleet.name.str()].try_emplace(health, 0);
  }
  for (const auto& [fleet, counts] : by_health) {
    for (const auto& [health, count] : counts) {
      to.Add("muster_fleet_worker_health", {fleet, health}, count);
    }
  }
  const bool too_many = open > options.worker_series_max;
  to.Add("muster_worker_series_suppressed", {}, too_many ? 1 : 0);
  if (too_many) return;
  const auto page = models.Workers({}, now);
  MUSTER_CHECK(page.ok());  // only a page token can be wrong
  for (const auto& worker : page->workers) AddWorker(to, worker);
}

void AddAccount(Samples& to, const queries::AccountStatus& account) {
  const std::string& name = account.provider.str();
  if (account.credit) to.Add("muster_account_credit_usd", {name}, account.credit->usd());
  to.Add("muster_account_burn_usd_per_hour", {name}, account.burn.usd());
  to.Add("muster_account_credit_wait", {name}, account.credit_wait ? 1 : 0);
  to.Add("muster_account_orphans", {name}, static_cast<double>(account.orphans.size()));
  to.Add("muster_account_offers_found", {name}, account.offers_found);
  if (account.runway > absl::ZeroDuration()) {
    to.Add("muster_account_runway_seconds", {name}, absl::ToDoubleSeconds(account.runway));
  }
  for (const char* kind : kTroubles) {
    int count = 0;
    for (const auto& trouble : account.troubles) count += trouble.kind == kind ? 1 : 0;
    to.Add("muster_account_trouble", {name, kind}, count);
  }
}

void AddHosts(Samples& to, const queries::ReadModels& models, absl::Time now) {
  std::map<std::string, std::pair<int, int>> counts;  // struck, blocked
  for (const auto& host : models.Hosts({}, now)) {
    auto& [struck, blocked] = counts[host.provider.str()];
    struck += host.live_strikes > 0 ? 1 : 0;
    blocked += host.blocked ? 1 : 0;
  }
  for (const auto& [provider, count] : counts) {
    to.Add("muster_hosts_struck", {provider}, count.first);
    to.Add("muster_hosts_blocked", {provider}, count.second);
  }
}

void AddDecisions(Samples& to, const queries::ReadModels& models,
                  const std::vector<queries::FleetStatus>& fleets) {
  std::map<std::array<std::string, 3>, std::int64_t> counts;
  for (const auto& fleet : fleets) {
    for (const char* rule : kFailureRules) counts[{fleet.name.str(), rule, "destroy"}] = 0;
  }
  for (const auto& decision : models.Decisions()) {
    counts[{decision.fleet.str(), decision.rule, decision.action}] = decision.count;
  }
  for (const auto& [labels, count] : counts) {
    to.Add("muster_decisions_total", {labels[0], labels[1], labels[2]}, static_cast<double>(count));
  }
}

void AddModels(Samples& to, const queries::ReadModels& models, absl::Time now,
               const MetricsOptions& options) {
  const auto fleets = models.Fleets(now);
  for (const auto& fleet : fleets) AddFleet(to, fleet, now);
  AddWorkers(to, models, fleets, now, options);
  for (const auto& [fleet, lost] : models.Lost()) {
    to.Add("muster_fleet_lost_usd_total", {fleet}, lost.usd());
  }
  for (const auto& account : models.Accounts(now)) AddAccount(to, account);
  AddHosts(to, models, now);
  AddDecisions(to, models, fleets);
  to.Add("muster_projection_position", {}, static_cast<double>(models.position()));
}

void AddShadow(Samples& to, const ShadowProbe& shadow) {
  to.Add("muster_shadow_running", {shadow.fleet}, shadow.running ? 1 : 0);
  to.Add("muster_shadow_disagreements_open", {shadow.fleet}, static_cast<double>(shadow.open));
  to.Add("muster_shadow_spend_difference_usd", {shadow.fleet}, shadow.difference_usd);
  for (const auto& [rule, count] : shadow.disagreements) {
    to.Add("muster_shadow_disagreements_total", {shadow.fleet, rule}, static_cast<double>(count));
  }
}

void AddVitals(Samples& to, const std::string& server, const ServerProbe::Vitals& vitals) {
  to.Add("muster_builder_reached", {server}, vitals.reached ? 1 : 0);
  to.Add("muster_builder_seen_timestamp_seconds", {server},
         absl::ToDoubleSeconds(vitals.at - absl::UnixEpoch()));
  if (!vitals.reached) return;
  to.Add("muster_builder_load1", {server}, vitals.load1);
  to.Add("muster_builder_build_processes", {server}, vitals.build_processes);
  if (vitals.memory_bytes > 0) {
    to.Add("muster_builder_memory_bytes", {server}, vitals.memory_bytes);
    to.Add("muster_builder_memory_available_bytes", {server}, vitals.memory_available_bytes);
  }
  if (vitals.disk_bytes > 0) {
    to.Add("muster_builder_disk_bytes", {server}, vitals.disk_bytes);
    to.Add("muster_builder_disk_free_bytes", {server}, vitals.disk_free_bytes);
  }
  int index = 0;
  for (const ServerProbe::Vitals::Gpu& gpu : vitals.gpus) {
    const std::string number = Cat(index++);
    to.Add("muster_builder_gpu_utilization_ratio", {server, number}, gpu.utilization);
    to.Add("muster_builder_gpu_memory_bytes", {server, number}, gpu.memory_bytes);
    to.Add("muster_builder_gpu_memory_used_bytes", {server, number}, gpu.memory_used_bytes);
  }
}

void AddServer(Samples& to, const ServerProbe& server) {
  to.Add("muster_server_state", {server.server, server.provider, server.state}, 1);
  to.Add("muster_server_state_since_timestamp_seconds", {server.server},
         absl::ToDoubleSeconds(server.since - absl::UnixEpoch()));
  to.Add("muster_server_needs_operator", {server.server}, server.needs_operator ? 1 : 0);
  to.Add("muster_server_in_service", {server.server}, server.in_service ? 1 : 0);
  to.Add("muster_server_price_per_month", {server.server, server.currency}, server.price_per_month);
  to.Add("muster_server_spent", {server.server, server.currency}, server.spent);
  if (server.in_service && server.vitals.has_value()) {
    AddVitals(to, server.server, *server.vitals);
  }
}

void AddProbe(Samples& to, const Probe& probe) {
  for (const ServerProbe& server : probe.servers) AddServer(to, server);
  for (const ShadowProbe& shadow : probe.shadows) AddShadow(to, shadow);
  to.Add("muster_policy_passes_total", {}, static_cast<double>(probe.policy_passes));
  to.Add("muster_policy_last_pass_seconds", {}, absl::ToDoubleSeconds(probe.policy_last_pass));
  to.Add("muster_store_syncs_total", {}, static_cast<double>(probe.store_syncs));
  to.Add("muster_store_sync_seconds_total", {}, absl::ToDoubleSeconds(probe.store_syncing));
  to.Add("muster_store_chain_ok", {}, probe.chain_ok ? 1 : 0);
  to.Add("muster_store_chain_verified_position", {}, static_cast<double>(probe.chain_verified));
  if (probe.store_free_bytes >= 0) {
    to.Add("muster_store_free_bytes", {}, static_cast<double>(probe.store_free_bytes));
  }
  for (const auto& target : probe.notify) {
    to.Add("muster_notify_sent_total", {target.name}, static_cast<double>(target.sent));
    to.Add("muster_notify_failed_total", {target.name}, static_cast<double>(target.failed));
    to.Add("muster_notify_dropped_total", {target.name}, static_cast<double>(target.dropped));
    to.Add("muster_notify_lag_events", {target.name}, static_cast<double>(target.behind));
  }
  const auto& lag = probe.reactor_lag;
  if (lag.counts.empty()) return;
  to.AddHistogram("muster_reactor_lag_seconds", lag.bounds_seconds, lag.counts,
                  absl::ToDoubleSeconds(lag.sum));
}

}  // namespace

prometheus::MetricFamily& Samples::Family(std::string_view name) {
  const MetricInfo& info = Info(name);
  prometheus::MetricFamily& family = families_[info.name];
  if (!family.name.empty()) return family;
  family.name = info.name;
  family.help = info.help;
  switch (info.type) {
    case Type::kCounter:
      family.type = prometheus::MetricType::Counter;
      break;
    case Type::kGauge:
      family.type = prometheus::MetricType::Gauge;
      break;
    case Type::kHistogram:
      family.type = prometheus::MetricType::Histogram;
      break;
  }
  return family;
}

void Samples::Add(std::string_view name, std::initializer_list<std::string_view> labels,
                  double value) {
  const MetricInfo& info = Info(name);
  MUSTER_CHECK(labels.size() == info.labels.size());
  prometheus::ClientMetric& metric = Family(name).metric.emplace_back();
  std::size_t i = 0;
  for (const std::string_view label : labels) {
    metric.label.push_back({std::string(info.labels[i++]), ToValidUtf8(label)});
  }
  (info.type == Type::kCounter ? metric.counter.value : metric.gauge.value) = value;
}

void Samples::AddHistogram(std::string_view name, const std::vector<double>& bounds,
                           const std::vector<std::uint64_t>& counts, double sum) {
  MUSTER_CHECK(counts.size() == bounds.size() + 1);
  auto& histogram = Family(name).metric.emplace_back().histogram;
  histogram.sample_sum = sum;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    histogram.sample_count += counts[i];
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({histogram.sample_count, bound});
  }
}

std::vector<prometheus::MetricFamily> Samples::Take() {
  std::vector<prometheus::MetricFamily> taken;
  taken.reserve(families_.size());
  for (auto& [name, family] : families_) taken.push_back(std::move(family));
  families_.clear();
  return taken;
}

std::vector<prometheus::MetricFamily> Collect(const Metrics::Moment& moment, absl::Time now,
                                              const MetricsOptions& options) {
  Samples to;
  if (moment.models != nullptr) AddModels(to, *moment.models, now, options);
  if (moment.lag != nullptr) {
    to.Add("muster_projection_lag_events", {}, static_cast<double>(moment.lag->events));
    to.Add("muster_projection_lag_seconds", {}, absl::ToDoubleSeconds(moment.lag->behind));
  }
  to.Add("muster_projection_failed", {}, moment.projection_failed ? 1 : 0);
  to.Add("muster_store_head_position", {}, static_cast<double>(moment.head));
  for (const auto& [name, position] : moment.snapshots) {
    to.Add("muster_store_snapshot_position", {name}, static_cast<double>(position));
  }
  if (moment.probe != nullptr) AddProbe(to, *moment.probe);
  for (const auto& [provider, budgets] : moment.budgets) {
    for (const auto& [endpoint, budget] : budgets) {
      to.Add("muster_provider_throttle_wait_seconds", {provider, endpoint},
             absl::ToDoubleSeconds(budget.wait));
      to.Add("muster_provider_throttle_queue", {provider, endpoint}, budget.waiting);
      to.Add("muster_provider_throttled_total", {provider, endpoint},
             static_cast<double>(budget.throttled_total));
    }
  }
  return to.Take();
}

}  // namespace muster::metrics
