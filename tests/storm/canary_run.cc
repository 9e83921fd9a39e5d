#include "tests/storm/canary_run.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "eventstore/base/strings.h"
#include "tests/storm/canary.h"
#include "tests/storm/storm.h"

namespace muster::storm {
namespace {

std::string Broken(const Canary& canary, std::uint64_t seed) {
  return RunStorm({.seed = seed, .suit = canary.suit}).broken;
}

// Each canary has a process of its own: which one sings is a matter of the whole process.
bool Caught(const Canary& canary, const CanaryRun& run) {
  const std::uint64_t last =
      run.last > 0 ? run.last : static_cast<std::uint64_t>(std::max(canary.seeds, 0));
  for (std::uint64_t seed = run.first; seed <= last; ++seed) {
    LetIn(canary.name);
    const std::string broken = Broken(canary, seed);
    LetIn("");
    if (broken.empty()) continue;
    const std::string without = Broken(canary, seed);
    std::printf("%-28s caught with seed %llu of %d: %s\n", canary.name,
                static_cast<unsigned long long>(seed), canary.seeds,
                Ellipsize(broken, 160).c_str());
    if (without.empty()) return true;
    std::printf("%-28s ... but without it that seed breaks %s\n", canary.name, without.c_str());
    return false;
  }
  std::printf("%-28s NOT caught by seeds %llu to %llu (%s)\n", canary.name,
              static_cast<unsigned long long>(run.first), static_cast<unsigned long long>(last),
              canary.what);
  return false;
}

void Start(const Canary& canary, const CanaryRun& run) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child != 0) return;
  const bool caught = Caught(canary, run);
  std::fflush(stdout);
  _exit(caught ? 0 : 1);
}

// Waits for any one; true when it caught its canary. One that could not be started was not caught.
bool Await() {
  int status = 0;
  return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int RunCanaries(const CanaryRun& run) {
  if (!run.name.empty() && FindCanary(run.name) == nullptr) {
    std::fprintf(stderr, "there is no canary called %s; those there are:\n", run.name.c_str());
    for (const Canary& canary : AllCanaries()) std::fprintf(stderr, "  %s\n", canary.name);
    return 64;
  }
  int going = 0, missed = 0;
  for (const Canary& canary : AllCanaries()) {
    if (!run.name.empty() && run.name != canary.name) continue;
    if (going == run.jobs) {
      missed += Await() ? 0 : 1;
      --going;
    }
    Start(canary, run);
    ++going;
  }
  for (; going > 0; --going) missed += Await() ? 0 : 1;
  if (missed > 0) std::printf("%d not caught\n", missed);
  return missed == 0 ? 0 : 1;
}

}  // namespace muster::storm
