// MakeSim: a provider's simulator by the provider's name, over workers/providers/providers.def.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/status.h"
#include "workers/ports/sim_server.h"

namespace muster {

// kNotFound         no provider is called that; the message lists those there are
// kInvalidArgument  a setting is wrong; the message says what was expected
StatusOr<std::unique_ptr<SimServer>> MakeSim(std::string_view provider, const SimSpec& spec);

std::vector<std::string> SimNames();

}  // namespace muster
