// The providers this program was built with, by name: workers/providers/providers.def.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "workers/ports/provider_factory.h"

namespace muster {

using ProviderMaker = std::function<MadeProvider(const ProviderSettings&, const ProviderPorts&)>;
const std::map<std::string, ProviderMaker>& KnownProviders();

}  // namespace muster
