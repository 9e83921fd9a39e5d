// Life: one run of the working half of the program under virtual time: a store, an adapter to the
// simulated provider, and the engine over them. What a crash takes away is everything here.
//
//   Life life(rt, outside, std::make_unique<MemoryEventStore>(rt, log));
//   CO_RETURN_IF_ERROR(co_await life.engine().Start());
//
// Destroy the runtime's tasks first. Reactor thread; runtime and server are borrowed.
#pragma once

#include <functional>
#include <memory>

#include "eventstore/event_store.h"
#include "tests/support/map_secrets.h"
#include "workers/engine/engine.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/ports/provider.h"
#include "workers/ports/rate_limiter.h"
#include "workers/ports/sim_server.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

inline constexpr char kOrigin[] = "http://market.internal";
inline constexpr char kApiKey[] = "sim-key";               // the simulator's own
inline constexpr char kHfToken[] = "hf_stage_canary_key";  // must never reach the log

// What stands behind the references that are resolved; "" = nothing.
struct Keys {
  std::string api_key = kApiKey;
  std::string hf_token = kHfToken;
};

struct LifeOptions {
  Keys keys;
  EngineOptions engine;
  // Puts something around the adapter, if set.
  std::function<std::unique_ptr<Provider>(std::unique_ptr<Provider>)> around_provider;
};

class Life {
 public:
  Life(VirtualRuntime& rt, SimServer& server, std::unique_ptr<EventStore> store,
       const LifeOptions& options = {});

  EventStore& store() { return *store_; }
  Engine& engine() { return *engine_; }
  const World& world() { return engine_->handler().world(); }
  Provider& provider() { return *provider_; }
  SimHttpClient& http() { return http_; }
  // They are rotated while the program runs.
  void SetKeys(const Keys& keys);

 private:
  const std::unique_ptr<EventStore> store_;
  SimHttpClient http_;
  MapSecrets secrets_;
  TailKeeper tails_;
  const std::unique_ptr<RateLimiter> limiter_;
  std::unique_ptr<Provider> provider_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace muster
