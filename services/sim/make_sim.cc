#include "services/sim/make_sim.h"

#include "absl/strings/str_join.h"

namespace muster {

// Each provider's sim/ defines the function that bears its name.
namespace sims {
#define PROVIDER(name) StatusOr<std::unique_ptr<SimServer>> name(const SimSpec& spec);
#include "workers/providers/providers.def"
#undef PROVIDER
}  // namespace sims

StatusOr<std::unique_ptr<SimServer>> MakeSim(std::string_view provider, const SimSpec& spec) {
#define PROVIDER(name) \
  if (provider == #name) return sims::name(spec);
#include "workers/providers/providers.def"
#undef PROVIDER
  return NotFound(Cat("no simulator is called \"", provider,
                      "\"; there are: ", absl::StrJoin(SimNames(), ", ")));
}

std::vector<std::string> SimNames() {
  return {
#define PROVIDER(name) #name,
#include "workers/providers/providers.def"
#undef PROVIDER
  };
}

}  // namespace muster
