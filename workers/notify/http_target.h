// HttpTarget: notices by HTTP POST, in the shape that the place wants. Reactor thread.
//
//   webhook  the message as JSON, signed: Muster-Signature = "v1=" + hex(HMAC-SHA256(key,
//            Muster-Timestamp + "." + body))
//   ntfy     JSON for the root of an ntfy server: topic, title, message, priority, tags
//   slack    {"text": ...}, which Slack, Mattermost and others take
//
// Each carries "Idempotency-Key": the message's id.
#pragma once

#include <string>

#include "workers/ports/http_post.h"
#include "workers/ports/notice_target.h"

namespace muster {

struct HttpTargetOptions {
  enum class Shape { kWebhook, kNtfy, kSlack };
  Shape shape = Shape::kWebhook;
  std::string url;        // or a secret reference to it
  std::string key_ref;    // of the signature; webhook only; may be empty: not signed
  std::string token_ref;  // sent as a bearer token; may be empty
  std::string topic;      // ntfy
  absl::Duration patience = absl::Seconds(20);
};

class HttpTarget final : public NoticeTarget {
 public:
  // The ports must outlive it.
  HttpTarget(PostPorts ports, HttpTargetOptions options);

  std::string_view type() const override;
  Task<Delivery> Deliver(NoticeMessage message) override;

 private:
  PostPorts ports_;
  const HttpTargetOptions options_;
};

}  // namespace muster
