// What can be asked of a worker's stream, and the decisions about it.
//
// Decide is pure: state and command in, events or refusal out. Repeats give no events.
// kFailedPrecondition  not in this phase; the message names the phase: read again, do not repeat
// kInvalidArgument     the command itself makes no sense
// kNotFound            there is no such worker
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "commands/context.h"
#include "commands/worker/state.h"

namespace muster::worker {

// From the policy. The event comes complete, with its evidence.
struct RequestLaunch {
  eventpb::LaunchRequested intent;
};
struct Adopt {
  eventpb::WorkerAdopted adoption;
};
// Condemns and requests the destruction in one append. Refused with kFailedPrecondition when a look
// at the worker was written after `judged_to`, the newest that the verdict was drawn from: judge
// anew. 0 = it rests on no look.
struct Condemn {
  eventpb::WorkerCondemned verdict;
  std::uint64_t judged_to = 0;
};
struct RequestStart {
  eventpb::Evidence evidence;
};
struct ReportHealth {
  eventpb::WorkerHealthChanged change;
};

// From the effects: what came of an intent.
struct LaunchAnswered {
  InstanceId instance;
  eventpb::LaunchAccepted::How how = eventpb::LaunchAccepted::ANSWER;
};
struct LaunchRefused {
  eventpb::LaunchRejected::Reason reason;
  std::string detail;
};
struct LaunchLost {
  std::string detail;
};  // unclear
struct LaunchSettledAbsent {
  int lookups = 0;
  absl::Duration waited;
};
struct DestroyAnswer {
  eventpb::DestroyAnswered::Answer answer;
  std::string detail;
};
// Asks for one more destroy call; refused while one is in flight.
struct RetryDestroy {};
struct StartAnswer {
  bool accepted = false;
  std::string detail;
};

// From the pollers. Decide writes an event only when something worth knowing changed, when a
// clock of `timers` has run out since the last one written, or every five minutes.
// `unwatched`: of the time since the poller's good look before this one, so much no look vouches
// for (see VouchedFor); nullopt where the poller knows of none, as after a restart: then Decide
// takes what the log knows. Such time does not count against the worker.
// `blank`: rows in a row, this one included, that told nothing (TellsNothing), counted by the
// poller. Such a row shows that the instance is there; otherwise it is a look that failed.
struct ObserveInstance {
  Instance instance;
  absl::Time at;
  specpb::Timers timers;
  std::optional<absl::Duration> unwatched;
  int blank = 0;
};
// A row without any word of how the instance is, or is meant to be, or what it costs.
bool TellsNothing(const Instance& instance);
// Not in a complete list (or a definite single answer). Two lists, or a definite answer, confirm;
// confirmed absence ends the worker in the same append.
struct ObserveAbsence {
  bool definite = false;
  absl::Time at;
};
struct ObserveLog {
  eventpb::LogObserved facts;  // agreeing_polls and first_seen_us are filled in by Decide
  absl::Time at;
  specpb::Timers timers;
  // Good polls in a row with SameFacts, this one included, as counted by the poller; 0 = not
  // counted. Decide takes the larger of this and what the log proves: after a restart the poller
  // counts anew, but a poll that repeats the newest LogObserved agrees with it.
  int agreeing = 0;
  std::optional<absl::Duration> unwatched;
};
// what: "log" or "instance". `count`: failures in a row, counted by the poller; 0 = not counted.
// Written for the second failure in a row, then every five minutes; one alone says nothing.
struct ObserveFailure {
  std::string what;
  std::string detail;
  absl::Time at;
  int count = 0;
};

// The time that one good look can vouch for where muster looks every `interval`: up to it, whoever
// was not seen to move did not. Nobody looked for the rest of a longer gap.
absl::Duration VouchedFor(absl::Duration interval);

// Two polls that say the same: everything but the rate, the deciding line and the counts of polls.
bool SameFacts(const eventpb::LogObserved& a, const eventpb::LogObserved& b);

using Command =
    std::variant<RequestLaunch, Adopt, Condemn, RequestStart, ReportHealth, LaunchAnswered,
                 LaunchRefused, LaunchLost, LaunchSettledAbsent, DestroyAnswer, RetryDestroy,
                 StartAnswer, ObserveInstance, ObserveAbsence, ObserveLog, ObserveFailure>;

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context);

}  // namespace muster::worker
