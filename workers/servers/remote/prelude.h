// The shell functions that commands on a machine are made of, and the making of commands. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "workers/servers/remote/remote_command.h"

namespace muster::remote {

// muster_disks            lines "IDENTITY BYTES PATH", sorted, of the disks that can hold a system
// muster_disk ID BYTES    the path of that disk now; fails when there is not exactly one
// muster_expect "ID BYTES"...   refuses unless muster_disks shows these and no others
// muster_part DISK N      the path of its Nth partition
// muster_refuse TEXT      ends with kExitRefused
// muster_lock             waits for what an earlier connection left running
// muster_inside COMMAND   in the new root file system
std::string_view Prelude();

// ": muster STEP NAME WORDS...", the functions when `with_prelude`, then `body`. Its name for
// people is "NAME WORD" (with the first of `words`, if it has one worth naming).
RemoteCommand Script(std::string_view step, std::string_view name,
                     const std::vector<std::string>& words, std::string_view body,
                     bool with_prelude = true);

}  // namespace muster::remote
