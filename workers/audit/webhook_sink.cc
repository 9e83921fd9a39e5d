#include "workers/audit/webhook_sink.h"

#include <utility>

namespace muster {
namespace {

constexpr absl::Duration kCallTime = absl::Seconds(20);
constexpr std::size_t kAnswerBytesMax = 64u << 10;

}  // namespace

Task<Status> WebhookHeadSink::Deliver(std::string line) {
  HttpRequest request;
  request.method = "POST";
  request.url = url_;
  request.headers = {{"Content-Type", "application/json"}};
  if (!bearer_ref_.empty()) {
    CO_ASSIGN_OR_RETURN(const std::string bearer, secrets_.Resolve(bearer_ref_));
    request.headers.emplace_back("Authorization", Cat("Bearer ", bearer));
  }
  request.body = std::move(line);
  request.deadline = rt_.Now() + kCallTime;
  request.body_bytes_max = kAnswerBytesMax;
  request.route = "POST head";
  const StatusOr<HttpResponse> answer = co_await http_.Send(std::move(request));
  if (!answer.ok()) co_return Unavailable(secrets_.Mask(Message(answer.status())));
  if (answer->status >= 200 && answer->status < 300) co_return absl::OkStatus();
  co_return Unavailable(Cat("HTTP ", answer->status));
}

}  // namespace muster
