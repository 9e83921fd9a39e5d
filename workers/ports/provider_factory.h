// ProviderFactory: how the daemon makes a provider that it knows by name only.
//
// Every folder under workers/providers/ defines, in its own namespace (the folder's name),
//
//   MadeProvider MakeProvider(const ProviderSettings&, const ProviderPorts&);
//
// and providers.def names the folder. Nothing else has to be told about a new provider.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "workers/ports/http.h"
#include "workers/ports/provider.h"
#include "workers/ports/rate_limiter.h"
#include "workers/ports/secrets.h"
#include "workers/ports/server_provider.h"

namespace muster {

class Runtime;

struct ProviderSettings {
  std::string base_url;                        // "" = the provider's own
  std::string api_key_ref;                     // "env:NAME" or "file:PATH"
  std::string user;                            // for providers that want a name with the secret
  std::vector<std::string> log_hosts;          // empty = the provider's own
  std::map<std::string, absl::Duration> pace;  // endpoint -> least interval, over the adapter's
  std::size_t log_bytes_max = 1u << 20;
  std::size_t answer_bytes_max = 16u << 20;
};

struct ProviderPorts {
  Runtime& rt;
  HttpClient& http;
  Secrets& secrets;
};

// What a folder offers: machines by the second (`provider`), dedicated servers (`servers`), or
// both. They refer to the limiter: keep all, destroy the limiter last.
struct MadeProvider {
  std::unique_ptr<RateLimiter> limiter;
  std::unique_ptr<Provider> provider;
  std::unique_ptr<ServerProvider> servers;
};

}  // namespace muster
