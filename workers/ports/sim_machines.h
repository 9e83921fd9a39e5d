// SimMachines: what stands behind the dedicated servers of a simulated provider: machines that
// boot, answer SSH and have disks.
//
// The provider's simulator says when a machine boots into what; an implementation makes it real (a
// sshd on loopback, services/sim) or stays in memory (tests, storms). Same thread as the SimServer.
#pragma once

#include <string>
#include <vector>

#include "eventstore/base/server.h"

namespace muster {

struct SimBoot {
  ServerNumber server;
  std::string address;  // loopback address of this machine; its port is the implementation's
  bool rescue = false;  // else what is installed on its disks
  // For the rescue system: who is let in as root, as "ssh-ed25519 AAAA...".
  std::vector<std::string> authorized_keys;
  bool ada = false;  // has an NVIDIA card
  // As the provider tells them, for machines with a network of their own: "" = none, and
  // "2001:db8:61:1f::", of which the rescue system has ::2.
  std::string ipv4, ipv6_net;
};

class SimMachines {
 public:
  virtual ~SimMachines() = default;
  // The machine goes down, and up again as `boot` says. A rescue system has fresh host keys at
  // each boot: their fingerprints, which the provider publishes. Of an installed system none.
  virtual std::vector<HostKeyFingerprint> Boot(const SimBoot& boot) = 0;
  // Off, and its disks wiped with `forget`: the server was given back.
  virtual void Off(const ServerNumber& server, bool forget) = 0;
};

}  // namespace muster
