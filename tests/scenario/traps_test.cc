// Every trap of the wire: on half of all calls while a fleet fills up, and on every call while it
// works. Nobody healthy is killed, nothing is rented twice, and afterwards the fleet is as it
// should be.
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
  EXPECT_TRUE(
      s.Until([&] { return s.Healthy("zeb") == 3 && s.Alive().size() == 3; }, absl::Minutes(60)))
      << "healthy " << s.Healthy("zeb") << ", open " << s.Open("zeb") << ", alive "
      << s.Alive().size();
  if (GetParam().trap != Trap::kCreateTwice) EXPECT_EQ(s.Broken(), "");
  // A worker that had made progress and went on working was never the one to go.
  for (const vastsim::InstanceView& gone : s.sim().PastInstances()) {
    EXPECT_EQ(gone.batches, 0) << "instance " << gone.id << " worked and was destroyed";
  }
  EXPECT_EQ(s.sim().KeysLeaked(), 0);
}

class EveryTrapOnEveryCall : public ::testing::TestWithParam<Case> {};

TEST_P(EveryTrapOnEveryCall, OverAFullFleetChangesNothing) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(25)));
  s.sim().SetFault({.trap = GetParam().trap});
  s.Run(absl::Minutes(30));
  s.sim().ClearFaults();
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, absl::Minutes(60)))
      << "healthy " << s.Healthy("zeb") << ", open " << s.Open("zeb");
  EXPECT_EQ(s.Alive().size(), 3u);
  EXPECT_TRUE(s.sim().PastInstances().empty()) << s.sim().PastInstances().size() << " destroyed";
  EXPECT_EQ(s.sim().Ledger().size(), 3u);
  EXPECT_TRUE(s.Log(EventKind::kHostStruck).empty());
  EXPECT_EQ(s.Broken(), "");
  EXPECT_EQ(s.sim().KeysLeaked(), 0);
}

std::vector<Case> AllTraps() {
  return {
#define TRAP(name, wire, what) {Trap::name, wire},
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
  };
}

std::string NameOf(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Wire, EveryTrap, ::testing::ValuesIn(AllTraps()), NameOf);
INSTANTIATE_TEST_SUITE_P(Wire, EveryTrapOnEveryCall, ::testing::ValuesIn(AllTraps()), NameOf);

}  // namespace
}  // namespace muster
