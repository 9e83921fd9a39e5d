// WebhookHeadSink: signed heads by HTTP POST, one a call; any 2xx is an arrival. Reactor thread.
#pragma once

#include <string>

#include "eventstore/base/runtime.h"
#include "workers/ports/head_sink.h"
#include "workers/ports/http.h"
#include "workers/ports/secrets.h"

namespace muster {

class WebhookHeadSink final : public HeadSink {
 public:
  // `bearer_ref` is a secret reference, or empty. The ports must outlive it.
  WebhookHeadSink(Runtime& rt, HttpClient& http, Secrets& secrets, std::string url,
                  std::string bearer_ref)
      : rt_(rt),
        http_(http),
        secrets_(secrets),
        url_(std::move(url)),
        bearer_ref_(std::move(bearer_ref)) {}

  std::string_view place() const override { return "webhook"; }
  Task<Status> Deliver(std::string line) override;

 private:
  Runtime& rt_;
  HttpClient& http_;
  Secrets& secrets_;
  const std::string url_;
  const std::string bearer_ref_;
};

}  // namespace muster
