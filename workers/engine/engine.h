// Engine: the working half of the daemon: handler, policy, and for each provider its pollers and
// effects. Whoever has a Runtime, a store and a Provider has a muster that works; the daemon adds
// read models and faces, tests and storms run it under virtual time against simulators.
//
//   Engine engine({rt, store, http, secrets, tails}, {});
//   engine.AddProvider(*vast);
//   CO_RETURN_IF_ERROR(co_await engine.Start());
//   ...
//   co_await engine.Stop();
//
// Reactor thread. Owns what it makes; the ports and providers must outlive it.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "commands/handler/handler.h"
#include "commands/handler/policy_driver.h"
#include "commands/shadow/driver.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"
#include "workers/effects/effects.h"
#include "workers/pollers/observation.h"
#include "workers/ports/provider.h"

namespace muster {

struct EngineOptions {
  PolicyDriver::Options policy;
  ObservationOptions observation;
  EffectsOptions effects;
  absl::Duration snapshot_every = absl::Minutes(10);  // of the World, for a quick start
};

class Engine {
 public:
  struct Ports {
    Runtime& rt;
    EventStore& store;
    HttpClient& http;
    Secrets& secrets;
    TailKeeper& tails;
  };

  Engine(Ports ports, EngineOptions options);
  // REQUIRES: stopped, or the Runtime's tasks were destroyed
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // REQUIRES: before Start; one provider per name
  void AddProvider(Provider& provider);

  // Folds the log, takes up every intent in flight, and begins to observe and to decide.
  // Errors as Handler::Load: nothing was begun.
  Task<Status> Start();
  // Decides and begins nothing more, and returns when the last call with an effect has ended; calls
  // that only look are left to the Runtime. The fleets go on as they are; the next Start takes up
  // what is still open.
  Task<void> Stop();

  Handler& handler() { return handler_; }
  PolicyDriver& policy() { return policy_; }
  shadow::Driver& shadows() { return shadows_; }
  // nullptr when there is none of this name.
  Provider* FindProvider(const ProviderName& name);
  std::vector<ProviderName> Providers() const;
  // As Observation::freshness, by provider.
  std::map<ProviderName, Freshness> freshness() const;
  int calls_in_flight() const;

 private:
  struct Account {
    Provider* provider;
    std::unique_ptr<Observation> observation;
    std::unique_ptr<Effects> effects;
  };

  const Ports ports_;
  const EngineOptions options_;
  Handler handler_;
  PolicyDriver policy_;
  shadow::Driver shadows_;
  std::map<ProviderName, Account> accounts_;
  // Shared with the snapshot loop, which ends by itself some time after Stop.
  std::shared_ptr<bool> stopped_ = std::make_shared<bool>(false);
};

}  // namespace muster
