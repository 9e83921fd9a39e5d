// CurlHttpClient: the HttpClient of the daemon: libcurl on the reactor.
//
//   CurlHttpClient http(rt);
//   const StatusOr<HttpResponse> response = co_await http.Send(std::move(request));
//
// Reactor thread. Must not outlive the OsRuntime; may go before the tasks that wait in Send, which
// then get an error. HTTP/2 where TLS offers it, HTTP/1.1 else; connections are kept and shared by
// all callers; answers are decompressed. Certificates are always verified, TLS 1.2 at least.
// What the environment says about proxies, and .netrc, is ignored: where the daemon connects is
// settled by its configuration alone.
#pragma once

#include <memory>
#include <string>

#include "workers/os/os_runtime.h"
#include "workers/ports/http.h"

namespace muster {

struct CurlOptions {
  std::string ca_file;                // PEM file of trusted roots instead of the system's
  std::string user_agent = "muster";  // unless the request names one
  // To connect, TLS included. Of real time, however fast the runtime's clock is.
  absl::Duration connect_timeout = absl::Seconds(20);
  // An idle connection older than this is not used again: the other side is about to close it, and
  // a request that meets the close has an unclear end.
  absl::Duration idle_max = absl::Seconds(30);
};

class CurlHttpClient final : public HttpClient {
 public:
  explicit CurlHttpClient(OsRuntime& rt, CurlOptions options = {});
  ~CurlHttpClient() override;

  // As the port says. Further:
  //
  // - A request other than GET and HEAD leaves at most once: when a kept connection turns out dead
  //   after that, the answer is kUnknown. GET and HEAD may be sent again on a fresh connection.
  // - kUnavailable also when the deadline came before anything was sent.
  // - kInvalidArgument also for a URL with a user or password in it, and for a method or a header
  //   that cannot be written down (line breaks).
  // - A redirect that is not followed is the answer.
  Task<StatusOr<HttpResponse>> Send(HttpRequest request) override;

  std::size_t in_flight() const;

 private:
  class Shared;
  class Transfer;
  static Task<StatusOr<HttpResponse>> Exchange(std::shared_ptr<Shared> shared, HttpRequest request);
  static Task<StatusOr<HttpResponse>> Once(std::shared_ptr<Shared> shared,
                                           const HttpRequest* request);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace muster
