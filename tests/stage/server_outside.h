// ServerOutside: what stands around muster where dedicated servers are concerned, under virtual
// time: the simulated Robot, machines in memory, the disk that keeps keys and the machines file,
// and Nix. What a crash of muster leaves alone.
//
// Its time is nobody's clock: machines boot and deliveries come however muster's clock is set.
// Reactor thread; the runtime is borrowed.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "commands/server/commands.h"
#include "tests/stage/outside.h"
#include "workers/ports/key_store.h"
#include "workers/ports/program.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"
#include "workers/servers/remote/run_commands.h"
#include "workers/virtual/memory_text_files.h"
#include "workers/virtual/virtual_machines.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {

inline constexpr char kBuilder[] = "builder-01";
inline constexpr char kStranger[] = "somebody-else";
inline constexpr char kMachinesFile[] = "/var/lib/muster/machines";
inline constexpr char kRobotPassword[] = "stage_password";  // must never reach the log

// Each key follows from its name.
class MemoryKeyStore final : public KeyStore {
 public:
  StatusOr<SshKeyPair> GetOrMake(const std::string& name) override;
  StatusOr<SshKeyPair> Get(const std::string& name) override;
  Status Forget(const std::string& name) override;
  std::map<std::string, SshKeyPair> keys;
};

// Nix, as far as the probe looks: it builds on the builder of the line when that machine runs what
// was installed, and has the key that was made for it.
class StageNix final : public ProgramRunner {
 public:
  StageNix(Runtime& rt, const VirtualMachines& machines, MemoryTextFiles& files)
      : rt_(rt), machines_(machines), files_(files) {}
  Task<StatusOr<ProgramResult>> Run(ProgramCall call) override;
  std::string fault;  // what a build ends with instead; "" = it works

 private:
  bool Serves(const std::string& address) const;

  Runtime& rt_;
  const VirtualMachines& machines_;
  MemoryTextFiles& files_;
};

struct ServerOutside {
  explicit ServerOutside(VirtualRuntime& rt, hetznersim::HetznerSimOptions options = Calm(),
                         absl::Duration boot_time = absl::Seconds(70));
  // Login and nothing unusual; prices stand still.
  static hetznersim::HetznerSimOptions Calm();

  StatusOr<remote::RemoteInput> OpenImage(const std::string& path);
  // Orders that bear this key and were not given up by the provider.
  int Bought(const std::string& key_md5) const;

  // A server of somebody else in the same account.
  void AddStranger() { strangers.insert(sim.AddForeignServer(kStranger)); }

  VirtualRuntime& rt;
  VirtualMachines machines;
  hetznersim::HetznerSim sim;
  Outside service;
  MemoryKeyStore keys;
  MemoryTextFiles files;
  StageNix nix;
  std::set<std::int64_t> strangers;
  absl::Duration image_takes;  // to be sent, in pieces
};

// A builder file's spec, ready to be ordered.
specpb::ServerSpec ABuilder(std::string_view name = kBuilder);

}  // namespace muster
