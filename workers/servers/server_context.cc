#include "workers/servers/server_context.h"

#include <utility>

#include "workers/runtime/tell.h"
#include "workers/servers/remote/install.h"

namespace muster {

std::string ServerContext::AddressOf(const server::State& state, int ipv6_host) const {
  if (!options.reach.ssh_host.empty()) return options.reach.ssh_host;
  return state.ipv4.empty() ? remote::Ipv6Address(state.ipv6_net, ipv6_host) : state.ipv4;
}

Task<Status> ServerContext::Tell(ServerId id, server::Command command, std::string cause) {
  return TellUntilTaken(
      group, [this, id = std::move(id), command = std::move(command), cause = std::move(cause)] {
        Origin origin{.actor = "effects"};
        origin.cause = cause;
        return ports.handler.Server(id, command, std::move(origin));
      });
}

Task<StatusOr<std::unique_ptr<SshSession>>> ServerContext::Connect(ServerId id, HostKeyPin pin,
                                                                   int ipv6_host,
                                                                   absl::Time until) {
  const StatusOr<SshKeyPair> key = ports.keys.Get(OrderKeyName(id));
  if (!key.ok()) co_return key.status();
  while (true) {
    const server::State* state = Find(id);
    if (state == nullptr || state->ended_already()) co_return NotFound("the server is gone");
    SshTarget target{.address = AddressOf(*state, ipv6_host),
                     .port = options.reach.ssh_port,
                     .host_key = pin,
                     .identity = key->private_key,
                     .deadline = std::min(until, Now() + options.ssh_connect)};
    StatusOr<std::unique_ptr<SshSession>> session = co_await ports.ssh.Connect(std::move(target));
    const bool silent = session.status().code() == StatusCode::kUnavailable;
    if (!silent || Now() + options.ssh_again >= until) co_return session;
    const bool going = co_await group.Sleep(options.ssh_again);
    if (!going) co_return session.status();
  }
}

HostKeyPin RescuePin(const server::State& state) {
  HostKeyPin pin;
  for (const eventpb::HostKey& key : state.rescue_keys) pin.sha256.push_back(key.sha256());
  return pin;
}

HostKeyPin InstalledPin(const server::State& state) {
  HostKeyPin pin;
  pin.public_key = state.host_public_key;
  return pin;
}

}  // namespace muster
