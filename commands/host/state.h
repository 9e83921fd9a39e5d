// host/PROVIDER/MACHINE: what a physical machine did to us: strikes and measurements.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "commands/context.h"
#include "eventstore/base/ids.h"

namespace muster::host {

inline constexpr std::string_view kImported = "imported";

struct Strike {
  std::string cause;  // rule, or kImported
  double weight = 1;
  WorkerId worker;
  absl::Time expires = absl::InfiniteFuture();
  Stamp at;
};

// Mean rate of one program on this machine, with how much of it there is.
struct Measured {
  std::string work_key;
  double rate_sum = 0;  // weighted by producing seconds
  double seconds = 0;
  int samples = 0;
  int boots = 0;  // launches that came up
  int launches = 0;
  double boot_s_sum = 0;
  double MeanRate() const { return seconds > 0 ? rate_sum / seconds : 0; }
};

struct State {
  ProviderName provider;
  MachineId machine;
  GpuName gpu;
  std::vector<Strike> strikes;  // pardoned ones are removed, expired ones stay until compacted
  std::vector<Measured> measured;
  // The newest workers that were judged here, so that a repeat (even after a pardon) is known.
  std::vector<WorkerId> struck_for;
  std::vector<WorkerId> measured_for;
  std::uint64_t version = 0;
  std::uint64_t last_position = 0;

  double LiveStrikes(absl::Time now) const;
  const Measured* Find(std::string_view work_key) const;
};

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded);

}  // namespace muster::host
