#include <stdlib.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "tests/support/pch.h"
#include "tests/workers/os/curl_fixture.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
// Reads and never answers.
Task<void> Hang(RawServer& server, PeerPtr peer, int) {
  while (true) {
    const std::string request = co_await peer->ReadRequest();
    if (request.empty()) co_return;
    server.requests.push_back(request);
  }
}

// Serves one request a connection, then resets it as soon as the next one has come in.
Task<void> ResetTheSecond(RawServer& server, PeerPtr peer, int) {
  const std::string first = co_await peer->ReadRequest();
  if (first.empty()) co_return;
  server.requests.push_back(first);
  co_await peer->Write(Answer(200, "first"));
  const std::string second = co_await peer->ReadRequest();
  if (second.empty()) co_return;
  server.requests.push_back(second);
  peer->Reset();
}

RawServer::Script Reply(std::string bytes, bool close) {
  // A plain function makes the coroutine: nothing is captured in its frame.
  return [bytes, close](RawServer& server, PeerPtr peer, int) {
    return [](RawServer* s, PeerPtr p, std::string text, bool end) -> Task<void> {
      while (true) {
        const std::string request = co_await p->ReadRequest();
        if (request.empty()) co_return;
        s->requests.push_back(request);
        co_await p->Write(text);
        if (!end) continue;
        p->Close();
        ++s->closed;
        co_return;
      }
    }(&server, std::move(peer), bytes, close);
  };
}

TEST_F(CurlHttpClientTest, GetsAnAnswerWithStatusHeadersAndBody) {
  RawServer& server = Serve(Echo);
  HttpRequest request = Request("GET", "/a/../b?q=1");
  request.headers = {{"Authorization", "Bearer x"}, {"X-Empty", ""}};
  const StatusOr<HttpResponse> response = Send(request);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(FindHeader(response->headers, "x-test"), "Yes");
  EXPECT_EQ(response->body, "GET /a/../b?q=1 HTTP/1.1");
  EXPECT_THAT(server.requests[0], HasSubstr("Authorization: Bearer x\r\n"));
  EXPECT_THAT(server.requests[0], HasSubstr("X-Empty:\r\n"));
  EXPECT_THAT(server.requests[0], HasSubstr("User-Agent: muster\r\n"));
}

TEST_F(CurlHttpClientTest, SendsBodiesAndMethodsAsTheyAre) {
  RawServer& server = Serve(Echo);
  for (const char* method : {"PUT", "POST", "DELETE"}) {
    HttpRequest request = Request(method, "/x");
    request.body = "{\"a\":1}";
    request.headers = {{"Content-Type", "application/json"}};
    EXPECT_THAT(Send(request), IsOk()) << method;
    EXPECT_THAT(server.requests.back(), StartsWith(Cat(method, " /x HTTP/1.1\r\n")));
    EXPECT_THAT(server.requests.back(), testing::EndsWith("\r\n\r\n{\"a\":1}"));
    EXPECT_THAT(server.requests.back(), HasSubstr("Content-Type: application/json\r\n"));
    EXPECT_THAT(server.requests.back(), Not(HasSubstr("Expect:")));
  }
  EXPECT_THAT(Send(Request("DELETE", "/y")), IsOk());
  EXPECT_THAT(Send(Request("PUT", "/y")), IsOk());
  EXPECT_THAT(server.requests.back(), HasSubstr("Content-Length: 0\r\n"));
  EXPECT_THAT(server.requests.back(), Not(HasSubstr("Content-Type")));
}

TEST_F(CurlHttpClientTest, AnsweredErrorsAreAnswers) {
  for (const int status : {400, 401, 404, 429, 500, 503, 599}) {
    Serve(Reply(Answer(status, "no"), false));
    const StatusOr<HttpResponse> response = Send(Request("GET", "/"));
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(response->status, status);
  }
}

TEST_F(CurlHttpClientTest, HeadHasNoBodyAndInterimAnswersAreSkipped) {
  Serve(Reply("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n", false));
  HttpRequest head = Request("HEAD", "/");
  head.body_bytes_max = 10;
  EXPECT_THAT(Send(head), IsOk());
  Serve(Reply("HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + Answer(200, "ok", "A: b\r\n"), false));
  const StatusOr<HttpResponse> response = Send(Request("GET", "/"));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(FindHeader(response->headers, "link"), "");
  EXPECT_EQ(FindHeader(response->headers, "a"), "b");
}

TEST_F(CurlHttpClientTest, KeepsConnections) {
  RawServer& server = Serve(Echo);
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Send(Request("GET", "/")), IsOk());
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(CurlHttpClientTest, DecompressesAndForgetsTheEncoding) {
  // gzip of "hello hello hello"
  const std::string gzip(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x00"
      "\x80\x88\xf9\xe5\x11\x00\x00\x00",
      28);
  Serve(Reply(Answer(200, gzip, "Content-Encoding: gzip\r\n"), false));
  const StatusOr<HttpResponse> response = Send(Request("GET", "/"));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->body, "hello hello hello");
  EXPECT_EQ(FindHeader(response->headers, "content-encoding"), "");
  EXPECT_EQ(FindHeader(response->headers, "content-length"), "");
}

TEST_F(CurlHttpClientTest, AsksForNoCompressionOfAPart) {
  RawServer& server = Serve(Echo);
  HttpRequest request = Request("GET", "/");
  ASSERT_THAT(Send(request), IsOk());
  EXPECT_THAT(server.requests.back(), HasSubstr("Accept-Encoding: "));
  request.headers = {{"Range", "bytes=-100"}};
  ASSERT_THAT(Send(request), IsOk());
  EXPECT_THAT(server.requests.back(), Not(HasSubstr("Accept-Encoding: ")));
}

TEST_F(CurlHttpClientTest, NothingListeningIsUnavailable) {
  Serve(Echo).StopListening();
  EXPECT_THAT(Send(Request("PUT", "/")), StatusIs(StatusCode::kUnavailable));
}

TEST_F(CurlHttpClientTest, AnUnknownNameIsUnavailable) {
  const HttpRequest request{.method = "PUT",
                            .url = "http://no-such-host.invalid/",
                            .deadline = rt_.Now() + absl::Seconds(20)};
  EXPECT_THAT(Send(request), StatusIs(StatusCode::kUnavailable));
}

TEST_F(CurlHttpClientTest, AResetBeforeTheAnswerIsUnknown) {
  RawServer& server = Serve([](RawServer& s, PeerPtr p, int) -> Task<void> {
    return [](RawServer* server, PeerPtr peer) -> Task<void> {
      server->requests.push_back(co_await peer->ReadRequest());
      peer->Reset();
    }(&s, std::move(p));
  });
  EXPECT_THAT(Send(Request("PUT", "/")), StatusIs(StatusCode::kUnknown));
  EXPECT_EQ(server.requests.size(), 1u);
}

TEST_F(CurlHttpClientTest, ACloseBeforeTheAnswerIsUnknown) {
  Serve(Reply("", true));
  EXPECT_THAT(Send(Request("PUT", "/")), StatusIs(StatusCode::kUnknown));
}

TEST_F(CurlHttpClientTest, ATruncatedAnswerIsUnknownNeverShort) {
  Serve(Reply("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true));
  EXPECT_THAT(Send(Request("GET", "/")), StatusIs(StatusCode::kUnknown));
  Serve(Reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", true));
  EXPECT_THAT(Send(Request("GET", "/")), StatusIs(StatusCode::kUnknown));
  Serve(Reply("HTTP/1.1 200 OK\r\nContent-Le", true));
  EXPECT_THAT(Send(Request("GET", "/")), StatusIs(StatusCode::kUnknown));
}

TEST_F(CurlHttpClientTest, NonsenseIsUnknown) {
  for (const char* text :
       {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", "\r\n\r\n"}) {
    Serve(Reply(text, true));
    EXPECT_THAT(Send(Request("PUT", "/")), StatusIs(StatusCode::kUnknown)) << text;
  }
}

TEST_F(CurlHttpClientTest, ASilentServerIsCutOffAtTheDeadline) {
  Serve(Hang);
  const absl::Time start = rt_.Now();
  EXPECT_THAT(Send(Request("PUT", "/", absl::Milliseconds(80))),
              StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_GE(rt_.Now() - start, absl::Milliseconds(80));
  EXPECT_EQ(http_->in_flight(), 0u);
}

TEST_F(CurlHttpClientTest, ASlowTrickleDoesNotProlongTheDeadline) {
  Serve([](RawServer& s, PeerPtr p, int) -> Task<void> {
    return [](OsRuntime* rt, PeerPtr peer) -> Task<void> {
      const std::string request = co_await peer->ReadRequest();
      co_await peer->Write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
      while (true) {
        co_await peer->Write("x");
        co_await rt->SleepFor(absl::Milliseconds(5));
      }
    }(&s.rt(), std::move(p));
  });
  EXPECT_THAT(Send(Request("GET", "/", absl::Milliseconds(100))),
              StatusIs(StatusCode::kDeadlineExceeded));
}

TEST_F(CurlHttpClientTest, AConnectionThatNeverStandsIsUnavailableAtTheDeadline) {
  // TLS towards a server that never speaks: connected, but nothing of the request has left.
  Serve(Hang);
  HttpRequest request = Request("PUT", "/", absl::Milliseconds(80));
  request.url = "https" + request.url.substr(4);
  EXPECT_THAT(Send(request), StatusIs(StatusCode::kUnavailable));
}

TEST_F(CurlHttpClientTest, APassedDeadlineSendsNothing) {
  RawServer& server = Serve(Echo);
  EXPECT_THAT(Send(Request("PUT", "/", absl::ZeroDuration())), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(CurlHttpClientTest, TheBodyCapIsExact) {
  Serve(Reply(Answer(200, std::string(100'000, 'x')), false));
  HttpRequest request = Request("GET", "/");
  request.body_bytes_max = 100'000;
  EXPECT_THAT(Send(request), IsOk());
  request.body_bytes_max = 99'999;
  EXPECT_THAT(Send(request), StatusIs(StatusCode::kResourceExhausted));
}

TEST_F(CurlHttpClientTest, EndlessHeadersAreCutOff) {
  std::string head = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 300; ++i) head += Cat("X-", i, ": ", std::string(1000, 'h'), "\r\n");
  Serve(Reply(head + "\r\n", true));
  EXPECT_THAT(Send(Request("GET", "/")), StatusIs(StatusCode::kResourceExhausted));
}

// The rule that no write leaves twice: the server kept the connection, read the second request,
// perhaps acted, and died.
TEST_F(CurlHttpClientTest, NeverResendsAWriteOnADeadConnection) {
  for (const char* method : {"PUT", "POST", "DELETE"}) {
    RawServer& server = Serve(ResetTheSecond);
    ASSERT_THAT(Send(Request("GET", "/")), IsOk());
    HttpRequest request = Request(method, "/");
    request.body = "once";
    EXPECT_THAT(Send(request), StatusIs(StatusCode::kUnknown)) << method;
    rt_.RunFor(absl::Milliseconds(5));
    EXPECT_EQ(server.requests.size(), 2u) << method;
  }
}

TEST_F(CurlHttpClientTest, AReadMayBeSentAgainOnAFreshConnection) {
  RawServer& server = Serve(ResetTheSecond);
  ASSERT_THAT(Send(Request("GET", "/")), IsOk());
  EXPECT_THAT(Send(Request("GET", "/again")), IsOk());
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(CurlHttpClientTest, AKeptConnectionThatTheServerClosedIsReplacedEvenForAWrite) {
  RawServer& server = Serve(Reply(Answer(200, "ok"), true));
  ASSERT_THAT(Send(Request("GET", "/")), IsOk());
  while (server.closed == 0) rt_.RunFor(absl::Milliseconds(1));
  EXPECT_THAT(Send(Request("PUT", "/")), IsOk());
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(server.requests.size(), 2u);
}

Task<void> Collect(CurlHttpClient& http, HttpRequest request, std::vector<StatusCode>* codes) {
  const StatusOr<HttpResponse> response = co_await http.Send(std::move(request));
  codes->push_back(response.status().code());
}

TEST_F(CurlHttpClientTest, MayGoWhileTransfersAreInFlight) {
  Serve(Hang);
  std::vector<StatusCode> codes;
  for (int i = 0; i < 3; ++i) {
    rt_.Spawn("send", Collect(*http_, Request("PUT", "/"), &codes));
  }
  while (server_->requests.size() < 3) rt_.RunFor(absl::Milliseconds(1));
  http_.reset();
  rt_.RunFor(absl::Milliseconds(1));
  EXPECT_THAT(codes, ElementsAre(StatusCode::kUnknown, StatusCode::kUnknown, StatusCode::kUnknown));
}

TEST_F(CurlHttpClientTest, ItsTasksMayBeDestroyedInFlight) {
  Serve(Hang);
  std::vector<StatusCode> codes;
  for (int i = 0; i < 3; ++i) {
    rt_.Spawn("send", Collect(*http_, Request("PUT", "/"), &codes));
  }
  while (server_->requests.size() < 3) rt_.RunFor(absl::Milliseconds(1));
  rt_.DestroyTasks();
  EXPECT_EQ(http_->in_flight(), 0u);
  EXPECT_TRUE(codes.empty());
}

TEST_F(CurlHttpClientTest, ManyHungTransfersDoNotDelayOthers) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const int hung = files.rlim_cur >= 1100 ? 500 : 100;
  Serve(Hang);
  std::vector<StatusCode> codes;
  for (int i = 0; i < hung; ++i) {
    rt_.Spawn("send", Collect(*http_, Request("GET", "/", absl::Hours(1)), &codes));
  }
  while (static_cast<int>(server_->requests.size()) < hung) rt_.RunFor(absl::Milliseconds(1));
  RawServer other(rt_, Echo);
  HttpRequest request = Request("GET", "/");
  request.url = other.origin();
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Send(request), IsOk());
  EXPECT_EQ(other.connections(), 1);
  EXPECT_EQ(http_->in_flight(), static_cast<std::size_t>(hung));
}

TEST_F(CurlHttpClientTest, ABurstTowardsANameSharesItsLookup) {
  Serve(Echo);
  HttpRequest request = Request("GET", "/");
  request.url.replace(request.url.find("127.0.0.1"), 9, "localhost");
  std::vector<StatusCode> codes;
  for (int i = 0; i < 50; ++i) rt_.Spawn("send", Collect(*http_, request, &codes));
  while (codes.size() < 50) rt_.RunFor(absl::Milliseconds(1));
  EXPECT_THAT(codes, testing::Each(StatusCode::kOk));
  codes.clear();
  request.url = "http://no-such-host.invalid/";
  for (int i = 0; i < 50; ++i) rt_.Spawn("send", Collect(*http_, request, &codes));
  while (codes.size() < 50) rt_.RunFor(absl::Milliseconds(1));
  EXPECT_THAT(codes, testing::Each(StatusCode::kUnavailable));
}

TEST(CurlHttpClientClock, TheDeadlineIsOfTheRuntimesTime) {
  OsRuntime rt({.speed = 1000, .seed = 1});
  RawServer server(rt, Hang);
  CurlHttpClient http(rt);
  const absl::Time start = absl::Now();
  const HttpRequest request{
      .method = "GET", .url = server.origin(), .deadline = rt.Now() + absl::Seconds(60)};
  EXPECT_THAT(rt.BlockOn(http.Send(request)), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
}

}  // namespace
}  // namespace muster
