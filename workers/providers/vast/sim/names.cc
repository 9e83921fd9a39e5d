// The wire names of traps and failures, from their tables.
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::vastsim {

namespace {

constexpr std::string_view kTrapNames[] = {
#define TRAP(name, wire, what) wire,
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
};
constexpr std::string_view kFailureNames[] = {
#define FAILURE(name, wire, what) wire,
#include "workers/providers/vast/sim/failures.def"
#undef FAILURE
};

template <class E, std::size_t N>
std::optional<E> Lookup(const std::string_view (&names)[N], std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view TrapName(Trap trap) { return kTrapNames[static_cast<int>(trap)]; }
std::optional<Trap> TrapFromName(std::string_view name) { return Lookup<Trap>(kTrapNames, name); }
std::string_view FailureName(Failure failure) { return kFailureNames[static_cast<int>(failure)]; }
std::optional<Failure> FailureFromName(std::string_view name) {
  return Lookup<Failure>(kFailureNames, name);
}

}  // namespace muster::vastsim
