// Preflight: checks that what a fleet's program needs is there, before machines are rented for it.
//
// HEAD with an optional bearer key. 2xx passes, 404 is missing (an operator has to bring it), and
// everything else could not be checked. Checks that did not pass are made again. Reactor thread.
#pragma once

#include "workers/effects/effect_context.h"

namespace muster {

// Makes the checks of `fleet` as specified by `fleet_version`, until all have passed, the fleet is
// down or another version was applied.
Task<void> RunPreflights(EffectContext& context, FleetName fleet, std::int64_t fleet_version);

}  // namespace muster
