// ProviderConfig: the section `providers` of the daemon's configuration: the accounts, and how
// their providers are reached.
//
//   providers:
//     vast: {api_key: env:VAST_API_KEY, budget: {per_day: $18.00}}
//     hetzner: {user: "#ws+abcd1234", password: env:HETZNER_ROBOT_PASSWORD}
//
// Plain values, freely copied; any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/units.h"

namespace muster {

// What all fleets of an account may cost together. Zero = no limit.
struct AccountBudget {
  MicroUsdPerHour per_hour;
  MicroUsd per_day;
  MicroUsd total;
};

struct ProviderConfig {
  std::string base_url;     // without a slash at the end; empty = the provider's own
  std::string api_key_ref;  // "env:NAME" or "file:PATH"; empty only with sim.embedded
  std::string user;         // for providers with a name beside the secret; or a reference to it
  std::vector<std::string> log_hosts;  // where log objects may be fetched from
  std::string ca_file;                 // who vouches for the provider; empty = the system's list
  AccountBudget budget;
  // Minimum interval between calls by endpoint ("POST bundles"), where it differs from the
  // adapter's own.
  std::map<std::string, absl::Duration> pace;
  // Where dedicated servers are reached, when not at their own address and port 22.
  int ssh_port = 22;
  std::string ssh_host;
};

namespace files {
class Section;
// By name, of `root`, the whole configuration, whose problems are added to. `embedded`: a simulated
// market stands in for the provider, so that none need be named and secrets may be left out.
std::map<std::string, ProviderConfig> ReadProviders(Section& root, bool embedded);
}  // namespace files

}  // namespace muster
