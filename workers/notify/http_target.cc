#include "workers/notify/http_target.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "eventstore/base/sha256.h"
#include "workers/notify/wire.h"

namespace muster {
namespace {

constexpr absl::Duration kRetryAfterMax = absl::Hours(1);
constexpr std::size_t kAnswerShown = 160;

// What stays wrong however often it is sent. A wrong key or address is the configuration's fault:
// mended, the message still arrives.
bool IsForGood(int status) {
  return status == 400 || status == 413 || status == 415 || status == 422;
}

absl::Duration RetryAfter(const HttpResponse& answer) {
  int seconds = 0;
  if (answer.status != 429 && answer.status != 503) return absl::ZeroDuration();
  if (!absl::SimpleAtoi(ToAbsl(FindHeader(answer.headers, "retry-after")), &seconds)) {
    return absl::ZeroDuration();
  }
  return std::clamp(absl::Seconds(seconds), absl::ZeroDuration(), kRetryAfterMax);
}

Delivery Judge(const HttpResponse& answer) {
  using Result = Delivery::Result;
  Delivery delivery{Result::kFailed, Cat("HTTP ", answer.status), RetryAfter(answer)};
  if (IsSuccess(answer)) {
    delivery.result = Result::kArrived;
    return delivery;
  }
  const std::string_view said = Trim(answer.body);
  if (!said.empty()) delivery.answer += Cat(": ", Ellipsize(ToValidUtf8(said), kAnswerShown));
  if (IsForGood(answer.status)) delivery.result = Result::kRefused;
  return delivery;
}

}  // namespace

HttpTarget::HttpTarget(PostPorts ports, HttpTargetOptions options)
    : ports_(ports), options_(std::move(options)) {}

std::string_view HttpTarget::type() const {
  using Shape = HttpTargetOptions::Shape;
  switch (options_.shape) {
    case Shape::kWebhook:
      return "webhook";
    case Shape::kNtfy:
      return "ntfy";
    case Shape::kSlack:
      return "slack";
  }
  return "";
}

Task<Delivery> HttpTarget::Deliver(NoticeMessage message) {
  using Shape = HttpTargetOptions::Shape;
  PostRequest post;
  post.url = options_.url;
  post.bearer_ref = options_.token_ref;
  post.patience = options_.patience;
  post.route = Cat("POST notify ", type());
  post.headers = {{"Idempotency-Key", message.id}};
  const std::string body = options_.shape == Shape::kWebhook ? notify::WebhookJson(message)
                           : options_.shape == Shape::kNtfy
                               ? notify::NtfyJson(message, options_.topic)
                               : notify::SlackJson(message);
  // Once more over the whole: a secret may have been put together by the text around it.
  post.body = ports_.secrets.Mask(body);
  if (!options_.key_ref.empty()) {
    const StatusOr<std::string> key = ports_.secrets.Resolve(options_.key_ref);
    if (!key.ok())
      co_return Delivery{Delivery::Result::kFailed, std::string(Message(key.status()))};
    const std::string time = Cat(absl::ToUnixSeconds(ports_.rt.Now()));
    const std::string signature = ToHex(HmacSha256(*key, Cat(time, ".", post.body)));
    post.headers.emplace_back("Muster-Timestamp", time);
    post.headers.emplace_back("Muster-Signature", Cat("v1=", signature));
  }
  const StatusOr<HttpResponse> answer = co_await SendPost(ports_, std::move(post));
  if (!answer.ok()) {
    co_return Delivery{Delivery::Result::kFailed,
                       Ellipsize(Message(answer.status()), kAnswerShown)};
  }
  co_return Judge(*answer);
}

}  // namespace muster
