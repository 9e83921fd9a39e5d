// ServerLife: the working half of the program for dedicated servers under virtual time: a store,
// the adapter to the simulated Robot, machines in memory, and the hands over them. What a crash
// takes away is everything here but the log, the keys and the machines.
//
//   ServerOutside outside(rt);                  // the market, the machines, the disk
//   ServerLife life(rt, outside);
//   ASSERT_THAT(rt.Run(life.Start()), IsOk());
//
// Destroy the runtime's tasks first. Reactor thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "eventstore/memory/memory_event_store.h"
#include "tests/support/map_secrets.h"
#include "workers/ports/key_store.h"
#include "workers/ports/rate_limiter.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/servers/server_effects.h"
#include "workers/virtual/memory_text_files.h"
#include "workers/virtual/virtual_machines.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

// Keys from a seed of its own: the same run has the same keys.
class MemoryKeyStore final : public KeyStore {
 public:
  StatusOr<SshKeyPair> GetOrMake(const std::string& name) override;
  StatusOr<SshKeyPair> Get(const std::string& name) override;
  Status Forget(const std::string& name) override;
  std::map<std::string, SshKeyPair> keys;

 private:
  int made_ = 0;
};

// The Nix of this machine: what it builds is done on the builder that the line names.
class StageNix final : public ProgramRunner {
 public:
  StageNix(Runtime& rt, MemoryTextFiles& files) : rt_(rt), files_(files) {}
  Task<StatusOr<ProgramResult>> Run(ProgramCall call) override;
  // What a build ends with instead; "" = it works.
  std::string fault;
  int builds = 0;

 private:
  Runtime& rt_;
  MemoryTextFiles& files_;
};

// What a crash leaves alone.
struct ServerOutside {
  explicit ServerOutside(VirtualRuntime& rt, hetznersim::HetznerSimOptions options = Calm());
  static hetznersim::HetznerSimOptions Calm();

  VirtualMachines machines;
  hetznersim::HetznerSim sim;
  std::shared_ptr<MemoryLog> log;
  MemoryKeyStore keys;
  MemoryTextFiles files;
  absl::Duration image_takes;  // to be sent, in pieces
};

class ServerLife {
 public:
  ServerLife(VirtualRuntime& rt, ServerOutside& outside);

  Task<Status> Start();
  ServerEffects& effects() { return *effects_; }
  Handler& handler() { return *handler_; }
  const World& world() const { return handler_->world(); }
  // The only one, or the newest of this name.
  const server::State& At(std::string_view name = "builder-01") const;
  StageNix& nix() { return nix_; }
  ServerProvider& provider() { return *provider_; }
  EventStore& store() { return *store_; }

  // As an operator does it: plans, agrees to the plan, and asks for it.
  Task<Status> Order(specpb::ServerSpec spec);
  Task<Status> Step(server::Step step);
  Task<Status> Cancel(std::string date);
  Task<Status> Revoke();

 private:
  Task<Status> Ask(ServerId id, server::Command command);

  VirtualRuntime& rt_;
  ServerOutside& outside_;
  std::unique_ptr<EventStore> store_;
  SimHttpClient http_;
  MapSecrets secrets_;
  StageNix nix_;
  std::unique_ptr<RateLimiter> limiter_;
  std::unique_ptr<ServerProvider> provider_;
  std::unique_ptr<Handler> handler_;
  std::unique_ptr<ServerEffects> effects_;
};

// A builder file's spec, ready to be ordered.
specpb::ServerSpec ABuilder(std::string_view name = "builder-01");

}  // namespace muster
