// ServerHands: the part of the program that has to do with dedicated servers, over the decisions of
// whoever holds it: the adapter to the simulated Robot with its limiter, and what carries out. And
// what an operator asks for, as the command asks: plan, agree to the plan, have it done.
//
//   ServerHands hands(rt, outside, handler);   // the handler has loaded
//   hands.Start();
//
// Reactor thread; all three are borrowed. Destroy the runtime's tasks first.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "commands/handler/handler.h"
#include "tests/stage/server_outside.h"
#include "tests/support/map_secrets.h"
#include "workers/ports/rate_limiter.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/servers/server_effects.h"

namespace muster {

class ServerHands {
 public:
  ServerHands(VirtualRuntime& rt, ServerOutside& outside, Handler& handler);

  void Start() { effects_->Start(); }
  ServerEffects& effects() { return *effects_; }
  ServerProvider& provider() { return *provider_; }
  Handler& handler() { return handler_; }
  const World& world() const { return handler_.world(); }
  // The newest of this name; one with an empty id when there is none.
  const server::State& At(std::string_view name = kBuilder) const;

  // Errors as the plan's or the decision's: nothing was asked for.
  Task<Status> Order(specpb::ServerSpec spec);
  Task<Status> Step(server::Step step, std::string name = kBuilder);
  Task<Status> Cancel(std::string date, std::string name = kBuilder);
  Task<Status> Revoke(std::string name = kBuilder);
  // Looks at the account, and says of an order in doubt that nothing was bought.
  // kFailedPrecondition  something was
  Task<Status> Settle(std::string name = kBuilder);

 private:
  Task<Status> Ask(ServerId id, server::Command command);

  VirtualRuntime& rt_;
  ServerOutside& outside_;
  Handler& handler_;
  SimHttpClient http_;
  MapSecrets secrets_;
  std::unique_ptr<RateLimiter> limiter_;
  std::unique_ptr<ServerProvider> provider_;
  std::unique_ptr<ServerEffects> effects_;
};

}  // namespace muster
