// Daemon: one life of the whole program under virtual time: engine, adapter, read models, and the
// operators' command path as gRPC calls it, and with dedicated servers the hands for those. What it
// loses in a crash is everything here.
#pragma once

#include <memory>
#include <string>

#include "eventstore/event_store.h"
#include "queries/projector.h"
#include "services/grpc/command_api.h"
#include "tests/stage/life.h"
#include "tests/stage/server_hands.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::storm {

class Daemon {
 public:
  // `account_budget`: over all fleets. `servers`: none when nullptr. With a canary let in
  // (canary.h) the provider has its bug.
  Daemon(VirtualRuntime& rt, SimServer& server, std::unique_ptr<EventStore> store,
         const specpb::Budget& account_budget, const Keys& keys, ServerOutside* servers);

  // Loads the log and begins to work. Errors as Engine::Start.
  Task<Status> Start();

  EventStore& store() { return life_.store(); }
  const World& world() { return life_.world(); }
  queries::Projector& projector() { return *projector_; }
  void SetKeys(const Keys& keys) { life_.SetKeys(keys); }
  grpc_api::CommandApi& api() { return *api_; }
  // nullptr before Start has returned, and without servers.
  ServerHands* hands() { return hands_.get(); }

 private:
  grpc_api::CommandHooks Hooks();
  Task<Status> SearchMarket(specpb::FleetSpec spec, absl::Time deadline);

  VirtualRuntime& rt_;
  const LifeOptions options_;
  Life life_;
  std::unique_ptr<queries::Projector> projector_;
  std::unique_ptr<grpc_api::CommandApi> api_;
  ServerOutside* const servers_;
  std::unique_ptr<ServerHands> hands_;
};

}  // namespace muster::storm
