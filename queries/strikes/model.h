// Machines as we know them: strikes against them and what they did while they were ours.
// Plain values; for the conventions of times see queries/projection.h.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"

namespace muster::queries {

struct StrikeStatus {
  std::string cause;  // rule, or "imported"
  double weight = 1;
  WorkerId worker;
  FleetName fleet;
  absl::Time at = absl::InfinitePast();
  absl::Time expires_at = absl::InfiniteFuture();
  std::string summary;  // "15m04s >= 15m"
  bool live = false;    // not expired
};

struct HostStatus {
  ProviderName provider;
  MachineId machine;
  GpuName gpu;
  double live_strikes = 0;
  bool blocked = false;                // for at least one fleet
  std::vector<FleetName> blocked_for;  // fleets whose limit is reached
  std::vector<StrikeStatus> strikes;   // oldest first; pardoned ones are gone, expired ones not
  double rate_mean_per_s = 0;          // weighted by producing time
  int samples = 0;
  int launches = 0;
  int boots = 0;  // launches that came up
};

struct HostQuery {
  ProviderName provider;     // empty = all
  MachineId machine;         // empty = all
  bool struck_only = false;  // with at least one live strike
};

}  // namespace muster::queries
