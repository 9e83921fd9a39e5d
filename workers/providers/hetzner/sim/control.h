// The simulator's own controls over HTTP (README.md). Private to this folder.
#pragma once

#include <string>

#include "workers/providers/hetzner/sim/hetzner_sim.h"

namespace muster::hetznersim {

SimReply HandleControl(HetznerSim& sim, const std::string& method, const std::string& path,
                       const std::string& body);

}  // namespace muster::hetznersim
