// MemoryMachines: machines that are nothing but fresh host keys, for when nobody logs in.
#pragma once

#include "eventstore/base/rng.h"
#include "workers/ports/sim_machines.h"

namespace muster::hetznersim {

// "qz0a6yff...": base64 without padding of 32 bytes drawn.
std::string DrawSha256(Rng& rng);

class MemoryMachines final : public SimMachines {
 public:
  explicit MemoryMachines(std::uint64_t seed) : rng_(seed) {}
  std::vector<HostKeyFingerprint> Boot(const SimBoot& boot) override;
  void Off(const ServerNumber& server, bool forget) override;

 private:
  Rng rng_;
};

}  // namespace muster::hetznersim
