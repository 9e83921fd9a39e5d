// Scenario: a whole muster under virtual time, against the simulator of Vast.ai at the wire.
//
//   Scenario s;
//   s.Apply("name: zeb\nworkers: 4\n...");
//   EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 4; }, absl::Minutes(30)));
//   s.Crash();                       // everything in memory is lost; log and market stay
//
// Handler, policy, pollers, effects, adapter and read side are the daemon's own; only the disk, the
// network and the clock are not real.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "eventstore/memory/memory_event_store.h"
#include "tests/sim/virtual_runtime.h"
#include "tests/support/map_secrets.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/ports/rate_limiter.h"
#include "workers/providers/vast/sim/vast_sim.h"
#include "workers/runtime/engine.h"
#include "workers/runtime/sim_http_client.h"

namespace muster {

// Few machines: most of the time of a scenario goes into reading the market's answers.
inline vastsim::VastSimOptions SmallMarket() {
  vastsim::VastSimOptions options;
  options.machines = 30;
  return options;
}

class Scenario {
 public:
  explicit Scenario(vastsim::VastSimOptions market = SmallMarket(), std::uint64_t seed = 1);
  ~Scenario();

  VirtualRuntime& rt() { return rt_; }
  vastsim::VastSim& sim() { return sim_; }
  Engine& engine() { return *life_->engine; }
  const World& world() { return engine().handler().world(); }

  // A fleet file, as an operator would apply it. Fails the test when it is refused.
  void Apply(std::string_view yaml);
  void Scale(const std::string& fleet, int workers);
  void Down(const std::string& fleet);

  void Run(absl::Duration span) { rt_.RunFor(span); }
  // Runs until `done` or for `span`; false when the span ended first.
  bool Until(const std::function<bool()>& done, absl::Duration span);

  // Ends everything at this suspension point and begins anew from log and market.
  void Crash();

  // Open workers whose health is HEALTHY, by the log.
  int Healthy(const std::string& fleet);
  int Open(const std::string& fleet);
  // What lives and is paid for at the provider.
  std::vector<vastsim::InstanceView> Alive() { return sim_.Instances(); }
  // Payloads of one kind in the log, oldest first.
  std::vector<eventpb::EventBody> Log(EventKind kind) const;

  // The whole log as text, one line per event; for messages of failing tests.
  std::string Story(const std::set<std::string>& types_left_out = {}) const;

  // The invariants that hold at every moment: no machine without an intent of its own, and never
  // two living machines for one token. Returns what is broken, "" when nothing is.
  std::string Broken() const;

 private:
  // One run of the program: everything that a crash takes away.
  struct Life {
    Life(VirtualRuntime& rt, vastsim::VastSim& sim, std::shared_ptr<MemoryLog> log);
    MemoryEventStore store;
    SimHttpClient http;
    MapSecrets secrets;
    TailKeeper tails;
    std::unique_ptr<RateLimiter> limiter;
    std::unique_ptr<Provider> provider;
    std::unique_ptr<Engine> engine;
  };
  void Begin();

  VirtualRuntime rt_;
  vastsim::VastSim sim_;
  std::shared_ptr<MemoryLog> log_ = std::make_shared<MemoryLog>();
  std::unique_ptr<Life> life_;
};

// The fleet most scenarios use: four workers of the kinds the market has, the runbook's timers.
std::string ZebFleet(int workers = 4, std::string_view more = "");

}  // namespace muster
