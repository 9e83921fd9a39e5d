// Events in the reader's words. Pure.
#pragma once

#include <string>

#include "queries/projection.h"

namespace muster::queries {

// One line, without control characters: "rule no-progress: 15m04s >= 15m".
std::string Describe(const eventpb::EventBody& body);

// The right column of an explanation: "(3 polls agree)", "(policy v12)", "(confirmed)"; may be "".
std::string Remark(const eventpb::EventBody& body);

// What a decision was drawn from, one that a candidate would have taken included; nullptr of
// others.
const eventpb::Evidence* EvidenceOf(const eventpb::EventBody& body);

}  // namespace muster::queries
