// fleet/NAME: what is wanted. What exists is in the worker streams.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "commands/context.h"
#include "eventstore/base/ids.h"

namespace muster::fleet {

struct CheckResult {
  eventpb::PreflightChecked::Result result = eventpb::PreflightChecked::RESULT_UNSPECIFIED;
  std::string detail;
  Stamp at;
};

// Launches that came to nothing one after the other: rented, and gone before they ever produced.
struct LaunchFailures {
  // Those that were under way when one failed are of its round. 0 = the newest one worked, or none
  // was made since the fleet was applied.
  int rounds = 0;
  Stamp last;  // the failure that began the newest round
  std::string why;
};

// Whether a condemnation by `rule` says that the worker failed, not that it is no longer wanted.
bool IsFailure(std::string_view rule);

struct State {
  FleetName name;
  specpb::FleetSpec spec;          // `spec.workers` follows FleetScaled
  std::int64_t fleet_version = 0;  // 0 = never applied
  std::string spec_digest;
  bool down_requested = false;  // until the next FleetApplied
  bool ended = false;           // down, and every worker confirmed gone
  Stamp applied;
  Stamp scaled;
  Stamp down;
  std::vector<eventpb::Wait> waits;
  Stamp waits_changed;
  std::map<std::string, CheckResult> preflight;  // by name, for the current fleet_version
  bool strikes_suspended = false;
  std::string suspended_cause;
  Stamp suspended;
  std::int64_t upload_interval_s = 0;
  Stamp last_upgrade;  // newest LaunchRequested of an upgrade's trial
  LaunchFailures failing;
  int wanted_seen = -1, have_seen = -1, healthy_seen = -1;  // newest FleetHealthChanged
  std::uint64_t version = 0;
  std::uint64_t last_position = 0;

  bool active() const { return fleet_version > 0 && !down_requested; }
  int wanted() const { return active() ? spec.workers() : 0; }
  std::string PolicyVersion() const;  // "zeb@v12"
};

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded);

}  // namespace muster::fleet
