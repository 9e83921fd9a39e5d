// ObservedHttpClient: passes every exchange on and tells an observer how it went, for metrics.
//
// Reactor thread. The inner client and the observer's targets must outlive the tasks that wait.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/runtime.h"
#include "workers/ports/http.h"

namespace muster {

struct HttpObservation {
  ProviderName provider;
  std::string route;    // "DELETE instances/{id}": few different ones
  std::string outcome;  // "2xx" ... "5xx", or how it failed: "unavailable", "deadline", "cut",
                        // "too_large", "invalid"
  absl::Duration latency;
};
using HttpObserver = std::function<void(const HttpObservation&)>;

// The route of a request that does not name its own: the method and the path of the URL, where
// each segment with a digit in it (versions such as "v0" apart) reads "{id}". No host, no query.
std::string RouteOf(const HttpRequest& request);
std::string OutcomeOf(const StatusOr<HttpResponse>& response);

class ObservedHttpClient final : public HttpClient {
 public:
  ObservedHttpClient(HttpClient& inner, Runtime& rt, ProviderName provider, HttpObserver observer);
  Task<StatusOr<HttpResponse>> Send(HttpRequest request) override;

  int in_flight() const { return *in_flight_; }

 private:
  HttpClient& inner_;
  Runtime& rt_;
  const ProviderName provider_;
  const HttpObserver observer_;
  const std::shared_ptr<int> in_flight_ = std::make_shared<int>(0);
};

}  // namespace muster
