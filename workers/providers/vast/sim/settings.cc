// Makes a VastSim from text settings, for programs that know providers by name only.
#include "workers/ports/sim_settings.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster {

namespace vastsim {

namespace {

// A GPU that only the record knows: what it costs is recorded, too.
void AddKind(const MarketRecord::Machine& machine, const SimSpec& spec, VastSimOptions& options) {
  for (const GpuKind& known : options.gpus) {
    if (known.name == machine.gpu.str()) return;
  }
  const auto rate = spec.rates_per_s.find(machine.gpu.str());
  options.gpus.push_back({.name = machine.gpu.str(),
                          .ram_mb = 8192,
                          .compute_cap = 860,
                          .usd_per_hour = 0.1,
                          .games_per_s = rate == spec.rates_per_s.end() ? 1 : rate->second});
}

const SimSetters<VastSimOptions>& Setters() {
  using O = VastSimOptions;
  static const auto* const kSetters = new SimSetters<O>{
      {"api_key",
       [](O& o, const std::string& text) {
         o.api_keys = {text};
         return text.empty() ? InvalidArgument("a key") : Status();
       }},
      {"credit_usd", SimNumber(&O::credit_usd)},
      {"machines", SimNumber(&O::machines)},
      {"churn_interval", SimSpan(&O::churn_interval)},
      {"churn_share", SimNumber(&O::churn_share)},
      {"bad_machines", SimNumber(&O::bad_machines)},
      {"bad_machine_how",
       [](O& o, const std::string& text) {
         const std::optional<Failure> how = FailureFromName(text);
         if (how.has_value()) o.bad_machine.how = *how;
         return how.has_value() ? Status()
                                : InvalidArgument("a failure, such as stall or fatal_error");
       }},
      {"bad_machine_after",
       [](O& o, const std::string& text) { return ReadSimSpan(text, o.bad_machine.after); }},
      {"boot_min", SimSpan(&O::boot_min)},
      {"boot_max", SimSpan(&O::boot_max)},
      {"setup_min", SimSpan(&O::setup_min)},
      {"setup_max", SimSpan(&O::setup_max)},
      {"stuck_boot_share", SimNumber(&O::stuck_boot_share)},
      {"failures_per_hour", SimNumber(&O::failures_per_hour)},
      {"games_per_batch", SimNumber(&O::games_per_batch)},
      {"log_lines_kept", SimNumber(&O::log_lines_kept)},
      {"v0_list", SimFlag(&O::v0_list)},
      {"rate_limits", SimFlag(&O::rate_limits)},
      {"refusal_restarts_interval", SimFlag(&O::refusal_restarts_interval)},
      {"create_penalty", SimSpan(&O::create_penalty)},
      {"searches_per_minute", SimNumber(&O::searches_per_minute)},
  };
  return *kSetters;
}

}  // namespace

StatusOr<VastSimOptions> OptionsFrom(const SimSpec& spec) {
  VastSimOptions options;
  options.seed = spec.seed;
  for (GpuKind& gpu : options.gpus) {
    const auto rate = spec.rates_per_s.find(gpu.name);
    if (rate != spec.rates_per_s.end()) gpu.games_per_s = rate->second;
  }
  if (spec.market != nullptr) {
    options.record = spec.market;
    for (const MarketRecord::Machine& machine : spec.market->machines)
      AddKind(machine, spec, options);
  }
  MUSTER_RETURN_IF_ERROR(SetFrom(spec, Setters(), options));
  if (options.boot_max < options.boot_min || options.setup_max < options.setup_min) {
    return InvalidArgument("boot_max and setup_max must not be less than boot_min and setup_min");
  }
  return options;
}

}  // namespace vastsim

namespace sims {

StatusOr<std::unique_ptr<SimServer>> vast(const SimSpec& spec) {
  MUSTER_ASSIGN_OR_RETURN(vastsim::VastSimOptions options, vastsim::OptionsFrom(spec));
  return std::make_unique<vastsim::VastSim>(std::move(options), spec.start);
}

}  // namespace sims
}  // namespace muster
