// One account at a provider as shown to people. Plain values; for the conventions of times see
// queries/projection.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/units.h"
#include "queries/fleet_status/model.h"

namespace muster::queries {

// An instance that bears our mark and that no open worker accounts for.
struct OrphanStatus {
  InstanceId instance;
  std::string label;
  MachineId machine;
  GpuName gpu;
  MicroUsdPerHour price;
  FleetName fleet;  // by its label; may be empty
  std::string why;
  absl::Time found_at = absl::InfinitePast();
};

struct AccountStatus {
  ProviderName provider;
  std::optional<MicroUsd> credit;  // none = never observed
  absl::Time credit_at = absl::InfinitePast();
  bool credit_wait = false;
  std::string credit_wait_detail;
  absl::Time credit_wait_since = absl::InfinitePast();
  std::vector<WaitStatus> troubles;  // ongoing ones
  MicroUsdPerHour burn;              // all that is billed to it, orphans included
  absl::Duration runway;             // credit / burn; zero = unknown or spent
  std::vector<OrphanStatus> orphans;
  int instances = -1;  // in the newest complete list that differed; -1 = none yet
  absl::Time list_at = absl::InfinitePast();
  absl::Time offers_at = absl::InfinitePast();
  int offers_found = 0;
};

}  // namespace muster::queries
