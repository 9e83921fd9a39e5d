#include "workers/providers/hetzner/sim/memory_machines.h"

#include "absl/strings/escaping.h"

namespace muster::hetznersim {

std::string DrawSha256(Rng& rng) {
  std::string bytes;
  for (int i = 0; i < 32; ++i) bytes += static_cast<char>(rng.Below(256));
  std::string text = absl::Base64Escape(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

std::vector<HostKeyFingerprint> MemoryMachines::Boot(const SimBoot& boot) {
  if (!boot.rescue) return {};
  std::vector<HostKeyFingerprint> keys;
  for (const char* type : {"ECDSA", "ED25519", "RSA"}) keys.push_back({type, DrawSha256(rng_)});
  return keys;
}

void MemoryMachines::Off(const ServerNumber&, bool) {}

}  // namespace muster::hetznersim
