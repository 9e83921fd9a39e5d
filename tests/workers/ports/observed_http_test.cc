#include "workers/ports/observed_http.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

TEST(RouteOf, ReplacesWhatNamesOneThing) {
  const auto route = [](std::string method, std::string url) {
    return RouteOf({.method = std::move(method), .url = std::move(url)});
  };
  EXPECT_EQ(route("GET", "https://host:1/api/v0/instances/"), "GET /api/v0/instances/");
  EXPECT_EQ(route("DELETE", "https://h/api/v0/instances/1234/?api=k#f"),
            "DELETE /api/v0/instances/{id}/");
  EXPECT_EQ(route("GET", "https://h/logs/C.77-a.log"), "GET /logs/{id}");
  EXPECT_EQ(route("GET", "https://h"), "GET ");
  EXPECT_EQ(route("GET", "https://h?x=/1"), "GET ");
  EXPECT_EQ(RouteOf({.method = "GET", .url = "https://h/1", .route = "GET x"}), "GET x");
}

TEST(OutcomeOf, NamesStatusClassesAndFailures) {
  EXPECT_EQ(OutcomeOf(HttpResponse{.status = 204}), "2xx");
  EXPECT_EQ(OutcomeOf(HttpResponse{.status = 599}), "5xx");
  EXPECT_EQ(OutcomeOf(Unavailable("")), "unavailable");
  EXPECT_EQ(OutcomeOf(DeadlineExceeded("")), "deadline");
  EXPECT_EQ(OutcomeOf(Unknown("")), "cut");
  EXPECT_EQ(OutcomeOf(ResourceExhausted("")), "too_large");
  EXPECT_EQ(OutcomeOf(InvalidArgument("")), "invalid");
}

// Answers 200 after two seconds.
class SlowClient final : public HttpClient {
 public:
  explicit SlowClient(Runtime& rt) : rt_(rt) {}
  Task<StatusOr<HttpResponse>> Send(HttpRequest request) override {
    co_await rt_.SleepFor(absl::Seconds(2));
    co_return HttpResponse{.status = 200, .body = request.url};
  }

 private:
  Runtime& rt_;
};

TEST(ObservedHttpClient, PassesTheAnswerOnAndReportsIt) {
  VirtualRuntime rt(1);
  SlowClient slow(rt);
  std::vector<HttpObservation> seen;
  ObservedHttpClient http(slow, rt, ProviderName("vast"),
                          [&](const HttpObservation& o) { seen.push_back(o); });
  const auto response = rt.Run(http.Send({.method = "GET", .url = "https://h/a/1"}));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->body, "https://h/a/1");
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].provider, ProviderName("vast"));
  EXPECT_EQ(seen[0].route, "GET /a/{id}");
  EXPECT_EQ(seen[0].outcome, "2xx");
  EXPECT_EQ(seen[0].latency, absl::Seconds(2));
  EXPECT_EQ(http.in_flight(), 0);
}

}  // namespace
}  // namespace muster
