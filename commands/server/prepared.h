// What decisions and the words about a state must agree on. Internal to commands/server. Pure.
#pragma once

#include "commands/server/state.h"

namespace muster::server {

// Its rescue system runs, and since that came up the disks were prepared.
bool Prepared(const State& state);

}  // namespace muster::server
