#include "services/musterd/registry.h"

#define PROVIDER(name)                                                      \
  namespace muster::name {                                                  \
  MadeProvider MakeProvider(const ProviderSettings&, const ProviderPorts&); \
  }
#include "workers/providers/providers.def"
#undef PROVIDER

namespace muster {

const std::map<std::string, ProviderMaker>& KnownProviders() {
#define PROVIDER(name) {#name, &name::MakeProvider},
  static const auto& makers = *new std::map<std::string, ProviderMaker>{
#include "workers/providers/providers.def"
  };
#undef PROVIDER
  return makers;
}

}  // namespace muster
