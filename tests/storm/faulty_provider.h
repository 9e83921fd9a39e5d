// FaultyProvider: a Provider that has the bug whose canary sings, and is the given one otherwise.
#pragma once

#include <memory>

#include "workers/ports/provider.h"

namespace muster::storm {

std::unique_ptr<Provider> MakeFaultyProvider(std::unique_ptr<Provider> provider);

}  // namespace muster::storm
