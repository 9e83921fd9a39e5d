// What hardware a machine has, asked of its rescue system. Reads only.
//
// Pure, thread-safe.
#pragma once

#include <string_view>
#include <vector>

#include "eventstore/base/status.h"
#include "eventstore/events/codec.h"
#include "workers/servers/remote/remote_command.h"

namespace muster::remote {

std::vector<RemoteCommand> InspectCommands();

// From what InspectCommands answered. Disks are those that can hold a system: no USB sticks, RAM
// disks, loops or empty drives; with the identity that stays with them, "wwn-...", "nvme-eui...."
// or else "serial-MODEL-SERIAL"; "" when two of them cannot be told apart.
//
// kInvalidArgument  an answer that everything rests on (disks, processors) cannot be read: this is
//                   no system we know; the message says which
StatusOr<eventpb::Inspection> ReadInspection(const std::vector<RemoteOutcome>& outcomes);

}  // namespace muster::remote
