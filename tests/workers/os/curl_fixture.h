// A CurlHttpClient and a server that a test writes the script of.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/os/raw_server.h"
#include "workers/os/curl_http_client.h"

namespace muster {

using PeerPtr = std::shared_ptr<Peer>;

// Answers every request with its own first line.
inline Task<void> Echo(RawServer& server, PeerPtr peer, int) {
  while (true) {
    const std::string request = co_await peer->ReadRequest();
    if (request.empty()) co_return;
    server.requests.push_back(request);
    const std::string first = request.substr(0, request.find("\r\n"));
    co_await peer->Write(Answer(200, first, "X-Test: Yes\r\n"));
  }
}

class CurlHttpClientTest : public testing::Test {
 protected:
  ~CurlHttpClientTest() override { rt_.DestroyTasks(); }

  RawServer& Serve(RawServer::Script script) {
    server_ = std::make_unique<RawServer>(rt_, std::move(script));
    return *server_;
  }
  HttpRequest Request(std::string method, std::string path,
                      absl::Duration patience = absl::Seconds(20)) {
    return {.method = std::move(method),
            .url = server_->origin() + path,
            .deadline = rt_.Now() + patience};
  }
  StatusOr<HttpResponse> Send(HttpRequest request) {
    return rt_.BlockOn(http_->Send(std::move(request)));
  }

  OsRuntime rt_{{.seed = 1}};
  std::unique_ptr<RawServer> server_;
  std::unique_ptr<CurlHttpClient> http_ = std::make_unique<CurlHttpClient>(rt_);
};

}  // namespace muster
