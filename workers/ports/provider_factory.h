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

namespace muster {

class Runtime;

struct ProviderSettings {
  std::string base_url;                        // "" = the provider's own
  std::string api_key_ref;                     // "env:NAME" or "file:PATH"
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

// The provider refers to the limiter: keep both, destroy the provider first.
struct MadeProvider {
  std::unique_ptr<RateLimiter> limiter;
  std::unique_ptr<Provider> provider;
};

}  // namespace muster
