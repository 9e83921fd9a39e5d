// One fleet as shown to people. Plain values; for the conventions of times see
// queries/projection.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/units.h"

namespace muster::spec::v1 {
class FleetSpec;
}

namespace muster::queries {

struct WaitStatus {
  std::string kind;                         // "credit"
  std::string detail;                       // with the numbers
  std::string owner;                        // who can end it: "operator", "provider", "muster"
  absl::Time until = absl::InfinitePast();  // next try or deadline
  absl::Time since = absl::InfinitePast();
};

struct FleetStatus {
  FleetName name;
  std::shared_ptr<const spec::v1::FleetSpec> spec;  // never null; `workers` follows a scale
  std::int64_t fleet_version = 0;
  int wanted = 0;
  int have = 0;  // open workers that are not being destroyed, launches in flight included
  int healthy = 0;
  int destroying = 0;
  MicroUsdPerHour burn;  // everything that is billed, also what is being destroyed
  MicroUsd spent_today;  // since midnight UTC
  MicroUsd spent_total;
  MicroUsd cap_day;       // zero = none
  MicroUsd worst_case;    // of today at midnight UTC, if nothing is destroyed any more
  double rate_per_s = 0;  // work done now
  std::string work_unit;
  MicroUsdPerHour cost_per_unit_rate;  // $/h per (unit/s); zero = unknown
  std::string state;                   // one line: "1 in SETUP (4m12s of 10m, then replace)"
  std::vector<WaitStatus> waits;
  bool down_requested = false;
  bool ended = false;
  bool strikes_suspended = false;
  std::string suspended_cause;
  std::int64_t upload_interval_s = 0;
  int workers_on_old_interval = 0;
  absl::Time observed_at = absl::InfinitePast();  // oldest of the facts shown, worst case
  absl::Time updated_at = absl::InfinitePast();   // newest event of the fleet or its workers
};

// How often each rule decided what, since the log began. For metrics.
struct DecisionCount {
  FleetName fleet;
  std::string rule;    // "no-progress"
  std::string action;  // "launch", "destroy", "start", "strike"
  std::int64_t count = 0;
};

}  // namespace muster::queries
