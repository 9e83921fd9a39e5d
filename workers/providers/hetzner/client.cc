#include "workers/providers/hetzner/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "workers/providers/hetzner/limits.h"
#include "workers/providers/hetzner/wire.h"

namespace muster::hetzner {
namespace {

// The wait after a refusal, doubled for each in a row, at most the window of the quota.
constexpr absl::Duration kThrottleWait = absl::Seconds(5);
constexpr int kDoublingsMax = 10;

std::string MethodOf(const Call& call) { return call.route.substr(0, call.route.find(' ')); }
bool IsOrderCall(const Call& call) { return absl::StartsWith(call.path, "order/"); }
bool MayHoldPassword(const Call& call) {
  return absl::StartsWith(call.path, "boot/") || IsOrderCall(call);
}

}  // namespace

std::string Shown(const Call& call) {
  std::string text = Cat(MethodOf(call), " /", call.path);
  for (const auto& [name, value] : call.form) text += Cat(" ", name, "=", value);
  return text;
}

Client::Client(const HetznerOptions& options, Runtime& rt, HttpClient& http, RateLimiter& limiter,
               Secrets& secrets)
    : options_(options),
      rt_(rt),
      http_(http),
      limiter_(limiter),
      secrets_(secrets),
      first_use_(rt) {}

Status Client::Masked(const Status& status) const {
  return WithErrorCode(
      MakeTrouble(TroubleOf(status), secrets_.Mask(Message(status)), RetryAfter(status)),
      ErrorCode(status));
}

StatusOr<std::string> Client::Login() {
  std::string user = options_.user;
  if (IsSecretRef(user)) {
    StatusOr<std::string> resolved = secrets_.Resolve(user);
    if (!resolved.ok()) return MakeTrouble(Trouble::kAuth, Message(resolved.status()));
    user = *std::move(resolved);
  }
  const StatusOr<std::string> password = secrets_.Resolve(options_.password_ref);
  if (!password.ok()) return MakeTrouble(Trouble::kAuth, Message(password.status()));
  if (user.empty()) return MakeTrouble(Trouble::kAuth, "no user of the web service is configured");
  const std::string pair = absl::Base64Escape(Cat(user, ":", *password));
  std::string login = Cat("Basic ", pair);
  if (login != learnt_) {
    secrets_.Learn(pair);
    learnt_ = login;
  }
  return login;
}

Task<StatusOr<std::string>> Client::Send(Call call, absl::Time deadline) {
  CO_ASSIGN_OR_RETURN(const std::string login, Login());
  std::optional<AsyncMutex::Held> turn;
  if (login != accepted_) {
    AsyncMutex::Held held = co_await first_use_.Lock();
    // With the first answer, whoever waited goes on beside the others.
    if (login != accepted_) turn.emplace(std::move(held));
    if (rt_.Now() >= deadline) {
      co_return MakeTrouble(Trouble::kUnavailable,
                            "not sent: an earlier call, the first with this login, got no answer");
    }
  }
  if (login == refused_) {
    co_return MakeTrouble(Trouble::kAuth,
                          "this login was refused before and is not tried again; three refusals "
                          "close the service for this address. Not sent");
  }
  co_return co_await SendAs(login, std::move(call), deadline);
}

Task<Client::Exchanged> Client::Exchange(std::string login, Call call, absl::Time deadline) {
  // A slot in the last moment is worse than none: the call would be cut, and nobody would know
  // what it did.
  const absl::Duration left = deadline - rt_.Now();
  const absl::Time slot_by = deadline - std::min(options_.call_time_min, left / 2);
  const Status slot = co_await limiter_.Acquire(std::string(call.bucket), call.priority, slot_by);
  if (!slot.ok()) {
    co_return Exchanged{MakeTrouble(Trouble::kThrottled, "no slot of the quota in time, not sent"),
                        rt_.Now()};
  }
  HttpRequest request;
  request.method = MethodOf(call);
  request.url = Cat(options_.base_url, "/", call.path);
  request.headers = {{"Authorization", login}, {"Accept", "application/json"}};
  if (!call.form.empty()) {
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.body = FormBody(call.form);
  }
  request.deadline = deadline;
  request.route = std::move(call.route);
  request.body_bytes_max = options_.answer_bytes_max;
  const absl::Time sent_at = rt_.Now();
  StatusOr<HttpResponse> response = co_await http_.Send(std::move(request));
  co_return Exchanged{std::move(response), sent_at};
}

Task<StatusOr<std::string>> Client::SendAs(std::string login, Call call, absl::Time deadline) {
  const std::string bucket(call.bucket);
  Exchanged exchanged = co_await Exchange(login, call, deadline);
  // The service closes idle connections; a read that met one is sent anew, on a fresh one.
  const StatusOr<HttpResponse>& response = exchanged.response;
  if (call.kind == CallKind::kRead && response.status().code() == StatusCode::kUnknown) {
    exchanged = co_await Exchange(login, call, deadline);
  }
  if (!response.ok()) {
    const Status& status = response.status();
    const bool never_sent = TroubleOf(status) == Trouble::kThrottled;
    const Status error = never_sent ? status : ErrorFromTransport(call.kind, status);
    co_return Masked(WithErrorCode(Annotate(error, call.route), ErrorCode(error)));
  }
  if (MayHoldPassword(call)) {
    for (const std::string& secret : SecretsIn(response->body)) secrets_.Learn(secret);
  }
  if (response->status >= 200 && response->status < 300) {
    accepted_ = login;
    refusals_.erase(bucket);
    limiter_.Passed(bucket);
    co_return std::move(exchanged.response->body);
  }
  Status error = ErrorFromAnswer(call.kind, *response);
  if (TroubleOf(error) == Trouble::kAuth && IsOrderCall(call)) {
    error = co_await WhyRefused(login, std::move(error), deadline);
  }
  switch (TroubleOf(error)) {
    case Trouble::kAuth:
      refused_ = login;
      break;
    case Trouble::kThrottled:
      error = NoteThrottled(bucket, exchanged.sent_at, error);
      break;
    case Trouble::kUnavailable:
    case Trouble::kUnclear:
    case Trouble::kMalformed:
      break;  // perhaps somebody in between, who knows no logins
    default:
      accepted_ = login;
      refusals_.erase(bucket);
      limiter_.Passed(bucket);
  }
  co_return Masked(WithErrorCode(Annotate(error, call.route), ErrorCode(error)));
}

Task<Status> Client::WhyRefused(std::string login, Status refused, absl::Time deadline) {
  Call keys{
      .bucket = kReadBucket, .priority = CallPriority::kCreate, .route = "GET key", .path = "key"};
  const Exchanged exchanged = co_await Exchange(std::move(login), std::move(keys), deadline);
  const StatusOr<HttpResponse>& response = exchanged.response;
  // Unknown is not refused: whoever comes next finds out.
  if (!response.ok()) co_return MakeTrouble(Trouble::kForbidden, Message(refused));
  const bool good = response->status >= 200 && response->status < 300;
  if (!good && TroubleOf(ErrorFromAnswer(CallKind::kRead, *response)) == Trouble::kAuth) {
    co_return refused;
  }
  co_return MakeTrouble(Trouble::kForbidden,
                        Cat(Message(refused),
                            "; the login is good: this user of the web service "
                            "lacks the right to order"));
}

// Calls that were under way together and refused together are one refusal.
Status Client::NoteThrottled(const std::string& bucket, absl::Time sent_at, const Status& error) {
  const absl::Duration window = RetryAfter(error);
  Refusals& refusals = refusals_[bucket];
  absl::Duration wait = kThrottleWait;
  for (int i = 0; i < std::min(refusals.in_a_row, kDoublingsMax); ++i) wait *= 2;
  if (window > absl::ZeroDuration()) wait = std::min(wait, window);
  if (sent_at > refusals.newest) {
    refusals.newest = rt_.Now();
    ++refusals.in_a_row;
    limiter_.Throttled(bucket, wait);
  }
  return MakeTrouble(Trouble::kThrottled, Message(error), wait);
}

}  // namespace muster::hetzner
