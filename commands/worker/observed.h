// How observations become what is known of a worker: parts of Evolve that Decide does not ask for
// (those are in state.h). Internal to commands/worker.
#pragma once

#include "commands/worker/state.h"

namespace muster::worker {

// A look that told nothing: what is known stays as it is.
void ApplyFailure(Observed& seen, const eventpb::ObservationFailed& failure, const Stamp& recorded);

// What nobody watched did not pass for the clock that runs since then.
void Later(Stamp& since, absl::Duration span, const Stamp& recorded);

}  // namespace muster::worker
