// A builder from the order to the last day, with the program killed anywhere and the world as bad
// as its simulators can be.
#include <functional>

#include "tests/stage/server_stage.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using hetznersim::Fault;
using hetznersim::Trap;
using testing::HasSubstr;
using testing::Not;

TEST(ServerDriver, BringsABuilderIntoServiceAndGivesItBack) {
  ServerStage stage(1);
  stage.Live();
  ASSERT_TRUE(stage.RunUntilInService()) << stage.rt().TrueNow();
  EXPECT_EQ(stage.Violations(), "");
  EXPECT_EQ(stage.interventions(), 0);
  EXPECT_THAT(stage.outside().files.files[kMachinesFile], HasSubstr("builder@127.1."));
  ASSERT_TRUE(stage.GiveBack());
  EXPECT_TRUE(stage.sim().Servers().empty());
  EXPECT_THAT(stage.outside().files.files[kMachinesFile], Not(HasSubstr("builder@")));
  EXPECT_EQ(stage.Violations(), "");
}

// Every step of the program there is on the way: one coroutine going from where it waits to where
// it waits next.
TEST(ServerDriver, AKillAtAnyStepCostsNeitherAServerNorADisk) {
  std::uint64_t steps = 1;
  for (;; ++steps) {
    ServerStage stage(1);
    stage.Live();
    stage.rt().RunSteps(steps, absl::Hours(6));
    if (stage.state() != nullptr && stage.state()->InService()) break;
    stage.Live();
    ASSERT_TRUE(stage.RunUntilInService()) << "killed after " << steps << " steps";
    ASSERT_EQ(stage.Violations(), "") << "killed after " << steps << " steps";
    ASSERT_EQ(stage.interventions(), 0) << "killed after " << steps << " steps";
  }
  EXPECT_GT(steps, 100u);
}

TEST(ServerDriver, ManyKillsCostNeitherAServerNorADisk) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    ServerStage stage(seed);
    stage.rt().SetOrder(VirtualRuntime::Order::kSeeded);
    stage.Live();
    ASSERT_TRUE(stage.RunCrashingUntilInService(4 * seed, /*crashes=*/12)) << "seed " << seed;
    EXPECT_EQ(stage.Violations(), "") << "seed " << seed;
    ASSERT_TRUE(stage.GiveBack()) << "seed " << seed;
    EXPECT_TRUE(stage.sim().Servers().empty()) << "seed " << seed;
  }
}

struct Bad {
  const char* name;
  std::function<void(ServerStage&)> happens;
};

Fault Once(Trap trap, std::string endpoint = "", double value = 0) {
  Fault fault{.trap = trap, .endpoint = std::move(endpoint), .times = 1};
  fault.value = value;
  return fault;
}

// Each of them once, at its worst moment; a person asks for the rescue system where it stops.
const Bad kService[] = {
    {"the order's answer is lost",
     [](ServerStage& s) { s.sim().SetFault(Once(Trap::kHangAfter, hetznersim::kOrderAuction)); }},
    {"the order ends in 500 and was made",
     [](ServerStage& s) {
       s.sim().SetFault(Once(Trap::kServerErrorAfter, hetznersim::kOrderAuction));
     }},
    {"the order never arrives",
     [](ServerStage& s) { s.sim().SetFault(Once(Trap::kHangBefore, hetznersim::kOrderAuction)); }},
    {"the order is listed late",
     [](ServerStage& s) {
       s.sim().SetFault(Once(Trap::kResetAfter, hetznersim::kOrderAuction));
       s.sim().SetFault({.trap = Trap::kOrderUnlisted, .value = 240});
     }},
    {"support cancels the order",
     [](ServerStage& s) { s.sim().SetFault(Once(Trap::kCancelledBySupport)); }},
    {"delivery takes an hour", [](ServerStage& s) { s.sim().SetFault(Once(Trap::kDeliverySlow)); }},
    {"the order tells no host keys",
     [](ServerStage& s) { s.sim().SetFault(Once(Trap::kHostKeysMissing)); }},
    {"the order tells other host keys",
     [](ServerStage& s) { s.sim().SetFault(Once(Trap::kWrongHostKey)); }},
    {"the server is listed late",
     [](ServerStage& s) { s.sim().SetFault({.trap = Trap::kServerLag, .value = 90}); }},
};

TEST(ServerDriver, AWebServiceThatFailsIsSurvived) {
  for (const Bad& bad : kService) {
    for (const bool crashes : {false, true}) {
      ServerStage stage(7);
      bad.happens(stage);
      stage.Live();
      ASSERT_TRUE(crashes ? stage.RunCrashingUntilInService(60, 6) : stage.RunUntilInService())
          << bad.name << ": "
          << (stage.state() == nullptr ? "nothing" : server::StateText(*stage.state()));
      EXPECT_EQ(stage.Violations(), "") << bad.name;
      ASSERT_TRUE(stage.GiveBack()) << bad.name;
      EXPECT_TRUE(stage.sim().Servers().empty()) << bad.name;
    }
  }
}

// On the machine, from the moment it is delivered.
const Bad kMachine[] = {
    {"unpacking hangs", [](ServerStage& s) { s.machine()->faults.hang_at = "prepare unpack"; }},
    {"the image breaks off",
     [](ServerStage& s) { s.machine()->faults.break_after = "prepare receive"; }},
    {"a wipe breaks off", [](ServerStage& s) { s.machine()->faults.break_after = "prepare wipe"; }},
    {"the disks swap their names", [](ServerStage& s) { s.machine()->faults.swap_names = true; }},
    {"a loader fails", [](ServerStage& s) { s.machine()->faults.fail_at = "boot loader"; }},
    {"sshd says nothing", [](ServerStage& s) { s.machine()->faults.silent = true; }},
    {"somebody else answers", [](ServerStage& s) { s.machine()->faults.wrong_host_key = true; }},
    {"it boots into another system",
     [](ServerStage& s) { s.machine()->faults.wrong_system = true; }},
};

TEST(ServerDriver, AMachineThatFailsIsSurvivedOnceItIsMended) {
  for (const Bad& bad : kMachine) {
    ServerStage stage(3);
    stage.Live();
    ASSERT_TRUE(stage.rt().RunUntil([&] { return stage.machine() != nullptr; }, absl::Hours(1)));
    bad.happens(stage);
    stage.rt().RunFor(absl::Hours(2));
    EXPECT_EQ(stage.Violations(), "") << bad.name;
    if (stage.machine() != nullptr) stage.machine()->faults = {};
    ASSERT_TRUE(stage.RunUntilInService()) << bad.name << ": " << server::StateText(*stage.state());
    EXPECT_EQ(stage.Violations(), "") << bad.name;
  }
}

// A storm: what may go wrong does, by the seed, with crashes in between; then the calm, in which
// the builder has to come into service and to be given back.
TEST(ServerDriver, AfterAStormOfEverythingTheCalmFindsOneServerAndEndsIt) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    ServerStage stage(seed);
    Rng rng(seed);
    stage.rt().SetOrder(VirtualRuntime::Order::kSeeded);
    for (const Bad& bad : kService) {
      if (rng.Unit() < 0.3) bad.happens(stage);
    }
    for (const Trap trap : {Trap::kHangAfter, Trap::kServerErrorBefore, Trap::kMaintenance,
                            Trap::kQuota, Trap::kTruncateAfter, Trap::kRescueIgnored,
                            Trap::kRescueKeysLate, Trap::kResetIgnored, Trap::kBootHangs}) {
      if (rng.Unit() < 0.5) stage.sim().SetFault({.trap = trap, .times = 6, .chance = 0.1});
    }
    stage.Live();
    for (int turn = 0; turn < 25; ++turn) {
      stage.rt().RunSteps(1 + rng.Below(80), absl::Minutes(30));
      if (stage.machine() != nullptr && rng.Unit() < 0.2) {
        stage.machine()->faults = {};
        kMachine[rng.Below(std::size(kMachine))].happens(stage);
      }
      if (rng.Unit() < 0.4) stage.Live();
      ASSERT_EQ(stage.Violations(), "");
    }
    stage.sim().ClearFaults();
    stage.rt().RunFor(absl::Seconds(1));  // so that it is awake
    if (stage.machine() != nullptr) stage.machine()->faults = {};
    ASSERT_TRUE(stage.RunUntilInService()) << server::StateText(*stage.state());
    EXPECT_EQ(stage.Violations(), "");
    ASSERT_TRUE(stage.GiveBack());
    EXPECT_TRUE(stage.sim().Servers().empty());
    EXPECT_EQ(stage.Violations(), "");
  }
}

TEST(ServerDriver, AnExchangedDiskIsNotWipedBeforeItWasInspected) {
  ServerStage stage(5);
  stage.Live();
  const auto inspected = [&] { return stage.state() && stage.state()->inspection.has_value(); };
  ASSERT_TRUE(stage.rt().RunUntil(inspected, absl::Hours(1)));
  stage.machine()->disks.back() = {.identity = "nvme-eui.other", .serial = "OTHER"};
  ASSERT_TRUE(stage.RunUntilInService());
  EXPECT_GT(stage.interventions(), 0) << "it was refused, and inspected anew";
  EXPECT_EQ(stage.Violations(), "");
}

}  // namespace
}  // namespace muster
