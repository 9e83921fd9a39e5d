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
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "eventstore/memory/memory_event_store.h"
#include "tests/stage/life.h"
#include "tests/stage/outside.h"
#include "workers/providers/vast/sim/vast_sim.h"
#include "workers/virtual/virtual_runtime.h"

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
  Engine& engine() { return life_->engine(); }
  const World& world() { return engine().handler().world(); }

  SimHttpClient& http() { return life_->http(); }
  EventStore& store() { return life_->store(); }

  // A fleet file, as an operator would apply it. Fails the test when it is refused.
  void Apply(std::string_view yaml);
  // What is asked for from now on bears this request's id; "" = none.
  void AsRequest(std::string id) { request_ = std::move(id); }
  void Scale(const std::string& fleet, int workers);
  void Down(const std::string& fleet);
  void Replace(const WorkerId& worker, const std::string& reason);
  // As `muster destroy` does it: the fleet is to have one less, unless it keeps its size.
  void Destroy(const WorkerId& worker, const std::string& reason, bool keep_size);
  // Takes every running instance with this label and an index behind it into the fleet, as the
  // command service does. Returns how many.
  int Adopt(const std::string& fleet, std::string_view label_prefix);

  void Run(absl::Duration span);
  // muster's wall clock steps; the world's does not.
  void StepClock(absl::Duration step);
  // muster's machine sleeps; the world goes on.
  void Suspend(absl::Duration span) { rt_.Suspend(span); }
  // An instance that somebody else rented on this account. Returns its id.
  std::int64_t AddForeign(const std::string& label);

  // Runs until `done` or for `span`; false when the span ended first.
  bool Until(const std::function<bool()>& done, absl::Duration span);

  // Ends everything at this suspension point and begins anew from log and market.
  void Crash();
  // The same, and begins anew only after `span`.
  void CrashFor(absl::Duration span);

  // Open workers whose health is HEALTHY, by the log.
  int Healthy(const std::string& fleet);
  int Open(const std::string& fleet);
  // What lives and is paid for at the provider.
  std::vector<vastsim::InstanceView> Alive() { return sim_.Instances(); }
  // Payloads of one kind in the log, oldest first.
  std::vector<eventpb::EventBody> Log(EventKind kind) const;

  // The whole log as text, one line per event; for messages of failing tests.
  std::string Story(const std::set<std::string>& types_left_out = {}) const;

  // Rules of all condemnations so far, oldest first.
  std::vector<std::string> Condemned() const;

  // The invariants that hold at every moment: no machine without an intent of its own or an
  // adoption, never two contracts for one token, and no fleet larger than wanted (by more than one
  // trial) for longer than it takes to settle. Returns what is broken, "" when nothing is.
  std::string Broken() const;
  // What holds after ten minutes of calm besides: log and provider know the same machines at the
  // same prices, and what the log says was spent is what the provider charged: no less than 2 %
  // below, and no more than the listed price for the time between (boot is free there, not here);
  // and whatever was done to the outside can be traced to something seen or somebody who asked.
  std::string Unsettled();

 private:
  void Begin();
  Origin Operator() const;
  // Looks at what must not last, a few times a minute.
  void Watch();
  std::string MachinesDiffer();
  std::string SpendingDiffers();
  // By instance, from launches and adoptions.
  std::map<std::string, std::string> WorkersByInstance() const;

  VirtualRuntime rt_;
  vastsim::VastSim sim_;
  Outside outside_{rt_, sim_};
  std::shared_ptr<MemoryLog> log_ = std::make_shared<MemoryLog>();
  std::unique_ptr<Life> life_;
  std::set<std::int64_t> foreign_;
  std::string request_;
  absl::Time watched_ = absl::InfinitePast();
  std::map<FleetName, absl::Time> too_large_since_;
  std::string too_large_;  // the first fleet that stayed so
};

// A fleet of `workers` of the kinds the market has, with the runbook's timers.
std::string FleetFile(std::string_view name, int workers, std::string_view more = "");
// The one most scenarios use.
std::string ZebFleet(int workers = 4, std::string_view more = "");

}  // namespace muster
