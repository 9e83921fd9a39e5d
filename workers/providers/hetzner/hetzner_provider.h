// The adapter for Hetzner's dedicated servers: the ServerProvider port over the Robot web service.
//
// Translates and reports. It paces every call through the limiter it is given (limits.h), sends
// the login in the Authorization header only, masks secrets in everything that comes back, and
// lets no password out that an answer holds. A read whose connection broke is sent once more; what
// may have acted never is.
//
// Three refused logins close the service for the whole address. So a login that was refused is not
// used again until user or password changed, and one that was never accepted is tried by one call
// at a time. A refused order call asks for a list of keys first: where that is granted, the login
// is good and merely may not order. Reactor thread.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "workers/ports/http.h"
#include "workers/ports/rate_limiter.h"
#include "workers/ports/secrets.h"
#include "workers/ports/server_provider.h"

namespace muster {

class Runtime;

struct HetznerOptions {
  std::string base_url = "https://robot-ws.your-server.de";
  std::string user;  // of the web service, "#ws+abcd1234"; or a reference to it
  std::string password_ref = "env:HETZNER_ROBOT_PASSWORD";
  std::size_t answer_bytes_max = 16u << 20;
  // What must be left of a deadline for the call itself once the limiter lets it go.
  absl::Duration call_time_min = absl::Seconds(4);
  ProviderName name{"hetzner"};
};

// All references must outlive the ServerProvider, and that the calls made through it.
std::unique_ptr<ServerProvider> MakeHetznerProvider(HetznerOptions options, Runtime& rt,
                                                    HttpClient& http, RateLimiter& limiter,
                                                    Secrets& secrets);

}  // namespace muster
