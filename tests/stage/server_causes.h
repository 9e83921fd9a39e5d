// ServerCauses: whether every call that changed something at the provider of dedicated servers was
// announced in the log, and is covered by what was announced. Beside DeedWithoutCause, which asks
// where the announcements come from. For scenarios and storms, at their end.
#pragma once

#include <string>

#include "eventstore/event_store.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"

namespace muster {

// The first call that uploaded or removed a key, ordered, named, set or unset a rescue system,
// reset, cancelled or revoked while no intent of the log stood open for it; "" when there is none.
// The clock of the log must be the simulator's.
std::string CallWithoutIntent(const EventStore& store, const hetznersim::HetznerSim& sim);

}  // namespace muster
