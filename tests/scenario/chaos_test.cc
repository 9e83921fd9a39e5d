// Faults of the wire, failing machines, operators and crashes at any suspension point, all from a
// seed; then calm, and everything is as it should be.
#include <cstdio>
#include <cstdlib>

#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using vastsim::Failure;
using vastsim::Trap;

constexpr Trap kTraps[] = {
#define TRAP(name, wire, what) Trap::name,
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
};
constexpr Failure kFailures[] = {Failure::kStall,      Failure::kFatalError, Failure::kStuckBoot,
                                 Failure::kStuckSetup, Failure::kExit,       Failure::kVanish,
                                 Failure::kOffline,    Failure::kUnknown,    Failure::kHostError};

class Chaos : public ::testing::TestWithParam<int> {};

void SetTraps(Scenario& s, Rng& rng) {
  s.sim().ClearFaults();
  for (int i = 0; i < 3; ++i) {
    const Trap trap = kTraps[rng.Below(std::size(kTraps))];
    // Two machines for one call are the provider's doing; a test of its own looks at that.
    if (trap == Trap::kCreateTwice) continue;
    s.sim().SetFault({.trap = trap, .chance = 0.1 + 0.5 * rng.Unit()});
  }
}

TEST_P(Chaos, EndsInAFleetAsWanted) {
  Scenario s(SmallMarket(), static_cast<std::uint64_t>(GetParam()));
  Rng rng(static_cast<std::uint64_t>(GetParam()) * 7919);
  s.Apply(ZebFleet(4));
  int wanted = 4;
  for (int step = 0; step < 60; ++step) {
    if (step % 5 == 0) SetTraps(s, rng);
    s.Run(absl::Seconds(1) + rng.Unit() * absl::Seconds(90));
    if (rng.Chance(0.4)) s.Crash();
    if (rng.Chance(0.1)) s.Scale("zeb", wanted = 1 + static_cast<int>(rng.Below(5)));
    const auto alive = s.Alive();
    if (!alive.empty() && rng.Chance(0.1)) {
      const auto& victim = alive[rng.Below(alive.size())];
      (void)s.sim().FailWorker(victim.id, kFailures[rng.Below(std::size(kFailures))]);
    }
    ASSERT_EQ(s.Broken(), "") << "step " << step;
  }
  s.sim().ClearFaults();
  EXPECT_TRUE(s.Until(
      [&] {
        return s.Healthy("zeb") == wanted && s.Alive().size() == static_cast<std::size_t>(wanted);
      },
      absl::Hours(2)))
      << "healthy " << s.Healthy("zeb") << " of " << wanted << ", alive " << s.Alive().size();
  s.Run(absl::Minutes(15));
  // A machine that was made to fail may be found out at just this moment: then its replacement,
  // too, is waited for.
  EXPECT_TRUE(s.Until([&] { return s.Unsettled().empty(); }, absl::Minutes(30))) << s.Unsettled();
}

// MUSTER_CHAOS_SEEDS=21-320 runs others than the twenty of every day.
::testing::internal::ParamGenerator<int> Seeds() {
  int first = 1, last = 20;
  const char* asked = std::getenv("MUSTER_CHAOS_SEEDS");
  if (asked != nullptr && std::sscanf(asked, "%d-%d", &first, &last) == 1) last = first;
  return ::testing::Range(first, last + 1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Chaos, Seeds());

}  // namespace
}  // namespace muster
