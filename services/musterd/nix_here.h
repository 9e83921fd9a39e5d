// Where the Nix of this machine is, and where it reads of its builders. Looks at the file system
// and the environment once, at the start.
#pragma once

#include <string>

#include "services/files/daemon_config.h"
#include "workers/servers/nix/probe.h"

namespace muster {

// The programs as configured, else in the first folder of those that have them; /usr/bin when none
// does, so that a probe says what is missing. Of our environment Nix is given what says where it
// keeps its things, and no more.
nix::NixHere FindNix(const NixConfig& config);

// The whole path of the machines file; "" when none is kept.
std::string MachinesFileOf(const DaemonConfig& config);

}  // namespace muster
