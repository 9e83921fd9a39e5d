// Every trap of the wire, set for forty minutes on half of all calls, while a fleet fills up: nobody
// healthy is killed, nothing is rented twice, and afterwards the fleet is as it should be.
#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using vastsim::Trap;

struct Case {
  Trap trap;
  const char* name;
};

class EveryTrap : public ::testing::TestWithParam<Case> {};

TEST_P(EveryTrap, CostsNeitherAHealthyWorkerNorASecondMachine) {
  Scenario s;
  s.sim().SetFault({.trap = GetParam().trap, .chance = 0.5});
  s.Apply(ZebFleet(3));
  s.Run(absl::Minutes(40));
  s.sim().ClearFaults();
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3 && s.Alive().size() == 3; },
                      absl::Minutes(60)))
      << "healthy " << s.Healthy("zeb") << ", open " << s.Open("zeb") << ", alive "
      << s.Alive().size();
  if (GetParam().trap != Trap::kCreateTwice) EXPECT_EQ(s.Broken(), "");
  // A worker that had made progress and went on working was never the one to go.
  for (const vastsim::InstanceView& gone : s.sim().PastInstances()) {
    EXPECT_EQ(gone.batches, 0) << "instance " << gone.id << " worked and was destroyed";
  }
  EXPECT_EQ(s.sim().KeysLeaked(), 0);
}

std::vector<Case> AllTraps() {
  return {
#define TRAP(name, wire, what) {Trap::name, wire},
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
  };
}

INSTANTIATE_TEST_SUITE_P(Wire, EveryTrap, ::testing::ValuesIn(AllTraps()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace muster
