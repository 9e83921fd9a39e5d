// What decide.cc (policy and effects) and observe.cc (pollers) share. Pure.
#pragma once

#include <string_view>

#include "commands/worker/commands.h"

namespace muster::worker {

// An unchanged fact is written again after so long, so that its age can be told from the log.
inline constexpr absl::Duration kRefresh = absl::Minutes(5);

// True when `at` is `every` or more after `last`, or before it: a clock that stepped back must not
// silence anyone until it has caught up.
inline bool Due(const Stamp& last, absl::Time at, absl::Duration every) {
  return !last.seen() || at < last.at || at - last.at >= every;
}

// kNotFound when there is no such worker, else kFailedPrecondition naming the phase.
Status Refusal(const State& state, std::string_view why);

// WorkerEnded with what was spent until `at`.
eventpb::EventBody EndOf(const State& state, eventpb::WorkerEnded::How how,
                         std::string_view confirmed_by, absl::Time at);

StatusOr<Events> Observe(const State&, const ObserveInstance&, const DecideContext&);
StatusOr<Events> Observe(const State&, const ObserveAbsence&, const DecideContext&);
StatusOr<Events> Observe(const State&, const ObserveLog&, const DecideContext&);
StatusOr<Events> Observe(const State&, const ObserveFailure&, const DecideContext&);

}  // namespace muster::worker
