// Makes a VastSim from text settings, for programs that know providers by name only.
#include <functional>

#include "absl/strings/numbers.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster {

namespace vastsim {

namespace {

using Setter = std::function<Status(VastSimOptions&, const std::string&)>;

Status Bad(std::string_view wanted) { return InvalidArgument(wanted); }

template <class T>
Setter Number(T VastSimOptions::* member) {
  return [member](VastSimOptions& options, const std::string& text) -> Status {
    double value = 0;
    if (!absl::SimpleAtod(text, &value) || !(value >= 0 && value <= 1e15)) {
      return Bad("a number, 0 or more");
    }
    options.*member = static_cast<T>(value);
    return {};
  };
}

Setter Flag(bool VastSimOptions::* member) {
  return [member](VastSimOptions& options, const std::string& text) -> Status {
    return absl::SimpleAtob(text, &(options.*member)) ? Status() : Bad("true or false");
  };
}

Status ReadSpan(const std::string& text, absl::Duration& span) {
  absl::Duration read;
  if (!absl::ParseDuration(text, &read) || read < absl::ZeroDuration()) {
    return Bad("a duration, such as 90s or 2m");
  }
  span = read;
  return {};
}

Setter Span(absl::Duration VastSimOptions::* member) {
  return [member](VastSimOptions& options, const std::string& text) {
    return ReadSpan(text, options.*member);
  };
}

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

const std::map<std::string, Setter>& Setters() {
  using O = VastSimOptions;
  static const auto* const kSetters = new std::map<std::string, Setter>{
      {"api_key",
       [](O& o, const std::string& text) {
         o.api_keys = {text};
         return text.empty() ? Bad("a key") : Status();
       }},
      {"credit_usd", Number(&O::credit_usd)},
      {"machines", Number(&O::machines)},
      {"churn_interval", Span(&O::churn_interval)},
      {"churn_share", Number(&O::churn_share)},
      {"bad_machines", Number(&O::bad_machines)},
      {"bad_machine_how",
       [](O& o, const std::string& text) {
         const std::optional<Failure> how = FailureFromName(text);
         if (how.has_value()) o.bad_machine.how = *how;
         return how.has_value() ? Status() : Bad("a failure, such as stall or fatal_error");
       }},
      {"bad_machine_after",
       [](O& o, const std::string& text) { return ReadSpan(text, o.bad_machine.after); }},
      {"boot_min", Span(&O::boot_min)},
      {"boot_max", Span(&O::boot_max)},
      {"setup_min", Span(&O::setup_min)},
      {"setup_max", Span(&O::setup_max)},
      {"stuck_boot_share", Number(&O::stuck_boot_share)},
      {"failures_per_hour", Number(&O::failures_per_hour)},
      {"games_per_batch", Number(&O::games_per_batch)},
      {"log_lines_kept", Number(&O::log_lines_kept)},
      {"v0_list", Flag(&O::v0_list)},
      {"rate_limits", Flag(&O::rate_limits)},
      {"refusal_restarts_interval", Flag(&O::refusal_restarts_interval)},
      {"create_penalty", Span(&O::create_penalty)},
      {"searches_per_minute", Number(&O::searches_per_minute)},
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
  for (const auto& [name, text] : spec.settings) {
    const auto setter = Setters().find(name);
    if (setter == Setters().end()) {
      std::string known;
      for (const auto& [one, unused] : Setters()) known += Cat(known.empty() ? "" : ", ", one);
      return InvalidArgument(Cat("unknown setting \"", name, "\"; there are: ", known));
    }
    const Status set = setter->second(options, text);
    if (!set.ok()) {
      return InvalidArgument(Cat(name, ": expected ", Message(set), ", not \"", text, "\""));
    }
  }
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
