// SimHttpClient keeps HttpClient's contract under virtual time.
#include "workers/runtime/sim_http_client.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

// Answers what it is told, and counts.
class FixedServer final : public SimServer {
 public:
  SimReply Handle(const HttpRequest& request, absl::Time) override {
    ++calls;
    last_url = request.url;
    if (request.url == "http://sim/moved") {
      SimReply moved;
      moved.response = {.status = 302, .headers = {{"location", to}}};
      return moved;
    }
    return reply;
  }
  void SetOrigin(std::string) override {}

  SimReply reply{.response = {.status = 200, .body = "hello"}};
  std::string to = "/there";
  std::string last_url;
  int calls = 0;
};

class SimHttp : public testing::Test {
 protected:
  StatusOr<HttpResponse> Get(HttpRequest request) {
    if (request.method.empty()) request.method = "GET";
    request.deadline = rt.Now() + absl::Seconds(10);
    start = rt.Now();
    return rt.Run(Finish(std::move(request)));
  }
  Task<StatusOr<HttpResponse>> Finish(HttpRequest request) {
    StatusOr<HttpResponse> response = co_await http.Send(std::move(request));
    took = rt.Now() - start;
    co_return response;
  }

  VirtualRuntime rt{1};
  FixedServer server;
  SimHttpClient http{rt, server};
  absl::Time start;
  absl::Duration took;
};

TEST_F(SimHttp, GivesTheAnswerAfterLatencyAndDelay) {
  server.reply.delay = absl::Seconds(3);
  http.SetLatency(absl::Seconds(1));
  const auto response = Get({.url = "http://sim/x"});
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(took, absl::Seconds(4));
}

TEST_F(SimHttp, AnAnswerAtTheDeadlineIsTooLate) {
  http.SetLatency(absl::ZeroDuration());
  server.reply.delay = absl::Seconds(10);
  EXPECT_THAT(Get({.url = "http://sim/x"}), StatusIs(StatusCode::kDeadlineExceeded));
  server.reply.delay = absl::Seconds(10) - absl::Nanoseconds(1);
  EXPECT_THAT(Get({.url = "http://sim/x"}), IsOk());
}

TEST_F(SimHttp, AHangEndsAtTheDeadlineAndTheServerHasActed) {
  server.reply.cut = SimReply::Cut::kHang;
  EXPECT_THAT(Get({.url = "http://sim/x"}), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_EQ(took, absl::Seconds(10));
  EXPECT_EQ(server.calls, 1);
}

TEST_F(SimHttp, NothingIsSentAfterTheDeadline) {
  HttpRequest late{.method = "GET", .url = "http://sim/x", .deadline = rt.Now()};
  EXPECT_THAT(rt.Run(Finish(late)), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_EQ(server.calls, 0);
}

TEST_F(SimHttp, CutsAreUnknown) {
  server.reply.cut = SimReply::Cut::kResetBeforeAnswer;
  EXPECT_THAT(Get({.url = "http://sim/x"}), StatusIs(StatusCode::kUnknown));
  server.reply.cut = SimReply::Cut::kTruncate;
  EXPECT_THAT(Get({.url = "http://sim/x"}), StatusIs(StatusCode::kUnknown));
}

TEST_F(SimHttp, ABodyAtTheCapPassesAndOneByteMoreDoesNot) {
  EXPECT_THAT(Get({.url = "http://sim/x", .body_bytes_max = 5}), IsOk());
  EXPECT_THAT(Get({.url = "http://sim/x", .body_bytes_max = 4}),
              StatusIs(StatusCode::kResourceExhausted));
}

TEST_F(SimHttp, NothingIsSentWhileDownOrToARelativeUrl) {
  EXPECT_THAT(Get({.url = "/x"}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Get({.url = "http:///x"}), StatusIs(StatusCode::kInvalidArgument));
  http.SetDown(true);
  EXPECT_THAT(Get({.url = "http://sim/x"}), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(server.calls, 0);
}

TEST_F(SimHttp, FollowsRedirectsOfReadsToTheSameOriginOnly) {
  EXPECT_EQ(Get({.url = "http://sim/moved"})->status, 302);
  EXPECT_EQ(Get({.url = "http://sim/moved", .redirects_max = 1})->body, "hello");
  EXPECT_EQ(server.last_url, "http://sim/there");
  server.to = "http://sim/elsewhere";
  EXPECT_EQ(Get({.url = "http://sim/moved", .redirects_max = 1})->body, "hello");
  server.to = "http://other/there";
  EXPECT_EQ(Get({.url = "http://sim/moved", .redirects_max = 1})->status, 302);
  server.to = "//other/there";
  EXPECT_EQ(Get({.url = "http://sim/moved", .redirects_max = 1})->status, 302);
  server.to = "/there";
  EXPECT_EQ(Get({.method = "PUT", .url = "http://sim/moved", .redirects_max = 1})->status, 302);
}

TEST_F(SimHttp, ARedirectLoopEnds) {
  server.to = "/moved";
  EXPECT_EQ(Get({.url = "http://sim/moved", .redirects_max = 3})->status, 302);
  EXPECT_EQ(server.calls, 4);
}

}  // namespace
}  // namespace muster
