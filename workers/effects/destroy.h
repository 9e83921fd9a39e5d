// Destroy: asks the provider to end one instance, again and again until lists confirm that it is
// gone.
//
// An answer, even "not found", is no proof; lists are (rule 2), and they end the worker. Between
// two calls lies a wait that doubles, and never are two calls under way. Reactor thread.
#pragma once

#include <string>

#include "workers/effects/effect_context.h"

namespace muster {

// Sees the worker's destruction through, from its first request or from wherever it stands.
Task<void> Destroy(EffectContext& context, WorkerId worker, std::string cause);

}  // namespace muster
