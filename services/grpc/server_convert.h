// Dedicated servers as clients see them. Pure.
//
// They are few, and what a reader wants to know of one is what the write side knows: where it is in
// its life, and what comes next. So its state is shown as it is, live or folded from the past, and
// there is no read model beside it that could say otherwise.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "commands/server/state.h"
#include "muster/api/v1/server.pb.h"
#include "workers/servers/doing.h"
#include "workers/servers/nix/check.h"

namespace muster::grpc_api {

namespace api = ::muster::api::v1;

// Where a server's sshd is reached; "" = nobody knows, or nothing of ours runs there.
struct ServerPlace {
  std::string address;
  int port = 22;
};

// Where it is by what the provider said: its IPv4 address, else one of its IPv6 network.
ServerPlace OwnPlace(const server::State& state);

// A step that is asked for and not answered, and why it stands still otherwise.
std::string ServerDetail(const server::State& state, absl::Time now);
// When it came to where it is.
absl::Time ServerSince(const server::State& state);

api::Server ToServer(const server::State& state, const ServerPlace& place, absl::Time now);

api::ServerProgress ToProgress(const ServerDoing& doing);

// What the state check asks of it.
nix::KnownBuilder ToKnownBuilder(const server::State& state, const ServerPlace& place);

// Its line belongs into the machines file.
bool IsInMachinesFile(const server::State& state);

}  // namespace muster::grpc_api
