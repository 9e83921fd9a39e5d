#include "eventstore/events/fleet_events.h"

#include "eventstore/base/sha256.h"

namespace muster {

std::string SpecDigest(const specpb::FleetSpec& spec) { return Sha256Hex(Deterministic(spec)); }

}  // namespace muster
