// HttpClient: one HTTP exchange with the world, and what can be known when it ends badly.
//
// Reactor thread. The real one is workers/os/curl_http; simulations route to
// workers/runtime/sim_http_client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "eventstore/base/task.h"

namespace muster {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first header called `name` (any case), or "".
std::string_view FindHeader(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method;  // "GET"
  std::string url;     // absolute, http or https; never holds a secret
  HttpHeaders headers;
  std::string body;
  absl::Time deadline;                     // the exchange ends by then, answered or not
  std::size_t body_bytes_max = 16u << 20;  // of the answer
  int redirects_max = 0;                   // followed for GET and HEAD to the same origin only
  std::string route;  // "DELETE instances/{id}", for metrics; from the URL when empty
};

struct HttpResponse {
  int status = 0;  // 100...599
  HttpHeaders headers;
  std::string body;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;

  // Sends `request` once. Any HTTP status is OK here; the adapter judges it.
  //
  // kUnavailable        nothing was sent (name, connect, TLS): safe to try again
  // kDeadlineExceeded   no whole answer in time: the server may have acted; look before a retry
  // kUnknown            cut after sending: the server may have acted; look before a retry
  // kResourceExhausted  the answer exceeds body_bytes_max: as kUnknown
  // kInvalidArgument    the URL is not absolute http(s): nothing was sent, a fault of ours
  virtual Task<StatusOr<HttpResponse>> Send(HttpRequest request) = 0;
};

}  // namespace muster
