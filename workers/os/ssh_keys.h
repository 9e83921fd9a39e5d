// What can be told of SSH keys before anything is sent. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/status.h"
#include "workers/ports/ssh.h"

namespace muster {

// A HostKeyPin as it is compared.
struct PinnedHostKey {
  std::vector<std::string> sha256;  // 32 raw bytes each
  std::string blob;                 // the whole key, instead
  std::string kinds;                // to ask the other side for, in order: "ssh-ed25519,..."
};

// kInvalidArgument  the pin is none, both, malformed, or of an RSA key
StatusOr<PinnedHostKey> ReadPin(const HostKeyPin& pin);

// kInvalidArgument  `identity` is no private key, wants a passphrase, or is an RSA key; the message
//                   says nothing of its content
Status CheckIdentity(std::string_view identity);

// "SHA256:..." of 32 raw bytes, as ssh-keygen prints it.
std::string Fingerprint(std::string_view raw);

}  // namespace muster
