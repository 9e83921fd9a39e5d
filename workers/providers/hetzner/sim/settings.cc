// Makes a HetznerSim from text settings, for programs that know providers by name only.
#include "workers/ports/sim_settings.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"

namespace muster {

namespace hetznersim {

namespace {

SimSetter<HetznerSimOptions> Words(std::string HetznerSimOptions::* member) {
  return [member](HetznerSimOptions& options, const std::string& text) {
    options.*member = text;
    return text.empty() ? InvalidArgument("a text") : Status();
  };
}

const SimSetters<HetznerSimOptions>& Setters() {
  using O = HetznerSimOptions;
  static const auto* const kSetters = new SimSetters<O>{
      {"user", Words(&O::user)},
      {"password", Words(&O::password)},
      {"order_right", SimFlag(&O::order_right)},
      {"products", SimNumber(&O::products, 10'000)},
      {"gpu_share", SimNumber(&O::gpu_share, 1)},
      {"ada_share", SimNumber(&O::ada_share, 1)},
      {"reduce_interval", SimSpan(&O::reduce_interval)},
      {"reduce_share", SimNumber(&O::reduce_share, 1)},
      {"eur_per_month_min", SimNumber(&O::eur_per_month_min, 1e6)},
      {"eur_per_month_max", SimNumber(&O::eur_per_month_max, 1e6)},
      {"delivery_min", SimSpan(&O::delivery_min)},
      {"delivery_max", SimSpan(&O::delivery_max)},
      {"boot_min", SimSpan(&O::boot_min)},
      {"boot_max", SimSpan(&O::boot_max)},
      {"quotas", SimFlag(&O::quotas)},
      {"quota_percent", SimNumber(&O::quota_percent, 1000)},
      {"login_block", SimFlag(&O::login_block)},
      {"first_product", SimNumber(&O::first_product)},
      {"ssh_port", SimNumber(&O::ssh_port, 65'535)},
      {"qemu", Words(&O::qemu)},
      {"qemu_disks", Words(&O::qemu_disks)},
      {"qemu_firmware", Words(&O::qemu_firmware)},
      {"qemu_net", Words(&O::qemu_net)},
      {"qemu_accel", Words(&O::qemu_accel)},
      {"public_ipv4", SimFlag(&O::public_ipv4)},
  };
  return *kSetters;
}

}  // namespace

StatusOr<HetznerSimOptions> OptionsFrom(const SimSpec& spec) {
  HetznerSimOptions options;
  options.seed = spec.seed;
  MUSTER_RETURN_IF_ERROR(SetFrom(spec, Setters(), options));
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
