// Start: carries out one StartRequested, for an instance that the provider stopped. Reactor thread.
#pragma once

#include <string>

#include "workers/effects/effect_context.h"

namespace muster {

Task<void> Start(EffectContext& context, WorkerId worker, std::string cause);

}  // namespace muster
