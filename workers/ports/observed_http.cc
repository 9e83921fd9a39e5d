#include "workers/ports/observed_http.h"

#include <algorithm>
#include <utility>

namespace muster {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsVersion(std::string_view segment) {
  return segment.size() >= 2 && segment.size() <= 3 && segment.front() == 'v' &&
         std::all_of(segment.begin() + 1, segment.end(), IsDigit);
}

// Counts down when the frame of the waiting task goes, however it goes.
class Counted {
 public:
  explicit Counted(std::shared_ptr<int> count) : count_(std::move(count)) { ++*count_; }
  Counted(const Counted&) = delete;
  ~Counted() { --*count_; }

 private:
  const std::shared_ptr<int> count_;
};

}  // namespace

std::string RouteOf(const HttpRequest& request) {
  if (!request.route.empty()) return request.route;
  std::string_view rest = request.url;
  rest = rest.substr(0, rest.find_first_of("?#"));
  if (const std::size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    rest.remove_prefix(scheme + 3);
    rest.remove_prefix(std::min(rest.find('/'), rest.size()));
  }
  std::string route = request.method + " ";
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the slash
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    const bool id = !IsVersion(segment) && std::any_of(segment.begin(), segment.end(), IsDigit);
    route += '/';
    route += id ? "{id}" : segment;
  }
  return route;
}

std::string OutcomeOf(const StatusOr<HttpResponse>& response) {
  if (response.ok()) return Cat(response->status / 100, "xx");
  switch (response.status().code()) {
    case StatusCode::kUnavailable:
      return "unavailable";
    case StatusCode::kDeadlineExceeded:
      return "deadline";
    case StatusCode::kResourceExhausted:
      return "too_large";
    case StatusCode::kInvalidArgument:
      return "invalid";
    default:
      return "cut";
  }
}

ObservedHttpClient::ObservedHttpClient(HttpClient& inner, Runtime& rt, ProviderName provider,
                                       HttpObserver observer)
    : inner_(inner), rt_(rt), provider_(std::move(provider)), observer_(std::move(observer)) {}

Task<StatusOr<HttpResponse>> ObservedHttpClient::Send(HttpRequest request) {
  const Counted counted(in_flight_);
  HttpObservation seen{.provider = provider_, .route = RouteOf(request)};
  const absl::Time start = rt_.Now();
  StatusOr<HttpResponse> response = co_await inner_.Send(std::move(request));
  seen.outcome = OutcomeOf(response);
  seen.latency = std::max(rt_.Now() - start, absl::ZeroDuration());  // the clock may step back
  observer_(seen);
  co_return response;
}

}  // namespace muster
