// ServerEffects: turns the intents in the log of one provider's dedicated servers into calls and
// commands, and reports what came of them; and looks at what the provider says of them.
//
//   ServerOrderRequested  --> order.h         ServerStepRequested   --> boot_steps, remote_steps,
//   ServerCancelRequested --> give_back.h                               builder_steps
//   ServerRevokeRequested --> give_back.h     ServerEnded           --> keys forgotten
//
// An intent is durable before anything here sees it. One that is found in flight at the start is
// resumed by reading, never repeated blindly. Never decides what is to be done. Reactor thread; one
// per provider.
#pragma once

#include <memory>
#include <optional>

#include "workers/servers/server_context.h"
#include "workers/servers/server_plans.h"

namespace muster {

class ServerEffects {
 public:
  ServerEffects(ServerPorts ports, ServerOptions options);
  // REQUIRES: stopped and drained, or the Runtime ended
  ~ServerEffects();
  ServerEffects(const ServerEffects&) = delete;
  ServerEffects& operator=(const ServerEffects&) = delete;

  // Takes up every intent in flight and begins. REQUIRES: Handler::Load was OK
  void Start();
  // Begins nothing new; returns when the last call has ended. What is open then is taken up by the
  // next Start.
  Task<void> Stop();

  // What operators ask for, planned (server_plans.h).
  ServerPlans& plans();
  int in_flight() const;
  // What is run on it just now; nullopt = nothing.
  std::optional<ServerDoing> DoingWith(const ServerId& id) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster
