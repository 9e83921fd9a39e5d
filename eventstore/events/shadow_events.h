// The shadow stream in the reader's words: one text for the timeline, the report and the log. Pure.
#pragma once

#include <string>

#include "eventstore/events/codec.h"

namespace muster {

// "live: no launch; candidate would rent RTX 3070, offer 31 at $0.06/h (replenish: 3 of 8 workers)"
std::string TellDisagreement(const eventpb::ShadowDisagreed& event);

// What the side that acts drew its decision from; nullptr when it names nothing.
const eventpb::Evidence* EvidenceOf(const eventpb::ShadowDisagreed& event);

}  // namespace muster
