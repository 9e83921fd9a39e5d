// worker/ID: one rented instance, from the intent to rent it until it is confirmed gone.
//
// (none) --LaunchRequested--> Launching --LaunchAccepted--> Live --DestroyRequested--> Destroying
//    |                            |                          |                            |
//    |                            +--LaunchRejected/NotFound-+--absent (confirmed)--------+-> Ended
//    +--WorkerAdopted------------------------------------> Live
//
// LaunchUnclear keeps it in Launching: nobody may try again before the look-ups have settled it.
// A WorkerCondemned is followed by DestroyRequested in the same append. Values only; Evolve(state,
// event) never fails and knows no clock. Times are ours (the event's occurred_at).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "commands/context.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/rental.h"
#include "eventstore/base/units.h"

namespace muster::worker {

using Health = eventpb::WorkerHealthChanged::Health;

struct Offered {
  OfferId offer;
  MachineId machine;
  GpuName gpu;
  MicroUsdPerHour price;
  double expected_rate_per_s = 0;
  std::int64_t disk_gb = 0;
};

// What never changes after the first event.
struct Identity {
  WorkerId id;
  FleetName fleet;
  ProviderName provider;
  std::int64_t fleet_version = 0;
  int index = 0;
  std::string label;  // as sent to the provider, with the token
  Offered offered;
  std::int64_t upload_interval_s = 0;
  WorkerId replaces;
  bool upgrade_trial = false;
  bool credit_probe = false;
  bool adopted = false;
  bool orphan = false;
  Stamp begun;  // LaunchRequested or WorkerAdopted
};

struct NonExistent {};

struct Launching {
  int unclear = 0;  // unclear answers and fruitless look-ups so far
  Stamp last_unclear;
  std::optional<eventpb::LaunchRejected::Reason> rejected;  // WorkerEnded follows at once
  std::string rejected_detail;
};

// The newest good observations. A failed one changes only `failures`.
struct Observed {
  // From the instance list.
  ActualStatus actual = ActualStatus::kNone;
  std::string intended_raw;
  std::string status_message;
  MicroUsdPerHour price;
  bool price_known = false;
  std::string ssh_host;
  int ssh_port = 0;
  Stamp instance;      // of the newest InstanceObserved
  Stamp status_since;  // since when `actual` and intended have been as they are
  Stamp absent;        // newest InstanceAbsent without a later sight of it
  int absent_lists = 0;
  bool absent_definite = false;
  // Since it was accepted, and since its container was last started, as far as lists were seen:
  // what nobody watched is left out.
  Stamp watched_since;
  Stamp coming_since;

  // From the log text.
  enum class Phase { kBoot, kSetup, kStarted, kProducing };
  Phase phase = Phase::kBoot;
  Stamp phase_since;  // first event of this phase
  std::int64_t counter = -1;
  std::int64_t total = -1;
  std::int64_t step = -1;
  double rate_per_s = -1;      // newest
  double rate_mean_per_s = 0;  // over rate_samples progress events
  int rate_samples = 0;
  Stamp progress;  // when the counter last grew; never the mere presence of a line
  Stamp first_progress;
  bool busy = false;
  std::string error;  // newest fatal line with no newer progress; "" = none
  std::string error_rule;
  specpb::Fault error_fault = specpb::FAULT_UNSPECIFIED;
  Stamp error_since;
  bool broken = false;
  Stamp broken_since;
  bool no_container = false;
  int agreeing_polls = 0;
  Stamp log;  // newest LogObserved: a good poll
  std::string container_id;

  absl::Time facts_since = absl::InfinitePast();  // first of the agreeing polls

  int log_failures = 0;  // in a row
  Stamp log_failing_since;
  Stamp log_failed;  // newest one written
  int instance_failures = 0;
  Stamp instance_failing_since;
  Stamp instance_failed;

  // The newest look that was written, whatever came of it.
  std::uint64_t newest() const {
    return std::max({instance.position, instance_failed.position, absent.position, log.position,
                     log_failed.position});
  }

  // Where the no-progress clock starts: a container that was started anew gets its time again,
  // and one that stood still gets the time it stood.
  Stamp progress_clock() const { return progress.at > phase_since.at ? progress : phase_since; }
};

struct Live {
  InstanceId instance;
  Stamp accepted;
  Observed seen;
  Health health = eventpb::WorkerHealthChanged::BOOT;
  Stamp health_since;
  Stamp start_requested;  // of a start not yet answered
  Stamp last_start;       // newest StartRequested, answered or not
};

struct Destroying {
  InstanceId instance;
  Stamp requested;      // first request
  std::string rule;     // why
  std::string summary;  // the same in full
  bool replace = false;
  double strike_weight = 0;
  specpb::Fault fault = specpb::FAULT_UNSPECIFIED;
  int attempts = 0;       // answered ones
  bool in_flight = true;  // requested, not yet answered: never two at once
  Stamp last_answer;
  eventpb::DestroyAnswered::Answer answer = eventpb::DestroyAnswered::ANSWER_UNSPECIFIED;
  int absent_lists = 0;
  bool absent_definite = false;
  Observed seen;  // as last known while Live, absence included
};

struct Ended {
  eventpb::WorkerEnded::How how = eventpb::WorkerEnded::HOW_UNSPECIFIED;
  Stamp at;
  std::string rule;  // of the condemnation, if any
  bool replace = false;
  std::optional<eventpb::LaunchRejected::Reason> rejected;
  double strike_weight = 0;
  std::string detail;  // of the rejection, or the condemnation's summary
  specpb::Fault fault = specpb::FAULT_UNSPECIFIED;
};

using Phase = std::variant<NonExistent, Launching, Live, Destroying, Ended>;

struct State {
  Identity identity;
  Phase phase;
  InstanceId instance;    // once known, in every later phase
  MicroUsd spent_before;  // up to `priced_since`, by observed prices
  std::vector<std::pair<std::int64_t, MicroUsd>> spent_days;  // the same by UTC day (unix day)
  MicroUsdPerHour price;                                      // since then; zero when not billed
  absl::Time priced_since = absl::InfinitePast();
  std::uint64_t version = 0;  // of the stream
  std::uint64_t last_position = 0;

  bool exists() const { return !std::holds_alternative<NonExistent>(phase); }
  bool ended() const { return std::holds_alternative<Ended>(phase); }
  // May cost money now or later: everything between intent and confirmed end.
  bool open() const { return exists() && !ended(); }
  const Live* live() const { return std::get_if<Live>(&phase); }
  MicroUsd SpentAt(absl::Time now) const;
  // The part of SpentAt(now) that fell on one UTC day, counted from 1970.
  MicroUsd SpentOnDay(std::int64_t unix_day, absl::Time now) const;
};

// "Launching": for refusals, tables and tests.
std::string_view PhaseName(const Phase& phase);
// "boot", "setup", "started", "producing", as in LogObserved.
std::string_view LogPhaseName(Observed::Phase phase);

// Folds one recorded event of this stream into `state`. Never fails; an event that makes no sense
// in this phase is ignored (it was decided under a newer rule book). `recorded` gives position and
// time.
void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded);

// The parts of Evolve that Decide asks beforehand, to see whether anything would change.
void ApplyLog(Observed& seen, const eventpb::LogObserved& facts, const Stamp& recorded);
void ApplyInstance(Observed& seen, const eventpb::InstanceObserved& facts, const Stamp& recorded);

}  // namespace muster::worker
