// Runs storms with a canary let in, until one of them reports it. A storm that is not whole
// without the canary proves nothing, so each is run without it too.
#pragma once

#include <cstdint>
#include <string>

namespace muster::storm {

struct CanaryRun {
  std::string name;  // "" = all
  std::uint64_t first = 1;
  std::uint64_t last = 0;  // 0 = the canary's own bound
  int jobs = 1;            // processes at a time
};

// Prints a line for each. Returns the exit code: 0 all were caught, 1 one was not, 64 there is none
// of this name.
int RunCanaries(const CanaryRun& run);

}  // namespace muster::storm
