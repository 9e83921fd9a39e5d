// SSH keys as OpenSSH writes them: made here, one for one purpose, so that a machine or an order
// can be known by them. Ed25519 only: the one kind that every side we meet can use. Pure,
// thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

struct SshKeyPair {
  std::string private_key;  // "-----BEGIN OPENSSH PRIVATE KEY-----...", no passphrase. Secret.
  std::string public_key;   // "ssh-ed25519 AAAA... comment"
};

// The pair that follows from 32 secret bytes.  REQUIRES: seed.size() == 32
SshKeyPair MakeSshKeyPair(std::string_view seed, std::string_view comment);

// The public half of a private key as made here, without its comment.
// kInvalidArgument  it is none
StatusOr<std::string> PublicKeyOf(std::string_view private_key);

// Of "ssh-ed25519 AAAA... comment"; "" when that is no key.
std::string KeyMd5(std::string_view public_key);     // "15:28:b0:...", 47 characters
std::string KeySha256(std::string_view public_key);  // base64 without padding and prefix

}  // namespace muster
