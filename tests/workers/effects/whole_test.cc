// The whole write side on a simulated account: policy, effects, pollers and the adapter, over the
// provider's own wire, with crashes. What the ledger says at the end must be what the log says.
#include "commands/handler/policy_driver.h"
#include "eventstore/memory/memory_event_store.h"
#include "tests/support/map_secrets.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/support/rig.h"
#include "workers/effects/effects.h"
#include "workers/pollers/observation.h"
#include "workers/ports/rate_limiter.h"
#include "workers/providers/vast/limits.h"
#include "workers/providers/vast/sim/vast_sim.h"
#include "workers/providers/vast/vast_provider.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// One run of the daemon. A crash is a process that nobody runs any more.
struct Process {
  Process(vastsim::VastSim& sim, std::shared_ptr<MemoryLog> log, absl::Time start,
          std::uint64_t seed)
      : rt(seed, start), store(rt, std::move(log)), handler(rt, store), http(rt, sim) {
    VastOptions options;
    options.base_url = "http://vast.sim:80";
    options.api_key_ref = "env:KEY";
    options.log_hosts = {"http://vast.sim:80"};
    limiter = MakeRateLimiter(rt, vast::DefaultRateLimits());
    provider = MakeVastProvider(options, rt, http, *limiter, secrets);
    EXPECT_THAT(rt.Run(handler.Load()), IsOk());
    const ProviderLink link{rt, handler, *provider, http, secrets, tails};
    observation = std::make_unique<Observation>(link);
    effects = std::make_unique<Effects>(link);
    policy = std::make_unique<PolicyDriver>(rt, handler, PolicyDriver::Options{});
    effects->Start();
    observation->Start();
    policy->Start();
  }

  VirtualRuntime rt;
  MemoryEventStore store;
  Handler handler;
  SimHttpClient http;
  MapSecrets secrets{{"env:KEY", "sim_planted_key"}, {"env:HF_TOKEN", "hf_planted_token"}};
  TailKeeper tails{rt, {}};
  std::unique_ptr<RateLimiter> limiter;
  std::unique_ptr<Provider> provider;
  std::unique_ptr<Observation> observation;
  std::unique_ptr<Effects> effects;
  std::unique_ptr<PolicyDriver> policy;
};

class WholeTest : public testing::Test {
 protected:
  WholeTest() : sim(Options(), kStart) {
    sim.SetOrigin("http://vast.sim:80");
    Boot(kStart);
  }
  ~WholeTest() override { Bury(); }
  static vastsim::VastSimOptions Options() {
    vastsim::VastSimOptions options;
    options.api_keys = {"sim_planted_key"};
    options.credit_usd = 1000;
    return options;
  }
  // Frames of a crashed run may refer to anything of it: it is kept as it was, for good.
  void Bury() {
    static auto* const graveyard = new std::vector<std::unique_ptr<Process>>();
    if (process != nullptr) graveyard->push_back(std::move(process));
  }
  void Boot(absl::Time start) { process = std::make_unique<Process>(sim, log, start, ++boots); }
  void Crash(absl::Duration down = absl::Seconds(5)) {
    const absl::Time now = process->rt.Now();
    Bury();
    Boot(now + down);
  }
  void Apply(int workers) {
    specpb::FleetSpec spec = ZebSpec(workers);
    specpb::Market& market = *spec.mutable_market();
    market.set_rate_default_per_s(1.8);
    market.clear_gpus();
    for (const vastsim::GpuKind& gpu : vastsim::DefaultGpus()) {
      specpb::GpuExpectation& expected = *market.add_gpus();
      expected.set_name(gpu.name);
      expected.set_rate_per_s(gpu.games_per_s);
    }
    EXPECT_THAT(process->rt.Run(process->handler.Fleet(FleetName("zeb"), fleet::Apply{spec},
                                                       {.actor = "operator:test"})),
                IsOk());
  }
  int Healthy() const {
    int healthy = 0;
    for (const auto& [id, state] : process->handler.world().workers) {
      const worker::Live* live = state->live();
      healthy += live != nullptr && live->health == eventpb::WorkerHealthChanged::HEALTHY;
    }
    return healthy;
  }
  bool RunUntilHealthy(int wanted, absl::Duration within) {
    return process->rt.RunUntil([&] { return Healthy() == wanted; }, within);
  }
  // Every living instance has exactly one open worker, and the other way round; nothing was ever
  // rented twice for one token.
  void ExpectLedgerEqualsLog() {
    const World& world = process->handler.world();
    std::map<std::string, int> rented;
    for (const vastsim::LedgerLine& line : sim.Ledger()) ++rented[line.label];
    for (const auto& [label, times] : rented) EXPECT_EQ(times, 1) << label;
    std::set<std::string> living;
    for (const vastsim::InstanceView& instance : sim.Instances()) {
      living.insert(Cat(instance.id));
      EXPECT_TRUE(world.by_instance.contains(InstanceId(Cat(instance.id)))) << instance.label;
    }
    for (const auto& [instance, worker] : world.by_instance) {
      EXPECT_TRUE(living.contains(instance.str())) << worker;
    }
  }

  static constexpr absl::Time kStart = absl::FromUnixSeconds(1'790'000'000);
  std::shared_ptr<MemoryLog> log = std::make_shared<MemoryLog>();
  vastsim::VastSim sim;
  std::unique_ptr<Process> process;
  std::uint64_t boots = 0;
};

TEST_F(WholeTest, FillsAFleetAndHoldsIt) {
  Apply(8);
  ASSERT_TRUE(RunUntilHealthy(8, absl::Minutes(40)));
  process->rt.RunFor(absl::Hours(2));
  EXPECT_GE(Healthy(), 7);
  ExpectLedgerEqualsLog();
}

TEST_F(WholeTest, ReplacesAStalledWorker) {
  Apply(4);
  ASSERT_TRUE(RunUntilHealthy(4, absl::Minutes(40)));
  const std::int64_t victim = sim.Instances().front().id;
  ASSERT_THAT(sim.FailWorker(victim, vastsim::Failure::kStall), IsOk());
  ASSERT_TRUE(process->rt.RunUntil(
      [&] {
        for (const vastsim::InstanceView& past : sim.PastInstances()) {
          if (past.id == victim) return true;
        }
        return false;
      },
      absl::Minutes(40)));
  ASSERT_TRUE(RunUntilHealthy(4, absl::Minutes(40)));
  ExpectLedgerEqualsLog();
}

TEST_F(WholeTest, AnOutageKillsNobody) {
  Apply(4);
  ASSERT_TRUE(RunUntilHealthy(4, absl::Minutes(40)));
  std::set<std::int64_t> before;
  for (const vastsim::InstanceView& instance : sim.Instances()) before.insert(instance.id);
  for (const vastsim::Trap trap :
       {vastsim::Trap::kServerErrorBefore, vastsim::Trap::kHangBefore, vastsim::Trap::kEmptyBody,
        vastsim::Trap::kInstancesNull, vastsim::Trap::kAuth404, vastsim::Trap::kBare404,
        vastsim::Trap::kLogNoContainer}) {
    sim.ClearFaults();
    sim.SetFault({.trap = trap});
    process->rt.RunFor(absl::Minutes(8));
  }
  sim.ClearFaults();
  process->rt.RunFor(absl::Minutes(10));
  for (const vastsim::InstanceView& instance : sim.Instances()) before.erase(instance.id);
  EXPECT_THAT(before, IsEmpty());
  ExpectLedgerEqualsLog();
}

TEST_F(WholeTest, CrashesDuringRampUpLoseAndDoubleNothing) {
  Apply(8);
  Rng chance(7);
  for (int i = 0; i < 25; ++i) {
    process->rt.RunFor(absl::Milliseconds(static_cast<std::int64_t>(chance.Below(8000))));
    Crash();
  }
  ASSERT_TRUE(RunUntilHealthy(8, absl::Hours(1)));
  process->rt.RunFor(absl::Minutes(10));
  ExpectLedgerEqualsLog();
}

TEST_F(WholeTest, LostAnswersRentNothingTwice) {
  Apply(8);
  for (const vastsim::Trap trap :
       {vastsim::Trap::kHangAfter, vastsim::Trap::kResetAfter, vastsim::Trap::kServerErrorAfter,
        vastsim::Trap::kCreateNoContract, vastsim::Trap::kHangBefore}) {
    sim.SetFault({.trap = trap, .endpoint = "PUT asks/{id}", .times = 2});
  }
  sim.SetFault({.trap = vastsim::Trap::kListLag, .value = 20});
  ASSERT_TRUE(RunUntilHealthy(8, absl::Hours(2)));
  sim.ClearFaults();
  process->rt.RunFor(absl::Minutes(10));
  ExpectLedgerEqualsLog();
}

TEST_F(WholeTest, DownLeavesNothingBehind) {
  Apply(6);
  ASSERT_TRUE(RunUntilHealthy(6, absl::Minutes(40)));
  sim.SetFault({.trap = vastsim::Trap::kDestroyIgnored, .times = 2});
  sim.SetFault({.trap = vastsim::Trap::kDestroyLag, .value = 30});
  EXPECT_THAT(process->rt.Run(process->handler.Fleet(FleetName("zeb"), fleet::Down{"test"},
                                                     {.actor = "operator:test"})),
              IsOk());
  ASSERT_TRUE(process->rt.RunUntil(
      [&] { return process->handler.world().FindFleet(FleetName("zeb"))->ended; }, absl::Hours(1)));
  EXPECT_THAT(sim.Instances(), IsEmpty());
  ExpectLedgerEqualsLog();
}

}  // namespace
}  // namespace muster
