// Takes free text out of an event's message: what people and foreign programs wrote. Ids, numbers,
// rules and names of things stay, so the message still folds to the same decisions. Pure.
#pragma once

#include <string>
#include <vector>

#include "eventstore/base/status.h"
#include "eventstore/events/codec.h"

namespace muster::audit {

inline constexpr char kRedactedText[] = "[redacted]";

struct RedactedBody {
  eventpb::EventBody body;          // "[redacted]" in the place of each text
  std::vector<std::string> fields;  // that held one: "log_observed.line"
};

// `paths` name fields: "line" or "log_observed.line"; of a message, all free text below it; of a
// list or map, all its values.
//
// kInvalidArgument  names the path that is no field, or no free text, and which fields are; or that
//                   none of them holds any
StatusOr<RedactedBody> RedactFields(const eventpb::EventBody& body,
                                    const std::vector<std::string>& paths);

// The paths of all free text that `body` holds.
std::vector<std::string> FreeTextIn(const eventpb::EventBody& body);

}  // namespace muster::audit
