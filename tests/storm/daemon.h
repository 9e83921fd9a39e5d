// Daemon: one life of the whole program under virtual time: engine, adapter, read models, and the
// operators' command path as gRPC calls it. What it loses in a crash is everything here.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "eventstore/memory/memory_event_store.h"
#include "queries/projector.h"
#include "services/grpc/command_api.h"
#include "tests/support/map_secrets.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/ports/rate_limiter.h"
#include "workers/ports/sim_server.h"
#include "workers/runtime/engine.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::storm {

inline constexpr char kOrigin[] = "http://market.internal";
inline constexpr char kApiKey[] = "sim-key";                 // the simulator's own
inline constexpr char kHfToken[] = "hf_storm_canary_token";  // must never reach the log

// The provider behind its own clock, which does not follow when ours is set; tells what was rented.
class MarketServer final : public SimServer {
 public:
  explicit MarketServer(SimServer& sim) : sim_(sim) {}
  SimReply Handle(const HttpRequest& request, absl::Time now) override;
  void SetOrigin(std::string origin) override { sim_.SetOrigin(std::move(origin)); }

  void StepOurClock(absl::Duration step) { ours_ahead_ += step; }
  absl::Time TrueTime(absl::Time ours) const { return ours - ours_ahead_; }
  // Called right after each request to rent was served, before the client hears of it.
  std::function<void()> on_rent;

 private:
  SimServer& sim_;
  absl::Duration ours_ahead_;
};

class Daemon {
 public:
  Daemon(VirtualRuntime& rt, SimServer& server, std::shared_ptr<MemoryLog> log);

  // Loads the log and begins to work. Errors as Engine::Start.
  Task<Status> Start();

  MemoryEventStore& store() { return store_; }
  const World& world() { return engine_->handler().world(); }
  queries::Projector& projector() { return *projector_; }
  grpc_api::CommandApi& api() { return *api_; }

 private:
  grpc_api::CommandHooks Hooks();
  Task<Status> SearchMarket(specpb::FleetSpec spec);

  VirtualRuntime& rt_;
  MemoryEventStore store_;
  SimHttpClient http_;
  MapSecrets secrets_;
  TailKeeper tails_;
  std::unique_ptr<RateLimiter> limiter_;
  std::unique_ptr<Provider> provider_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<queries::Projector> projector_;
  std::unique_ptr<grpc_api::CommandApi> api_;
};

}  // namespace muster::storm
