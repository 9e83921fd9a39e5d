#include "workers/audit/webhook_sink.h"

#include <utility>

#include "workers/ports/http_post.h"

namespace muster {

Task<Status> WebhookHeadSink::Deliver(std::string line) {
  PostRequest post;
  post.url = url_;
  post.bearer_ref = bearer_ref_;
  post.body = std::move(line);
  post.route = "POST head";
  const StatusOr<HttpResponse> answer =
      co_await SendPost(PostPorts{rt_, http_, secrets_}, std::move(post));
  if (!answer.ok()) co_return Unavailable(Message(answer.status()));
  if (IsSuccess(*answer)) co_return absl::OkStatus();
  co_return Unavailable(Cat("HTTP ", answer->status));
}

}  // namespace muster
