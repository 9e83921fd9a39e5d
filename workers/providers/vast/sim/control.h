// The control API: what tests do in process, over HTTP under /control/. Documented in README.md.
#pragma once

#include <string>

#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::vastsim {

SimReply HandleControl(VastSim& sim, const std::string& method, const std::string& path,
                       const std::string& body);

}  // namespace muster::vastsim
