// The runbook's values for what a fleet leaves out.
#include "muster/spec/v1/fleet.pb.h"
#include "services/files/spec_check.h"

namespace muster {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 86400;

// Sets `field` of `m` when it is zero, empty or unset.
#define MUSTER_DEFAULT(m, field, value) \
  if ((m).field() == decltype((m).field()){}) (m).set_##field(value)
#define MUSTER_DEFAULT_TEXT(m, field, value) \
  if ((m).field().empty()) (m).set_##field(value)

struct GpuRate {
  const char* name;
  double games_per_s;
};
constexpr GpuRate kRunbookGpus[] = {
    {"RTX 3060", 1.8},    {"RTX 3060 Ti", 2.1}, {"RTX 3070", 2.4},   {"RTX 3070 Ti", 2.6},
    {"RTX 3080", 2.6},    {"RTX 3080 Ti", 2.6}, {"RTX 3090", 2.6},   {"RTX 4060", 1.8},
    {"RTX 4060 Ti", 2.1}, {"RTX 4070", 2.6},    {"RTX 4070 Ti", 2.8}};

void FillMarket(specpb::Market& m) {
  MUSTER_DEFAULT(m, price_max_micro_usd_per_hour, 90'000);
  if (m.gpus().empty()) {
    for (const GpuRate& gpu : kRunbookGpus) {
      specpb::GpuExpectation& added = *m.add_gpus();
      added.set_name(gpu.name);
      added.set_rate_per_s(gpu.games_per_s);
    }
  }
  MUSTER_DEFAULT(m, rate_default_per_s, 1.8);
  MUSTER_DEFAULT(m, gpus_per_machine, 1);
  MUSTER_DEFAULT(m, samples_min, 3);
}

void FillLaunch(specpb::Launch& m) {
  MUSTER_DEFAULT_TEXT(m, image, "pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime");
  MUSTER_DEFAULT(m, disk_gb, 15);
  MUSTER_DEFAULT_TEXT(m, runtype, "ssh_direct");
  MUSTER_DEFAULT_TEXT(m, label, "{fleet}-worker-vast-{index}");
  MUSTER_DEFAULT_TEXT(m, worker_name, "worker-vast-{index}");
}

void FillTimers(specpb::Timers& m) {
  MUSTER_DEFAULT(m, boot_s, 10 * kMinute);
  MUSTER_DEFAULT(m, setup_s, 10 * kMinute);
  MUSTER_DEFAULT(m, warmup_s, 15 * kMinute);
  MUSTER_DEFAULT(m, no_progress_s, 15 * kMinute);
  MUSTER_DEFAULT(m, error_grace_s, 5 * kMinute);
  MUSTER_DEFAULT(m, offline_s, 10 * kMinute);
  MUSTER_DEFAULT(m, log_poll_s, 45);
  MUSTER_DEFAULT(m, log_timeout_s, 30);
  MUSTER_DEFAULT(m, list_poll_s, 30);
  MUSTER_DEFAULT(m, market_poll_s, 60);
  MUSTER_DEFAULT(m, account_poll_s, 60);
  MUSTER_DEFAULT(m, credit_probe_s, 5 * kMinute);
  MUSTER_DEFAULT(m, check_s, 60);
  MUSTER_DEFAULT(m, launch_timeout_s, 60);
  MUSTER_DEFAULT(m, log_tail_lines, 50);
  MUSTER_DEFAULT(m, launch_settle_s, 2 * kMinute);
  MUSTER_DEFAULT(m, launch_lookup_s, 10);
  MUSTER_DEFAULT(m, destroy_again_s, 30);
  MUSTER_DEFAULT(m, launch_backoff_s, 2 * kMinute);
  MUSTER_DEFAULT(m, launch_backoff_s_max, 30 * kMinute);
}

void FillStrikes(specpb::FleetSpec& spec) {
  // In a section that is present, an expiry of zero is a wish: strikes for ever.
  if (!spec.has_strikes()) spec.mutable_strikes()->set_expiry_s(30 * kDay);
  specpb::StrikePolicy& m = *spec.mutable_strikes();
  MUSTER_DEFAULT(m, limit, 3);
  MUSTER_DEFAULT(m, common_cause_min, 3);
  MUSTER_DEFAULT(m, common_cause_window_s, 10 * kMinute);
}

void FillQuota(specpb::SharedQuota& m) {
  MUSTER_DEFAULT(m, limit_per_hour, 128);
  MUSTER_DEFAULT(m, aim_per_hour, 100);
  MUSTER_DEFAULT(m, interval_s_min, 240);
}

void FillUpgrades(specpb::Upgrades& m) {
  MUSTER_DEFAULT(m, gain_min, 0.15);
  MUSTER_DEFAULT(m, payback_s_max, 2 * kHour);
  MUSTER_DEFAULT(m, per_hour_max, 1);
  MUSTER_DEFAULT(m, cooldown_s, 30 * kMinute);
  MUSTER_DEFAULT(m, trial_s_max, 15 * kMinute);
}

#undef MUSTER_DEFAULT
#undef MUSTER_DEFAULT_TEXT

}  // namespace

void FillDefaults(specpb::FleetSpec& spec) {
  if (spec.provider().empty()) spec.set_provider("vast");
  if (spec.work_unit().empty()) spec.set_work_unit("games");
  FillMarket(*spec.mutable_market());
  FillLaunch(*spec.mutable_launch());
  FillTimers(*spec.mutable_timers());
  if (spec.fact_rules().empty()) spec.set_fact_rules(spec.facts().empty() ? "zeb" : "custom");
  FillStrikes(spec);
  spec.mutable_budget();
  if (spec.has_quota()) FillQuota(*spec.mutable_quota());
  FillUpgrades(*spec.mutable_upgrades());
  if (spec.orphans() == specpb::ORPHAN_POLICY_UNSPECIFIED) spec.set_orphans(specpb::REPORT);
}

}  // namespace muster
