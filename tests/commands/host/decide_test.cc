#include "commands/host/commands.h"
#include "tests/commands/given.h"
#include "tests/support/pch.h"

namespace muster::host {
namespace {

State Machine() {
  State state;
  state.provider = ProviderName("vast");
  state.machine = MachineId("5512");
  return state;
}
eventpb::HostStruck StrikeFor(std::string_view worker, absl::Time expires = absl::InfiniteFuture(),
                              double weight = 1) {
  return MakeHostStruck(WorkerId(worker), FleetName("zeb"), weight, expires,
                        Because("no-progress"));
}
std::string When(const State& state, const Command& command, absl::Time now = At(0)) {
  return Kinds(Decide(state, command, {now}));
}
std::string Then(State& state, const Command& command, absl::Time now = At(0)) {
  const auto decided = Decide(state, command, {now});
  if (decided.ok()) Given(state, *decided, now);
  return Kinds(decided);
}

TEST(HostDecide, AWorkerStrikesItsMachineOnce) {
  State state = Machine();
  EXPECT_EQ(Then(state, StrikeHost{StrikeFor("a")}), "host.struck");
  EXPECT_EQ(Then(state, StrikeHost{StrikeFor("a")}), "nothing");
  EXPECT_EQ(Then(state, StrikeHost{StrikeFor("b")}), "host.struck");
  EXPECT_DOUBLE_EQ(state.LiveStrikes(At(1)), 2);
}
TEST(HostDecide, AStrikeNeedsAWorkerARuleAndAWeight) {
  eventpb::HostStruck strike = StrikeFor("a");
  strike.clear_worker();
  EXPECT_EQ(When(Machine(), StrikeHost{strike}), "INVALID_ARGUMENT");
  strike = StrikeFor("a");
  strike.clear_evidence();
  EXPECT_EQ(When(Machine(), StrikeHost{strike}), "INVALID_ARGUMENT");
  for (const double weight : {0.0, -1.0, std::nan("")}) {
    EXPECT_EQ(When(Machine(), StrikeHost{StrikeFor("a", absl::InfiniteFuture(), weight)}),
              "INVALID_ARGUMENT");
  }
}
TEST(HostDecide, AStrikeCountsUntilItExpires) {
  State state = Machine();
  Then(state, StrikeHost{StrikeFor("a", At(100))});
  EXPECT_DOUBLE_EQ(state.LiveStrikes(At(99)), 1);
  EXPECT_DOUBLE_EQ(state.LiveStrikes(At(100)), 0);
  Then(state, StrikeHost{StrikeFor("b", At(300))}, At(200));
  EXPECT_THAT(state.strikes, testing::SizeIs(1));  // the expired one is gone
}
TEST(HostDecide, APardonClearsAllAndTheSameWorkerDoesNotStrikeAgain) {
  State state = Machine();
  EXPECT_EQ(When(state, Pardon{"fixed"}), "nothing");
  Then(state, StrikeHost{StrikeFor("a")});
  Then(state, StrikeHost{StrikeFor("b", At(100))});
  const auto decided = Decide(state, Pardon{"fixed"}, {At(200)});
  ASSERT_EQ(Kinds(decided), "host.pardoned");
  EXPECT_EQ((*decided)[0].host_pardoned().strikes_cleared(), 1);  // the other had expired
  Given(state, *decided, At(200));
  EXPECT_THAT(state.strikes, testing::IsEmpty());
  EXPECT_EQ(When(state, StrikeHost{StrikeFor("a")}), "nothing");
}
TEST(HostDecide, AnImportReplacesTheOneBefore) {
  State state = Machine();
  const ImportStrikes three{"bad-hosts.txt", 3, absl::InfiniteFuture()};
  EXPECT_EQ(Then(state, three), "host.strikes_imported");
  EXPECT_DOUBLE_EQ(state.LiveStrikes(At(1)), 3);
  EXPECT_EQ(Then(state, three), "nothing");
  EXPECT_EQ(Then(state, ImportStrikes{"bad-hosts.txt", 2, At(500)}), "host.strikes_imported");
  EXPECT_DOUBLE_EQ(state.LiveStrikes(At(499)), 2);
  EXPECT_DOUBLE_EQ(state.LiveStrikes(At(500)), 0);
}
TEST(HostDecide, AnImportOfNothingOrOfThePastIsRefused) {
  EXPECT_EQ(When(Machine(), ImportStrikes{"f", 0, absl::InfiniteFuture()}), "INVALID_ARGUMENT");
  EXPECT_EQ(When(Machine(), ImportStrikes{"f", 1001, absl::InfiniteFuture()}), "INVALID_ARGUMENT");
  EXPECT_EQ(When(Machine(), ImportStrikes{"f", 1, At(0)}), "INVALID_ARGUMENT");
}
TEST(HostDecide, MeasurementsAreWeightedByTimeAndTakenOncePerWorker) {
  State state = Machine();
  eventpb::HostMeasured m;
  m.set_worker("a");
  m.set_gpu("RTX 3070");
  m.set_work_key("zeb");
  m.set_rate_per_s(2);
  m.set_producing_s(300);
  m.set_booted(true);
  m.set_boot_s(400);
  EXPECT_EQ(Then(state, Measure{m}), "host.measured");
  EXPECT_EQ(Then(state, Measure{m}), "nothing");
  m.set_worker("b");
  m.set_rate_per_s(4);
  m.set_producing_s(100);
  Then(state, Measure{m});
  eventpb::HostMeasured dud;
  dud.set_worker("c");
  dud.set_work_key("zeb");
  Then(state, Measure{dud});
  const Measured* known = state.Find("zeb");
  ASSERT_NE(known, nullptr);
  EXPECT_DOUBLE_EQ(known->MeanRate(), 2.5);
  EXPECT_EQ(known->samples, 2);
  EXPECT_EQ(known->boots, 2);
  EXPECT_EQ(known->launches, 3);
  EXPECT_EQ(state.gpu, GpuName("RTX 3070"));
  EXPECT_EQ(state.Find("other"), nullptr);
}
TEST(HostDecide, ABadMeasurementIsRefused) {
  eventpb::HostMeasured m;
  EXPECT_EQ(When(Machine(), Measure{m}), "INVALID_ARGUMENT");
  m.set_worker("a");
  m.set_rate_per_s(std::numeric_limits<double>::infinity());
  EXPECT_EQ(When(Machine(), Measure{m}), "INVALID_ARGUMENT");
  m.set_rate_per_s(1);
  m.set_producing_s(-1);
  EXPECT_EQ(When(Machine(), Measure{m}), "INVALID_ARGUMENT");
}

}  // namespace
}  // namespace muster::host
