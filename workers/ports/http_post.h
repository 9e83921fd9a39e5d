// SendPost: one POST to a place of the operator's own choosing, such as a webhook, with what is the
// same for all of them: secrets by reference, a deadline, a small answer, and no secret in what is
// said about it afterwards. Reactor thread.
#pragma once

#include <string>

#include "eventstore/base/runtime.h"
#include "workers/ports/http.h"
#include "workers/ports/secrets.h"

namespace muster {

struct PostPorts {
  Runtime& rt;
  HttpClient& http;
  Secrets& secrets;
};

struct PostRequest {
  std::string url;         // or a reference to it: some places take the URL for a key
  std::string bearer_ref;  // sent as "Authorization: Bearer"; may be empty
  HttpHeaders headers;
  std::string body;   // JSON
  std::string route;  // for metrics
  absl::Duration patience = absl::Seconds(20);
};

// The whole answer, whatever its status; its body is masked and short.
//
// kUnavailable      nothing was sent, as far as can be told; masked
// kUnknown          cut after sending: it may have arrived; masked
// kNotFound         a reference does not resolve: nothing was sent
// kInvalidArgument  the URL is none: nothing was sent
Task<StatusOr<HttpResponse>> SendPost(PostPorts ports, PostRequest post);

inline bool IsSuccess(const HttpResponse& answer) {
  return answer.status >= 200 && answer.status < 300;
}

}  // namespace muster
