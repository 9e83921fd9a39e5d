#include "workers/runtime/sim_http_client.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"

namespace muster {

namespace {

// "http://host:1" of an absolute http(s) URL; nullopt for anything else.
std::optional<std::string> OriginOf(std::string_view url) {
  const bool http = absl::StartsWithIgnoreCase(ToAbsl(url), "http://");
  const bool https = absl::StartsWithIgnoreCase(ToAbsl(url), "https://");
  if (!http && !https) return std::nullopt;
  const std::size_t host = http ? 7 : 8;
  const std::size_t end = std::min(url.find_first_of("/?#", host), url.size());
  if (end == host) return std::nullopt;
  return std::string(url.substr(0, end));
}

// Where a redirect of `request` may be followed to; nullopt = hand the answer to the caller.
std::optional<std::string> FollowTo(const HttpRequest& request, const HttpResponse& response) {
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  if (response.status < 301 || response.status > 308 || response.status == 304) {
    return std::nullopt;
  }
  const std::string_view location = FindHeader(response.headers, "Location");
  const std::string origin = *OriginOf(request.url);
  if (absl::StartsWith(ToAbsl(location), "/") && !absl::StartsWith(ToAbsl(location), "//")) {
    return Cat(origin, location);
  }
  if (OriginOf(location) != origin) return std::nullopt;
  return std::string(location);
}

}  // namespace

Task<StatusOr<HttpResponse>> SimHttpClient::Exchange(HttpRequest request) {
  const absl::Time deadline = request.deadline;
  if (down_) {
    co_await rt_.SleepUntil(std::min(deadline, rt_.Now() + latency_));
    co_return Unavailable("connection refused");
  }
  const absl::Time sent = rt_.Now();
  if (sent >= deadline) co_return DeadlineExceeded("the deadline passed before sending");
  SimReply reply = server_.Handle(request, sent);
  const absl::Time arrives = sent + latency_ + std::max(reply.delay, absl::ZeroDuration());
  if (reply.cut == SimReply::Cut::kHang || arrives >= deadline) {
    co_await rt_.SleepUntil(deadline);
    co_return DeadlineExceeded("no whole answer in time");
  }
  co_await rt_.SleepUntil(arrives);
  if (reply.cut == SimReply::Cut::kResetBeforeAnswer) {
    co_return Unknown("connection reset before the answer");
  }
  if (reply.cut == SimReply::Cut::kTruncate) co_return Unknown("connection reset in the answer");
  if (reply.response.body.size() > request.body_bytes_max) {
    co_return ResourceExhausted(Cat("the answer exceeds ", request.body_bytes_max, " bytes"));
  }
  co_return std::move(reply.response);
}

Task<StatusOr<HttpResponse>> SimHttpClient::Send(HttpRequest request) {
  if (!OriginOf(request.url).has_value()) {
    co_return InvalidArgument(Cat("not an absolute http(s) URL: ", request.url));
  }
  for (int followed = 0;; ++followed) {
    StatusOr<HttpResponse> response = co_await Exchange(request);
    if (!response.ok()) co_return response;
    const std::optional<std::string> next = FollowTo(request, *response);
    if (!next.has_value() || followed >= request.redirects_max) co_return response;
    request.url = *next;
  }
}

}  // namespace muster
