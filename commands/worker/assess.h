// Assess: how a worker is, judged from what was observed of it, and whether it must go.
//
// Pure: state, spec and surroundings in, judgement out. A verdict needs fresh, good observations
// that agree; where they are missing the worker is UNKNOWN and nobody touches it. The rules, their
// thresholds, evidence and faults are listed in commands/fleet/README.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "commands/context.h"
#include "commands/worker/state.h"

namespace muster::worker {

// spec.timers with the runbook's value where the spec says nothing (0).
struct Clocks {
  absl::Duration boot, setup, warmup, no_progress, error_grace, offline;
  absl::Duration log_poll, list_poll, market_poll, account_poll, credit_probe, check;
  absl::Duration launch_backoff, launch_backoff_max;
};
Clocks ClocksOf(const specpb::Timers& timers);

// An upload moves no counter, so a worker that says it is busy gets this much more time.
inline constexpr int kBusyFactor = 2;

// From then on a worker whose log cannot be read is a matter for people.
inline constexpr absl::Duration kUnheardMax = absl::Minutes(30);

// What the judgement needs to know besides the worker. Values; no ownership.
struct Surroundings {
  const specpb::FleetSpec* spec = nullptr;  // REQUIRED
  std::string policy_version;               // "zeb@v12", copied into the evidence
  bool credit_wait = false;                 // the account lacks credit: nothing is condemned
  bool account_trouble = false;             // key refused or provider down: lists prove nothing
  std::uint64_t account_position = 0;       // of the event that says so
  // Some worker of this fleet version has produced, so the program itself works: an error that
  // nobody explains is then the machine's.
  bool program_proven = false;
};

// Why a worker must go. Becomes a WorkerCondemned.
struct Verdict {
  std::string rule;
  specpb::Fault fault = specpb::FAULT_UNSPECIFIED;
  bool replace = true;
  double strike_weight = 0;
  eventpb::Evidence evidence;
};

struct Assessment {
  Health health = eventpb::WorkerHealthChanged::HEALTH_UNSPECIFIED;
  std::string detail;          // "SETUP 4m12s of 10m"
  eventpb::Evidence evidence;  // of the health; rule, measures and positions
  std::optional<Verdict> verdict;
  // Running by every list, and nothing of its log could be read since then, though it was tried:
  // nobody can judge it and it is paid for. Infinite when it is heard.
  absl::Time unheard_since = absl::InfiniteFuture();
  bool ask_to_start = false;  // stopped by the provider although credit is there again
  // The judgement may change by time alone from then on; infinite when only an event changes it.
  absl::Time next_due = absl::InfiniteFuture();
};

// REQUIRES: around.spec is set
Assessment Assess(const State& state, const Surroundings& around, absl::Time now);

// Whether a machine with this status is coming up: created, or loading its image.
bool IsComingUp(ActualStatus status);
// Whether the log came to a phase since the list first said what it says: the list lags behind.
bool LogIsAhead(const Observed& seen);

// "HEALTHY"
std::string_view HealthName(Health health);

}  // namespace muster::worker
