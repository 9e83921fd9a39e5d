// Whom the client talks to: redirects, what must not be sent at all, proxies, certificates.
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "tests/support/pch.h"
#include "tests/workers/os/curl_fixture.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Task<void> RedirectOnce(RawServer& server, PeerPtr peer, std::string location) {
  while (true) {
    const std::string request = co_await peer->ReadRequest();
    if (request.empty()) co_return;
    server.requests.push_back(request.substr(0, request.find(" HTTP")));
    const bool last = request.find("/end") != std::string::npos;
    const std::string answer =
        last ? Answer(200, "end") : Answer(302, "", Cat("Location: ", location, "\r\n"));
    co_await peer->Write(answer);
  }
}

RawServer::Script Redirect(std::string location) {
  return
      [location](RawServer& s, PeerPtr p, int) { return RedirectOnce(s, std::move(p), location); };
}

TEST_F(CurlHttpClientTest, FollowsRedirectsToTheSameOriginForReadsOnly) {
  RawServer& server = Serve(Redirect("/end?x=1"));
  HttpRequest request = Request("GET", "/start");
  request.redirects_max = 1;
  StatusOr<HttpResponse> response = Send(request);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->body, "end");
  EXPECT_THAT(server.requests, ElementsAre("GET /start", "GET /end?x=1"));
  request.redirects_max = 0;
  response = Send(request);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 302);
  request.redirects_max = 5;
  for (const char* method : {"PUT", "POST", "DELETE"}) {
    request.method = method;
    response = Send(request);
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(response->status, 302) << method;
  }
}

TEST_F(CurlHttpClientTest, DoesNotFollowARedirectElsewhere) {
  RawServer other(rt_, Echo);
  for (const std::string& location :
       {other.origin() + "/end", std::string("https://127.0.0.1/end"),
        std::string("file:///etc/passwd"), std::string("//localhost/end"), std::string("")}) {
    RawServer& server = Serve(Redirect(location));
    HttpRequest request = Request("GET", "/start");
    request.headers = {{"Authorization", "Bearer x"}};
    request.redirects_max = 5;
    const StatusOr<HttpResponse> response = Send(request);
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(response->status, 302) << location;
    EXPECT_EQ(server.requests.size(), 1u);
  }
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(CurlHttpClientTest, ARedirectLoopEnds) {
  RawServer& server = Serve(Redirect("/start"));
  HttpRequest request = Request("GET", "/start");
  request.redirects_max = 3;
  const StatusOr<HttpResponse> response = Send(request);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(server.requests.size(), 4u);
}

TEST_F(CurlHttpClientTest, RefusesWhatMustNotBeSent) {
  RawServer& server = Serve(Echo);
  const HttpRequest good = Request("GET", "/");
  std::vector<HttpRequest> bad(9, good);
  bad[0].url = "ftp://127.0.0.1/";
  bad[1].url = "/relative";
  bad[2].url = "file:///etc/passwd";
  bad[3].url = "http://user:password@127.0.0.1/";
  bad[4].url = "";
  bad[5].method = "GET /x HTTP/1.1\r\nX: y";
  bad[6].headers = {{"X", "a\r\nInjected: b"}};
  bad[7].headers = {{"X: y\r\nZ", "a"}};
  bad[8].url = "http://127.0.0.1/" + std::string(100'000, 'x');
  for (const HttpRequest& request : bad) {
    EXPECT_THAT(Send(request), StatusIs(StatusCode::kInvalidArgument, Not(HasSubstr("password@"))))
        << request.url.substr(0, 80);
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(CurlHttpClientTest, IgnoresProxiesFromTheEnvironment) {
  Serve(Echo);
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("all_proxy", "http://127.0.0.1:1", 1);
  EXPECT_THAT(Send(Request("GET", "/")), IsOk());
  unsetenv("http_proxy");
  unsetenv("all_proxy");
}

class CurlTlsTest : public CurlHttpClientTest {
 protected:
  CurlTlsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    std::ofstream(folder_ / "ca.pem") << certificate_.certificate;
    server_ = std::make_unique<RawServer>(rt_, Echo, &certificate_);
  }
  ~CurlTlsTest() override { std::filesystem::remove_all(folder_); }

  const TestCertificate certificate_ = MakeTestCertificate();
  std::filesystem::path folder_;
};

TEST_F(CurlTlsTest, AnUntrustedCertificateIsUnavailableAndNothingIsSent) {
  EXPECT_THAT(Send(Request("PUT", "/")),
              StatusIs(StatusCode::kUnavailable, HasSubstr("certificate")));
  EXPECT_TRUE(server_->requests.empty());
}

TEST_F(CurlTlsTest, ACertificateOfTheGivenAuthorityIsTrusted) {
  http_ =
      std::make_unique<CurlHttpClient>(rt_, CurlOptions{.ca_file = (folder_ / "ca.pem").string()});
  EXPECT_THAT(Send(Request("PUT", "/")), IsOk());
  EXPECT_THAT(Send(Request("PUT", "/")), IsOk());
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(CurlTlsTest, OffersHttp2) {
  http_ =
      std::make_unique<CurlHttpClient>(rt_, CurlOptions{.ca_file = (folder_ / "ca.pem").string()});
  EXPECT_THAT(Send(Request("GET", "/")), IsOk());
  EXPECT_THAT(server_->offered_protocols, testing::Contains("h2"));
}

TEST_F(CurlTlsTest, ACertificateForAnotherNameIsUnavailable) {
  http_ =
      std::make_unique<CurlHttpClient>(rt_, CurlOptions{.ca_file = (folder_ / "ca.pem").string()});
  HttpRequest request = Request("PUT", "/");
  request.url.replace(request.url.find("127.0.0.1"), 9, "localhost");
  EXPECT_THAT(Send(request), StatusIs(StatusCode::kUnavailable));
  EXPECT_TRUE(server_->requests.empty());
}

}  // namespace
}  // namespace muster
