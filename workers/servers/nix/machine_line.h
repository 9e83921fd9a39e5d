// One line of a machines file: what Nix has to know of a builder.
//
//   ssh-ng://builder@[2001:db8::1] x86_64-linux /etc/nix/key 24 48 big-parallel,muster-b1 cuda
//   c3No...
//
// The columns: store, systems, private key, jobs at once, speed, supported features, mandatory
// features, the host key in base64 over its text. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/status.h"

namespace muster {
namespace spec::v1 {
class ServerSpec;
}
namespace specpb = spec::v1;
}  // namespace muster

namespace muster::nix {

// Every builder of ours supports one feature of this prefix that no other machine has.
inline constexpr std::string_view kOwnFeature = "muster-";

struct Machine {
  std::string store;  // "ssh-ng://builder@192.0.2.7"
  std::string user;
  std::string host;  // an address, without brackets
  int port = 22;     // from the comment behind the line
  std::vector<std::string> systems;
  std::string ssh_key;
  int max_jobs = 1;
  int speed_factor = 1;
  std::vector<std::string> supported;
  std::vector<std::string> mandatory;
  std::string host_key;  // "ssh-ed25519 AAAA..."
};

// The line of the builder that `spec` describes, reached at `address` (IPv4 or IPv6, without
// brackets), whose sshd proves `host_public_key` ("ssh-ed25519 AAAA...", a comment is dropped).
// Nix 2.8 knows no port in a store: another than 22 stands in a comment behind the line, with the
// variable that sets it.
//
// kFailedPrecondition  the spec, the address or the key would make a line that Nix reads
//                      otherwise; the message says which: a fault of whoever made them
StatusOr<std::string> MachineLine(const specpb::ServerSpec& spec, std::string_view address,
                                  int port, std::string_view host_public_key);

// kInvalidArgument  not a line as MachineLine writes them
StatusOr<Machine> ParseMachineLine(std::string_view line);

// The line without what stands behind it as a comment: what Nix reads.
std::string_view WithoutComment(std::string_view line);

// What a derivation has to require in order to be built by `machine` and nobody else: its mandatory
// features and the one of its own.
//
// kFailedPrecondition  it has none of its own: it could be built elsewhere, which would prove
//                      nothing
StatusOr<std::vector<std::string>> ProvingFeatures(const Machine& machine);

}  // namespace muster::nix
