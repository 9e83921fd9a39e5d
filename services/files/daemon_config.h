// DaemonConfig: how musterd runs. Fleets are applied, not configured.
//
// YAML with human units; what is left out has a default that works, so the smallest file is
//
//   providers: {vast: {api_key: env:VAST_API_KEY}}
//
// Secrets appear as references only; a key that looks like a secret in clear is refused and never
// echoed. Plain values, freely copied; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "services/files/notify_config.h"
#include "services/files/provider_config.h"

namespace muster {

struct TlsConfig {
  std::string cert_file;
  std::string key_file;
  std::string client_ca_file;  // clients must show a certificate of this authority
  bool enabled() const { return !cert_file.empty(); }
};

struct LimitConfig {
  int launches_in_flight = 8;                  // per account: asked for, not yet answered
  std::int64_t log_bytes_max = 1'000'000;      // of one worker's log per poll
  std::int64_t answer_bytes_max = 16'000'000;  // of any other answer
};

// The simulated provider inside the daemon, for demonstrations and trials.
struct SimConfig {
  bool embedded = false;
  std::uint64_t seed = 1;
  double speed = 1;  // simulated seconds per second
};

// Signed heads of the log: how often, and where they go.
struct AuditConfig {
  absl::Duration heads_every = absl::Hours(24);  // zero = never
  std::string heads_file;                        // empty = in the store's folder
  bool heads_to_file = true;
  bool heads_to_syslog = false;
  std::string heads_webhook;             // a URL; empty = none
  std::string heads_webhook_bearer_ref;  // "env:NAME" or "file:PATH"; may be empty
  bool operator==(const AuditConfig&) const = default;
};

// The Nix of this machine, for which dedicated servers build.
struct NixConfig {
  bool keep_machines_file = true;
  std::string machines_file;  // empty = "machines" in the store's folder
  std::string programs;       // the folder of nix and nix-build; empty = looked for
  std::string store;          // of probe builds; empty = the machine's own
  bool operator==(const NixConfig&) const = default;
};

struct DaemonConfig {
  std::map<std::string, ProviderConfig> providers;  // by name, "vast"
  // "unix:///PATH" or "HOST:PORT". Both services answer on `listen` unless one has its own.
  std::vector<std::string> listen;  // empty = DefaultListen()
  std::vector<std::string> command_listen;
  std::vector<std::string> query_listen;
  TlsConfig tls;
  std::string metrics = "127.0.0.1:9464";          // empty = off
  std::string store_path = "muster-data";          // relative to the working directory
  std::string log_level = "info";                  // debug, info, warning or error
  absl::Duration tail_keep = absl::Hours(7 * 24);  // last log tails of workers that are gone
  LimitConfig limits;
  AuditConfig audit;
  NotifyConfig notify;
  NixConfig nix;
  SimConfig sim;
};

// The addresses musterd answers on when the file names none: a socket where `muster` looks for it
// (in `runtime_dir`, or /run/muster when that is empty) and a loopback port.
std::vector<std::string> DefaultListen(std::string_view runtime_dir);

// Whether `address` ("unix:///PATH", "HOST:PORT") can be reached from this machine only.
bool IsLocalAddress(std::string_view address);

// kNotFound         the file cannot be read
// kInvalidArgument  it says something wrong: one line per problem, with file, line and column
StatusOr<DaemonConfig> LoadDaemonConfig(const std::string& path);
StatusOr<DaemonConfig> ParseDaemonConfig(std::string_view text, std::string_view file_name);

}  // namespace muster
