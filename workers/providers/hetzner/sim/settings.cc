// Makes a HetznerSim from text settings, for programs that know providers by name only.
#include <functional>

#include "absl/strings/numbers.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"

namespace muster {

namespace hetznersim {

namespace {

using Setter = std::function<Status(HetznerSimOptions&, const std::string&)>;

Status Bad(std::string_view wanted) { return InvalidArgument(wanted); }

template <class T>
Setter Number(T HetznerSimOptions::* member, double max = 1e12) {
  return [member, max](HetznerSimOptions& options, const std::string& text) -> Status {
    double value = 0;
    if (!absl::SimpleAtod(text, &value) || !(value >= 0 && value <= max)) {
      return Bad(Cat("a number from 0 to ", max));
    }
    options.*member = static_cast<T>(value);
    return {};
  };
}

Setter Flag(bool HetznerSimOptions::* member) {
  return [member](HetznerSimOptions& options, const std::string& text) -> Status {
    return absl::SimpleAtob(text, &(options.*member)) ? Status() : Bad("true or false");
  };
}

Setter Words(std::string HetznerSimOptions::* member) {
  return [member](HetznerSimOptions& options, const std::string& text) {
    options.*member = text;
    return text.empty() ? Bad("a text") : Status();
  };
}

Setter Span(absl::Duration HetznerSimOptions::* member) {
  return [member](HetznerSimOptions& options, const std::string& text) -> Status {
    absl::Duration read;
    if (!absl::ParseDuration(text, &read) || read < absl::ZeroDuration()) {
      return Bad("a duration, such as 90s or 2m");
    }
    options.*member = read;
    return {};
  };
}

const std::map<std::string, Setter>& Setters() {
  using O = HetznerSimOptions;
  static const auto* const kSetters = new std::map<std::string, Setter>{
      {"user", Words(&O::user)},
      {"password", Words(&O::password)},
      {"order_right", Flag(&O::order_right)},
      {"products", Number(&O::products, 10'000)},
      {"gpu_share", Number(&O::gpu_share, 1)},
      {"ada_share", Number(&O::ada_share, 1)},
      {"reduce_interval", Span(&O::reduce_interval)},
      {"reduce_share", Number(&O::reduce_share, 1)},
      {"eur_per_month_min", Number(&O::eur_per_month_min, 1e6)},
      {"eur_per_month_max", Number(&O::eur_per_month_max, 1e6)},
      {"delivery_min", Span(&O::delivery_min)},
      {"delivery_max", Span(&O::delivery_max)},
      {"boot_min", Span(&O::boot_min)},
      {"boot_max", Span(&O::boot_max)},
      {"quotas", Flag(&O::quotas)},
      {"quota_percent", Number(&O::quota_percent, 1000)},
      {"login_block", Flag(&O::login_block)},
      {"first_product", Number(&O::first_product)},
      {"ssh_port", Number(&O::ssh_port, 65'535)},
      {"qemu", Words(&O::qemu)},
      {"qemu_disks", Words(&O::qemu_disks)},
      {"qemu_firmware", Words(&O::qemu_firmware)},
      {"qemu_net", Words(&O::qemu_net)},
      {"qemu_accel", Words(&O::qemu_accel)},
      {"public_ipv4", Flag(&O::public_ipv4)},
  };
  return *kSetters;
}

}  // namespace

StatusOr<HetznerSimOptions> OptionsFrom(const SimSpec& spec) {
  HetznerSimOptions options;
  options.seed = spec.seed;
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
  if (options.boot_max < options.boot_min || options.delivery_max < options.delivery_min ||
      options.eur_per_month_max < options.eur_per_month_min) {
    return InvalidArgument("a ..._max must not be less than its ..._min");
  }
  return options;
}

}  // namespace hetznersim

namespace sims {

StatusOr<std::unique_ptr<SimServer>> hetzner(const SimSpec& spec) {
  MUSTER_ASSIGN_OR_RETURN(hetznersim::HetznerSimOptions options, hetznersim::OptionsFrom(spec));
  auto sim =
      std::make_unique<hetznersim::HetznerSim>(std::move(options), spec.start, spec.machines.get());
  sim->Keep(spec.machines);
  return sim;
}

}  // namespace sims
}  // namespace muster
