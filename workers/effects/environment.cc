#include "workers/effects/environment.h"

#include <utility>

#include "absl/strings/str_replace.h"

namespace muster {
namespace {

// What {worker} stands for: the program's own name for the slot, not the rental's.
std::string WorkerName(const specpb::FleetSpec& spec, const worker::Identity& worker) {
  const std::string& name = spec.launch().worker_name();
  if (name.empty()) return worker.id.str();
  return absl::StrReplaceAll(name,
                             {{"{fleet}", worker.fleet.str()}, {"{index}", Cat(worker.index)}});
}

}  // namespace

std::string FillPlaces(std::string_view text, const specpb::FleetSpec& spec,
                       const worker::Identity& worker) {
  return absl::StrReplaceAll(ToAbsl(text),
                             {{"{worker}", WorkerName(spec, worker)},
                              {"{index}", Cat(worker.index)},
                              {"{fleet}", worker.fleet.str()},
                              {"{upload_interval_s}", Cat(worker.upload_interval_s)}});
}

StatusOr<LaunchSpec> MakeLaunchSpec(const specpb::FleetSpec& spec, const worker::Identity& worker,
                                    Secrets& secrets) {
  const specpb::Launch& launch = spec.launch();
  LaunchSpec made;
  made.offer = worker.offered.offer;
  made.label = worker.label;
  made.image = launch.image();
  made.disk_gb = worker.offered.disk_gb > 0 ? worker.offered.disk_gb : launch.disk_gb();
  made.onstart = FillPlaces(launch.onstart(), spec, worker);
  if (!launch.runtype().empty()) made.runtype = launch.runtype();
  if (!launch.image_login_ref().empty()) {
    MUSTER_ASSIGN_OR_RETURN(made.image_login, secrets.Resolve(launch.image_login_ref()));
  }
  for (const auto& [name, value] : launch.env()) {
    if (IsSecretRef(value)) {
      MUSTER_ASSIGN_OR_RETURN(made.env[name], secrets.Resolve(value));
    } else {
      made.env[name] = FillPlaces(value, spec, worker);
    }
  }
  if (spec.market().bid_micro_usd_per_hour() > 0) {
    made.bid = MicroUsdPerHour(spec.market().bid_micro_usd_per_hour());
  }
  return made;
}

}  // namespace muster
