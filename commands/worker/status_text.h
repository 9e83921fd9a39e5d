// What a provider's words about a container say of whose fault it is that the container does not
// run. Pure.
#pragma once

#include <string_view>

#include "eventstore/events/codec.h"

namespace muster::worker {

struct StatusText {
  // OURS: the image, its name or the login to its registry is wrong, so every machine will fail.
  // MACHINE: the container runtime there is broken. FAULT_UNSPECIFIED: the words say neither.
  specpb::Fault fault = specpb::FAULT_UNSPECIFIED;
  std::string_view words;  // what told, of static life: "manifest unknown"
};

// The upper or lower case of `text` does not matter.
StatusText JudgeStatusText(std::string_view text);

}  // namespace muster::worker
