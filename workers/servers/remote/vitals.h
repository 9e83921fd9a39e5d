// How a builder in service does: one command, one observation. Pure, thread-safe.
#pragma once

#include <string_view>

#include "eventstore/base/status.h"
#include "eventstore/events/codec.h"
#include "workers/servers/remote/remote_command.h"

namespace muster::remote {

RemoteCommand VitalsCommand();

// From its standard output. What was not told stays unset: a machine without nvidia-smi, or whose
// nvidia-smi fails, has no GPU data, which is no error.
//
// kInvalidArgument  nothing of it is what VitalsCommand asks for
StatusOr<eventpb::BuilderObserved> ReadVitals(std::string_view out);

}  // namespace muster::remote
