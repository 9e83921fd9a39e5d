// ServerStage: dedicated servers from end to end in virtual time: the simulated web service,
// machines in memory, a Nix that is played, and over them one life after the other of the working
// program, with an operator who wants one builder.
//
//   ServerStage stage(/*seed=*/1);
//   stage.Live();
//   EXPECT_TRUE(stage.RunUntilInService());
//
// What a crash takes away is the life; the log, the keys and the world outside stay.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "commands/handler/handler.h"
#include "eventstore/memory/memory_event_store.h"
#include "tests/support/map_secrets.h"
#include "workers/ports/provider_factory.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"
#include "workers/runtime/sim_http_client.h"
#include "workers/servers/server_effects.h"
#include "workers/virtual/memory_text_files.h"
#include "workers/virtual/virtual_machines.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

// Keys that survive crashes, each following from its name.
class StageKeys final : public KeyStore {
 public:
  StatusOr<SshKeyPair> GetOrMake(const std::string& name) override;
  StatusOr<SshKeyPair> Get(const std::string& name) override;
  Status Forget(const std::string& name) override;
  std::map<std::string, SshKeyPair> keys;
};

// Nix, as far as the probe looks: it builds on the builder of the line when that machine runs what
// was installed and has the pinned key.
class StageNix final : public ProgramRunner {
 public:
  StageNix(Runtime& rt, const VirtualMachines& machines, MemoryTextFiles& files)
      : rt_(rt), machines_(machines), files_(files) {}
  Task<StatusOr<ProgramResult>> Run(ProgramCall call) override;

 private:
  ProgramResult Answer(const ProgramCall& call);

  Runtime& rt_;
  const VirtualMachines& machines_;
  MemoryTextFiles& files_;
};

class ServerStage {
 public:
  explicit ServerStage(std::uint64_t seed);
  ~ServerStage();

  // The program starts, and the operator with it.
  void Live();
  // It ends where it stands, as by kill -9.
  void Crash();
  // Until the builder serves; false when it does not within `span_max`.
  bool RunUntilInService(absl::Duration span_max = absl::Hours(6));
  // The same after so many crashes, each after a few steps, at most `steps_max`.
  bool RunCrashingUntilInService(std::uint64_t steps_max, int crashes);
  // Asks for the end of it at once, and waits for that; false when it did not come.
  bool GiveBack();

  const server::State* state() const;
  VirtualMachines::Machine* machine();
  std::vector<eventpb::EventBody> Events() const;
  // What must hold whatever happened; "" or what is wrong.
  std::string Violations() const;

  hetznersim::HetznerSim& sim() { return sim_; }
  VirtualMachines& machines() { return machines_; }
  VirtualRuntime& rt() { return rt_; }
  MemoryTextFiles& files() { return files_; }
  int interventions() const { return interventions_; }  // times somebody had to look

 private:
  struct Life;
  Task<void> Operate();
  Task<void> OperateOnce();
  Task<void> Step(ServerId id, server::Step step);
  // Orders with this key that were not given up.
  int Bought(const std::string& key) const;

  VirtualRuntime rt_;
  VirtualMachines machines_;
  hetznersim::HetznerSim sim_;
  StageKeys keys_;
  MemoryTextFiles files_;
  StageNix nix_;
  std::shared_ptr<MemoryLog> log_ = std::make_shared<MemoryLog>();
  std::unique_ptr<Life> life_;
  int interventions_ = 0;
  bool giving_back_ = false;
};

}  // namespace muster
