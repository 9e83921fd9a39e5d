// What an event says it rests on. Pure.
#pragma once

#include "eventstore/events/codec.h"

namespace muster {

// The evidence that `body` carries, which it owns; nullptr when it carries none, or is of a kind
// that never does.
const eventpb::Evidence* EvidenceIn(const eventpb::EventBody& body);

}  // namespace muster
