// One call to the web service: login, pace, masking, and what may be sent again. Internal to the
// adapter. Reactor thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "eventstore/base/runtime.h"
#include "workers/providers/hetzner/errors.h"
#include "workers/providers/hetzner/hetzner_provider.h"

namespace muster::hetzner {

struct Call {
  std::string_view bucket;  // see limits.h
  CallPriority priority = CallPriority::kObserve;
  CallKind kind = CallKind::kRead;
  std::string route;  // "GET server/{id}"
  std::string path;   // "server/3100001", with query
  std::vector<std::pair<std::string, std::string>> form;
};
// The call as people can read it: "POST /reset/3100001 type=hw". Holds no login.
std::string Shown(const Call& call);

class Client {
 public:
  Client(const HetznerOptions& options, Runtime& rt, HttpClient& http, RateLimiter& limiter,
         Secrets& secrets);

  // The body of a 2xx answer, or the trouble with ErrorCode. Passwords in it are masked from now
  // on in all that goes through Secrets, this body excepted.
  Task<StatusOr<std::string>> Send(Call call, absl::Time deadline);
  // `status` with every known secret painted over.
  Status Masked(const Status& status) const;
  std::string Masked(std::string_view text) const { return secrets_.Mask(text); }
  absl::Time Now() const { return rt_.Now(); }

 private:
  // The Authorization header's value.
  StatusOr<std::string> Login();
  Task<StatusOr<std::string>> SendAs(std::string login, Call call, absl::Time deadline);
  struct Exchanged {
    StatusOr<HttpResponse> response;  // a transport's error is raw, without a Trouble
    absl::Time sent_at;
  };
  // Paced, sent once.
  Task<Exchanged> Exchange(std::string login, Call call, absl::Time deadline);
  // The trouble behind a 401 to an order call: may this login do nothing, or merely not order?
  Task<Status> WhyRefused(std::string login, Status refused, absl::Time deadline);
  Status NoteThrottled(const std::string& bucket, absl::Time sent_at, const Status& error);

  const HetznerOptions& options_;
  Runtime& rt_;
  HttpClient& http_;
  RateLimiter& limiter_;
  Secrets& secrets_;
  AsyncMutex first_use_;  // of a login that was never accepted
  std::string accepted_;  // the login that was good last
  std::string refused_;   // the login that was refused: not sent again
  std::string learnt_;    // the login whose header is masked
  struct Refusals {
    int in_a_row = 0;
    absl::Time newest = absl::InfinitePast();
  };
  absl::flat_hash_map<std::string, Refusals> refusals_;  // of a bucket
};

}  // namespace muster::hetzner
