// ServerContext: what the hands and eyes of one provider's dedicated servers share. Internal to
// workers/servers. Reactor thread.
#pragma once

#include <functional>
#include <string>

#include "commands/handler/handler.h"
#include "workers/ports/key_store.h"
#include "workers/ports/program.h"
#include "workers/ports/secrets.h"
#include "workers/ports/server_provider.h"
#include "workers/ports/ssh.h"
#include "workers/runtime/account_reporter.h"
#include "workers/runtime/task_group.h"
#include "workers/servers/doing.h"
#include "workers/servers/nix/probe.h"
#include "workers/servers/remote/run_commands.h"

namespace muster {

// Where servers are reached, when not at their own address and port 22.
struct ServerReach {
  int ssh_port = 22;
  std::string ssh_host;  // "" = the server's own address
};

struct ServerOptions {
  ServerReach reach;
  std::string machines_file;  // of Nix, written anew whenever it changes; "" = not kept
  nix::NixHere nix;           // the Nix that probes are ordered with
  // Used where a server's timers say 0.
  absl::Duration delivery_warn = absl::Minutes(15);
  absl::Duration delivery_operator = absl::Hours(2);
  absl::Duration rescue = absl::Minutes(10);
  absl::Duration boot = absl::Minutes(10);
  absl::Duration poll = absl::Seconds(20);
  absl::Duration vitals = absl::Seconds(60);
  absl::Duration order_settle = absl::Minutes(10);
  absl::Duration probe = absl::Seconds(60);

  absl::Duration call_timeout = absl::Seconds(60);
  absl::Duration order_timeout = absl::Seconds(120);
  absl::Duration ssh_connect = absl::Seconds(30);
  // OpenSSH shuts out who comes too often.
  absl::Duration ssh_again = absl::Seconds(10);
  int settle_lookups_min = 3;
  // A server bought moments ago can be missing from lists.
  absl::Duration list_lag = absl::Minutes(2);
  absl::Duration list_every = absl::Minutes(5);
  absl::Duration list_hurried = absl::Seconds(30);  // while one is being given back
};

// References only: whoever owns the things lets them outlive all who hold this.
struct ServerPorts {
  Runtime& rt;
  Handler& handler;
  ServerProvider& provider;
  SshClient& ssh;
  KeyStore& keys;
  Secrets& secrets;
  ProgramRunner& programs;
  TextFiles& files;
  // Opens a file of this machine that is sent to a server.
  std::function<StatusOr<remote::RemoteInput>(const std::string& path)> open_file;
};

inline std::string OrderKeyName(const ServerId& id) { return Cat(id.str(), ".order"); }
inline std::string HostKeyName(const ServerId& id) { return Cat(id.str(), ".host"); }

struct ServerContext {
  ServerContext(ServerPorts p, ServerOptions o)
      : ports(std::move(p)),
        options(std::move(o)),
        group(ports.rt),
        reporter(ports.handler, group, ports.provider.name()) {}

  const World& world() const { return ports.handler.world(); }
  absl::Time Now() const { return ports.rt.Now(); }
  const ProviderName& provider() const { return ports.provider.name(); }
  const server::State* Find(const ServerId& id) const { return world().FindServer(id); }
  absl::Time CallDeadline() const { return Now() + options.call_timeout; }

  // A timer of the server's file, or what holds where it says 0.
  absl::Duration Timer(const server::State& state,
                       std::int64_t (specpb::ServerTimers::*seconds)() const,
                       absl::Duration otherwise) const {
    const std::int64_t s = (state.spec.timers().*seconds)();
    return s > 0 ? absl::Seconds(s) : otherwise;
  }
  absl::Duration Poll(const server::State& state) const {
    return Timer(state, &specpb::ServerTimers::poll_s, options.poll);
  }

  // Where the rescue system (host 2 of its network) or the installed system (host 1) answers.
  std::string AddressOf(const server::State& state, int ipv6_host) const;

  // A session with what the pin proves; tried again until `until` while nobody answers.
  //   errors as SshClient::Connect; kNotFound: the key of its order is gone
  Task<StatusOr<std::unique_ptr<SshSession>>> Connect(ServerId id, HostKeyPin pin, int ipv6_host,
                                                      absl::Time until);

  // Reports what came of an intent, as TellUntilTaken does.
  Task<Status> Tell(ServerId id, server::Command command, std::string cause = "");

  ServerPorts ports;
  ServerOptions options;
  TaskGroup group;
  AccountReporter reporter;
  Doing doing;
};

// Of the rescue system that runs, as published by the provider.
HostKeyPin RescuePin(const server::State& state);
// Of the installed system: the one key that was made for it.
HostKeyPin InstalledPin(const server::State& state);

}  // namespace muster
