#include "tests/stage/life.h"

#include <utility>

#include "workers/providers/vast/limits.h"
#include "workers/providers/vast/vast_provider.h"

namespace muster {

Life::Life(VirtualRuntime& rt, SimServer& server, std::unique_ptr<EventStore> store,
           const LifeOptions& options)
    : store_(std::move(store)),
      http_(rt, server),
      tails_(rt, {}),
      limiter_(MakeRateLimiter(rt, vast::DefaultRateLimits())) {
  SetKeys(options.keys);
  VastOptions wire;
  wire.base_url = kOrigin;
  wire.log_hosts = {kOrigin};
  provider_ = MakeVastProvider(wire, rt, http_, *limiter_, secrets_);
  if (options.around_provider) provider_ = options.around_provider(std::move(provider_));
  engine_ =
      std::make_unique<Engine>(Engine::Ports{rt, *store_, http_, secrets_, tails_}, options.engine);
  engine_->AddProvider(*provider_);
}

void Life::SetKeys(const Keys& keys) {
  secrets_.Set("env:VAST_API_KEY", keys.api_key);
  secrets_.Set("env:HF_TOKEN", keys.hf_token);
}

}  // namespace muster
