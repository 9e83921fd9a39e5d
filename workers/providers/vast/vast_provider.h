// The adapter for Vast.ai: the Provider port over the wire of console.vast.ai.
//
// Translates and reports. It paces every call through the limiter it is given (see limits.h for the
// endpoints), sends the key in the Authorization header only, masks secrets in everything that
// comes back, and never repeats a call by itself: the one loop inside is the wait for a log object
// that the host uploads in its own time. Lists are complete or an error. Reactor thread.
#pragma once

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

struct VastOptions {
  std::string base_url = "https://console.vast.ai";
  std::string api_key_ref = "env:VAST_API_KEY";
  // Where log objects may be fetched from. "host", "host:port", "*.domain" (https, and http for a
  // loopback host, which without a port matches any port) or a whole origin, "http://host:port".
  std::vector<std::string> log_hosts = {"s3.amazonaws.com"};

  std::size_t log_bytes_max = 1u << 20;
  std::size_t answer_bytes_max = 16u << 20;
  absl::Duration log_first_wait = absl::Milliseconds(300);  // before the first look at the object
  absl::Duration log_wait_max = absl::Seconds(2);           // between looks, grown to by doubling
  // What must be left of a deadline for the call itself once the limiter lets it go.
  absl::Duration call_time_min = absl::Seconds(4);
  int pages_max = 2000;  // of one list: a next_token that never ends is an error, not a loop
  ProviderName name{"vast"};
};

// All references must outlive the Provider, and the Provider the calls made through it.
std::unique_ptr<Provider> MakeVastProvider(VastOptions options, Runtime& rt, HttpClient& http,
                                           RateLimiter& limiter, Secrets& secrets);

}  // namespace muster
