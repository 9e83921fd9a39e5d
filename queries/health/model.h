// One worker as shown to people: what it is, what was last seen of it, and what is thought of it.
// Plain values; for the conventions of times see queries/projection.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/units.h"

namespace muster::queries {

struct WorkerStatus {
  WorkerId id;
  FleetName fleet;
  int index = 0;
  std::string label;
  ProviderName provider;
  InstanceId instance;  // empty until the provider named it
  MachineId machine;
  GpuName gpu;
  std::string location;
  std::string phase;   // "launching", "live", "destroying", "ended"
  std::string health;  // "HEALTHY"; see event.proto
  std::string health_detail;
  bool adopted = false;
  WorkerId replaces;
  std::int64_t upload_interval_s = 0;

  MicroUsdPerHour price;  // as billed now; of the offer while launching; zero when ended
  MicroUsd spent;
  double rate_per_s = -1;      // newest; -1 = none seen
  double rate_mean_per_s = 0;  // over its progress events
  double expected_rate_per_s = 0;
  std::int64_t counter = -1;  // -1 = none seen
  std::int64_t total = -1;
  std::int64_t step = -1;
  bool producing = false;  // its rate counts: healthy, or not known to be otherwise
  bool ever_produced = false;

  std::string actual_status;  // muster's name: "running"
  std::string status_message;
  std::string error;  // newest fatal line without newer progress
  std::string ssh_host;
  int ssh_port = 0;
  double host_strikes = 0;  // live ones of its machine

  absl::Time begun_at = absl::InfinitePast();
  absl::Time phase_since = absl::InfinitePast();
  absl::Time health_since = absl::InfinitePast();
  absl::Time last_progress_at = absl::InfinitePast();
  absl::Time observed_at = absl::InfinitePast();  // the older of list and log, worst case
  absl::Time ended_at = absl::InfinitePast();
  std::string ended_how;   // "destroyed", "vanished", "never began"; empty = not ended
  std::string ended_rule;  // of the verdict, if there was one

  // The clock that runs against it, where its health has one: "4m12s of 10m".
  absl::Time clock_since = absl::InfinitePast();
  absl::Duration clock_limit;  // zero = none
};

struct WorkerQuery {
  FleetName fleet;  // empty = all
  bool include_ended = false;
  int page_size = 0;       // 0 = all
  std::string page_token;  // from the page before; empty = the first
};
struct WorkerPage {
  std::vector<WorkerStatus> workers;  // by fleet, index, begin
  std::string next_page_token;        // empty = no more
};

}  // namespace muster::queries
