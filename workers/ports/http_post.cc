#include "workers/ports/http_post.h"

#include <utility>

namespace muster {
namespace {

constexpr std::size_t kAnswerBytesMax = 64u << 10;

}  // namespace

Task<StatusOr<HttpResponse>> SendPost(PostPorts ports, PostRequest post) {
  HttpRequest request;
  request.method = "POST";
  request.url = std::move(post.url);
  if (IsSecretRef(request.url)) {
    CO_ASSIGN_OR_RETURN(request.url, ports.secrets.Resolve(request.url));
  }
  request.headers = std::move(post.headers);
  request.headers.emplace_back("Content-Type", "application/json");
  if (!post.bearer_ref.empty()) {
    CO_ASSIGN_OR_RETURN(const std::string bearer, ports.secrets.Resolve(post.bearer_ref));
    request.headers.emplace_back("Authorization", Cat("Bearer ", bearer));
  }
  request.body = std::move(post.body);
  request.deadline = ports.rt.Now() + post.patience;
  request.body_bytes_max = kAnswerBytesMax;
  request.route = std::move(post.route);
  StatusOr<HttpResponse> answer = co_await ports.http.Send(std::move(request));
  if (answer.ok()) {
    answer->body = ports.secrets.Mask(answer->body);
    co_return answer;
  }
  const std::string why = ports.secrets.Mask(Message(answer.status()));
  switch (answer.status().code()) {
    case StatusCode::kUnavailable:
    case StatusCode::kInvalidArgument:
      co_return MakeStatus(answer.status().code(), why);
    default:
      co_return Unknown(why);
  }
}

}  // namespace muster
