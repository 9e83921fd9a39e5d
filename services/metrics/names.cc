#include "services/metrics/names.h"

#include <algorithm>

#include "eventstore/base/check.h"

namespace muster::metrics {
namespace {

std::vector<MetricInfo> Table() {
  using enum Type;
  return {
      // account
      {"muster_account_burn_usd_per_hour",
       kGauge,
       {"provider"},
       "What is billed to the account now, orphans included."},
      {"muster_account_credit_usd", kGauge, {"provider"}, "Spendable credit as last observed."},
      {"muster_account_credit_wait",
       kGauge,
       {"provider"},
       "1 while nothing is launched for lack of credit."},
      {"muster_account_offers_found", kGauge, {"provider"}, "Offers in the newest search."},
      {"muster_account_orphans",
       kGauge,
       {"provider"},
       "Instances that bear our mark and that no worker accounts for."},
      {"muster_account_runway_seconds",
       kGauge,
       {"provider"},
       "Credit divided by burn; absent when either is unknown."},
      {"muster_account_trouble",
       kGauge,
       {"provider", "kind"},
       "Endpoints with an ongoing trouble of this kind."},
      // the program
      {"muster_build_info", kGauge, {"version", "compiler"}, "1."},
      {"muster_start_time_seconds", kGauge, {}, "When the daemon started, since 1970."},
      {"muster_reactor_lag_seconds",
       kHistogram,
       {},
       "How much later than due the reactor came round to things."},
      {"muster_decisions_total",
       kCounter,
       {"fleet", "rule", "action"},
       "Decisions since the log began."},
      {"muster_policy_last_pass_seconds",
       kGauge,
       {},
       "How long the newest pass of the fleet policy took."},
      {"muster_policy_passes_total", kCounter, {}, "Passes of the fleet policy."},
      // fleet
      {"muster_fleet_budget_day_usd", kGauge, {"fleet"}, "Cap per day; absent when there is none."},
      {"muster_fleet_burn_usd_per_hour", kGauge, {"fleet"}, "What is billed now."},
      {"muster_fleet_lost_usd_total",
       kCounter,
       {"fleet"},
       "Spent on workers that ended without ever producing."},
      {"muster_fleet_observation_age_seconds",
       kGauge,
       {"fleet"},
       "Age of the oldest fact shown of an open worker."},
      {"muster_fleet_spent_today_usd", kGauge, {"fleet"}, "Spent since midnight UTC."},
      {"muster_fleet_spent_usd_total", kCounter, {"fleet"}, "Spent since the log began."},
      {"muster_fleet_strikes_suspended",
       kGauge,
       {"fleet"},
       "1 while many machines fail alike, so that none is struck."},
      {"muster_fleet_upload_interval_seconds",
       kGauge,
       {"fleet"},
       "Interval that keeps the shared quota; absent without one."},
      {"muster_fleet_waiting", kGauge, {"fleet", "kind"}, "1 while it waits for this."},
      {"muster_fleet_work_units_per_second", kGauge, {"fleet", "unit"}, "Work done now."},
      {"muster_fleet_worker_health", kGauge, {"fleet", "health"}, "Open workers by health."},
      {"muster_fleet_workers_healthy", kGauge, {"fleet"}, "Workers that are healthy."},
      {"muster_fleet_workers_open",
       kGauge,
       {"fleet"},
       "Workers, launches in flight included, without those being destroyed."},
      {"muster_fleet_workers_wanted", kGauge, {"fleet"}, "Workers wanted."},
      // hosts
      {"muster_hosts_blocked", kGauge, {"provider"}, "Machines that some fleet does not rent."},
      {"muster_hosts_struck", kGauge, {"provider"}, "Machines with a live strike."},
      // read models
      {"muster_projection_failed", kGauge, {}, "1 when folding the log has stopped on an error."},
      {"muster_projection_lag_events", kGauge, {}, "Events recorded and not yet folded."},
      {"muster_projection_lag_seconds", kGauge, {}, "Age of the oldest of them."},
      {"muster_projection_position", kGauge, {}, "Position of the newest event folded."},
      // notices
      {"muster_notify_dropped_total",
       kCounter,
       {"target"},
       "Notices not told one by one, and messages refused for good."},
      {"muster_notify_failed_total", kCounter, {"target"}, "Attempts that did not arrive."},
      {"muster_notify_lag_events", kGauge, {"target"}, "Events of the log it was not yet told of."},
      {"muster_notify_sent_total", kCounter, {"target"}, "Messages that arrived."},
      // provider
      {"muster_provider_call_duration_seconds",
       kHistogram,
       {"provider", "endpoint"},
       "Calls to the provider, failed ones included."},
      {"muster_provider_call_errors_total",
       kCounter,
       {"provider", "endpoint", "trouble"},
       "Failed calls, by what the failure means."},
      {"muster_provider_throttle_queue",
       kGauge,
       {"provider", "endpoint"},
       "Callers waiting for the rate limit."},
      {"muster_provider_throttle_wait_seconds",
       kGauge,
       {"provider", "endpoint"},
       "Until the next call may go out."},
      {"muster_provider_throttled_total",
       kCounter,
       {"provider", "endpoint"},
       "Calls that the provider refused as too many."},
      // shadow: of fleets that had a candidate beside them
      {"muster_shadow_disagreements_open",
       kGauge,
       {"fleet"},
       "Disagreements of a candidate with the live policy that last."},
      {"muster_shadow_disagreements_total",
       kCounter,
       {"fleet", "rule"},
       "Decisions that the candidate would have taken otherwise, since its start."},
      {"muster_shadow_running", kGauge, {"fleet"}, "1 while a candidate runs beside the live one."},
      {"muster_shadow_spend_difference_usd",
       kGauge,
       {"fleet"},
       "What the candidate would have spent beyond the live fleet since its start."},
      // store
      {"muster_store_append_duration_seconds", kHistogram, {}, "Appends until they are durable."},
      {"muster_store_append_errors_total", kCounter, {"code"}, "Appends that failed."},
      {"muster_store_events_appended_total", kCounter, {}, "Events appended by this process."},
      {"muster_store_chain_ok",
       kGauge,
       {},
       "0 when the log was found to be otherwise than it was written."},
      {"muster_store_chain_verified_position",
       kGauge,
       {},
       "How far its hash chain was walked since the start."},
      {"muster_store_free_bytes", kGauge, {}, "Free on the file system of the log."},
      {"muster_store_head_position", kGauge, {}, "Position of the newest durable event."},
      {"muster_store_snapshot_position", kGauge, {"name"}, "What the newest snapshot covers."},
      {"muster_store_sync_seconds_total", kCounter, {}, "Time spent syncing the log to the disk."},
      {"muster_store_syncs_total", kCounter, {}, "Syncs of the log to the disk."},
      // worker: open ones only, and none at all when there are too many
      {"muster_worker_burn_usd_per_hour", kGauge, {"fleet", "worker"}, "Price as billed now."},
      {"muster_worker_healthy", kGauge, {"fleet", "worker"}, "1 when healthy."},
      {"muster_worker_info", kGauge, {"fleet", "worker", "instance", "machine", "gpu"}, "1."},
      {"muster_worker_last_progress_timestamp_seconds",
       kGauge,
       {"fleet", "worker"},
       "When its counter last grew, since 1970; absent before the first time."},
      {"muster_worker_series_suppressed",
       kGauge,
       {},
       "1 while there are so many workers that only fleets are shown."},
      {"muster_worker_spent_usd", kGauge, {"fleet", "worker"}, "Spent on it so far."},
      {"muster_worker_work_units_per_second", kGauge, {"fleet", "worker"}, "Its newest rate."},
  };
}

}  // namespace

const std::vector<MetricInfo>& AllMetrics() {
  static const auto* const all = [] {
    auto* table = new std::vector<MetricInfo>(Table());
    std::sort(table->begin(), table->end(),
              [](const MetricInfo& a, const MetricInfo& b) { return a.name < b.name; });
    return table;
  }();
  return *all;
}

const MetricInfo& Info(std::string_view name) {
  const auto& all = AllMetrics();
  const auto it =
      std::lower_bound(all.begin(), all.end(), name,
                       [](const MetricInfo& m, std::string_view n) { return m.name < n; });
  MUSTER_CHECK(it != all.end() && it->name == name);
  return *it;
}

}  // namespace muster::metrics
