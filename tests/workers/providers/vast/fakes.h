// Fakes with behaviour for the adapter's tests: a scripted far side, and a limiter that lets all
// pass and takes notes.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/base/runtime.h"
#include "workers/ports/http.h"
#include "workers/ports/rate_limiter.h"

namespace muster {

// Answers each request with the next reply of the first route whose "METHOD part-of-url" fits; the
// last reply of a route is repeated. An unknown route answers 404 with a page, as a gateway would.
class ScriptedHttp final : public HttpClient {
 public:
  struct Reply {
    StatusOr<HttpResponse> result = HttpResponse{200, {}, "{}"};
    absl::Duration delay;
  };
  static Reply Json(int status, std::string body) {
    return {HttpResponse{status, {{"Content-Type", "application/json"}}, std::move(body)}, {}};
  }
  static Reply Page(int status, std::string body) {
    return {HttpResponse{status, {{"Content-Type", "text/html"}}, std::move(body)}, {}};
  }
  static Reply Cut(Status status) { return {StatusOr<HttpResponse>(std::move(status)), {}}; }

  explicit ScriptedHttp(Runtime& rt) : rt_(rt) {}

  void On(std::string method, std::string url_part, std::vector<Reply> replies) {
    routes_.push_back({std::move(method), std::move(url_part),
                       std::deque<Reply>(replies.begin(), replies.end())});
  }
  Task<StatusOr<HttpResponse>> Send(HttpRequest request) override {
    requests.push_back(request);
    Reply reply = Page(404, "<html>no such page</html>");
    for (Route& route : routes_) {
      if (route.method != request.method || request.url.find(route.url_part) == std::string::npos) {
        continue;
      }
      reply = route.replies.front();
      if (route.replies.size() > 1) route.replies.pop_front();
      break;
    }
    const absl::Time answered = rt_.Now() + reply.delay;
    if (answered > request.deadline) {
      co_await rt_.SleepUntil(request.deadline);
      co_return DeadlineExceeded("no whole answer in time");
    }
    co_await rt_.SleepUntil(answered);
    co_return reply.result;
  }

  std::vector<HttpRequest> requests;

 private:
  struct Route {
    std::string method;
    std::string url_part;
    std::deque<Reply> replies;
  };
  Runtime& rt_;
  std::vector<Route> routes_;
};

class OpenLimiter final : public RateLimiter {
 public:
  Task<Status> Acquire(std::string endpoint, CallPriority priority, absl::Time deadline) override {
    calls.emplace_back(std::move(endpoint), priority);
    slots_by.push_back(deadline);
    co_return next;
  }
  void Throttled(std::string_view endpoint, absl::Duration wait) override {
    throttled.emplace_back(endpoint, wait);
  }
  void Passed(std::string_view endpoint) override { passed.emplace_back(endpoint); }
  std::map<std::string, Budget> Budgets() const override { return {}; }

  Status next;  // what Acquire answers
  std::vector<std::pair<std::string, CallPriority>> calls;
  std::vector<absl::Time> slots_by;
  std::vector<std::pair<std::string, absl::Duration>> throttled;
  std::vector<std::string> passed;
};

}  // namespace muster
