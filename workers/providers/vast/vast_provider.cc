#include "workers/providers/vast/vast_provider.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "eventstore/base/runtime.h"
#include "workers/providers/vast/errors.h"
#include "workers/providers/vast/limits.h"
#include "workers/providers/vast/logs.h"
#include "workers/providers/vast/wire.h"

namespace muster {
namespace {

using vast::CallKind;

// At most so many searches for one look at the market: they are dear (ten a minute).
constexpr int kSearchPagesMax = 3;
// A list that changed while it was read, or lost its page token, is begun anew this often.
constexpr int kListTries = 3;
// A log object that is still awaited is not asked for again for so long.
constexpr absl::Duration kPendingLogMax = absl::Minutes(2);

struct Call {
  std::string_view endpoint;  // see limits.h
  CallPriority priority = CallPriority::kObserve;
  CallKind kind = CallKind::kRead;
  std::string method;
  std::string path;  // with query
  std::string body;
};

class VastProvider final : public Provider {
 public:
  VastProvider(VastOptions options, Runtime& rt, HttpClient& http, RateLimiter& limiter,
               Secrets& secrets)
      : options_(std::move(options)), rt_(rt), http_(http), limiter_(limiter), secrets_(secrets) {
    while (absl::EndsWith(options_.base_url, "/")) options_.base_url.pop_back();
  }

  const ProviderName& name() const override { return options_.name; }
  Task<StatusOr<std::vector<Offer>>> SearchOffers(OfferQuery query, absl::Time deadline) override;
  Task<StatusOr<Launched>> Launch(LaunchSpec spec, absl::Time deadline) override;
  Task<StatusOr<std::vector<Instance>>> ListInstances(absl::Time deadline) override;
  Task<StatusOr<std::vector<Instance>>> FindByLabel(std::string label,
                                                    absl::Time deadline) override;
  Task<StatusOr<std::optional<Instance>>> GetInstance(InstanceId id, absl::Time deadline) override;
  Task<Status> Destroy(InstanceId id, absl::Time deadline) override;
  Task<Status> Start(InstanceId id, absl::Time deadline) override;
  Task<Status> Stop(InstanceId id, absl::Time deadline) override;
  Task<StatusOr<LogTail>> FetchLog(InstanceId id, int lines, absl::Time deadline) override;
  Task<StatusOr<Account>> GetAccount(absl::Time deadline) override;

 private:
  struct PendingLog {
    std::string url;
    absl::Time asked_at;
  };

  // Sends one paced call; the body of a 2xx answer, or the trouble.
  Task<StatusOr<std::string>> Send(Call call, absl::Time deadline);
  // As Send, and the JSON must be an object that does not say success:false.
  Task<StatusOr<std::string>> SendJson(Call call, absl::Time deadline);
  Task<StatusOr<std::vector<Instance>>> List(std::string label, CallPriority priority,
                                             absl::Time deadline);
  Task<StatusOr<std::vector<Instance>>> ListOnce(std::string label, CallPriority priority,
                                                 absl::Time deadline);
  Task<Status> SetState(InstanceId id, std::string state, absl::Time deadline);
  Task<StatusOr<std::string>> LogUrl(InstanceId id, int lines, absl::Time deadline);
  Task<StatusOr<LogTail>> AwaitLog(std::string url, absl::Time deadline);
  Task<StatusOr<LogTail>> LookForLog(std::string url, absl::Time deadline);

  void ReportThrottled(const std::string& endpoint, absl::Time sent_at, absl::Duration wait);
  Status Masked(const Status& status) const;
  void MaskIn(std::vector<Instance>& instances) const;

  VastOptions options_;
  Runtime& rt_;
  HttpClient& http_;
  RateLimiter& limiter_;
  Secrets& secrets_;
  absl::flat_hash_map<InstanceId, PendingLog> pending_logs_;
  absl::flat_hash_map<std::string, absl::Time> refused_at_;  // endpoint -> newest refusal reported
  absl::Time pruned_at_ = absl::InfinitePast();
};

std::string InstancePath(const InstanceId& id) { return Cat("/api/v0/instances/", id.str(), "/"); }

// Ids go into paths: only what the provider itself hands out is let through.
Status CheckId(std::string_view id) {
  const bool good =
      !id.empty() && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (good) return absl::OkStatus();
  return MakeTrouble(Trouble::kRejected, Cat("no id of this provider: ", Ellipsize(id, 40)));
}

Status VastProvider::Masked(const Status& status) const {
  return MakeTrouble(TroubleOf(status), secrets_.Mask(Message(status)), RetryAfter(status));
}

void VastProvider::MaskIn(std::vector<Instance>& instances) const {
  const auto mask = [this](auto& id) {
    using Id = std::remove_reference_t<decltype(id)>;
    id = Id(secrets_.Mask(id.str()));
  };
  for (Instance& instance : instances) {
    for (std::string* text :
         {&instance.status_message, &instance.label, &instance.host, &instance.actual_raw,
          &instance.intended_raw, &instance.ssh_host, &instance.location}) {
      *text = secrets_.Mask(*text);
    }
    mask(instance.gpu);
    mask(instance.machine);
  }
}

Task<StatusOr<std::string>> VastProvider::Send(Call call, absl::Time deadline) {
  const StatusOr<std::string> key = secrets_.Resolve(options_.api_key_ref);
  if (!key.ok()) co_return MakeTrouble(Trouble::kAuth, Message(key.status()));
  // A slot in the last moment is worse than none: the call would be cut, and nobody would know
  // what it did.
  const absl::Duration left = deadline - rt_.Now();
  const absl::Time slot_by = deadline - std::min(options_.call_time_min, left / 2);
  const std::string endpoint(call.endpoint);
  const Status slot = co_await limiter_.Acquire(endpoint, call.priority, slot_by);
  if (!slot.ok()) {
    co_return MakeTrouble(Trouble::kThrottled, Cat(endpoint, ": no slot in time, not sent"));
  }
  HttpRequest request;
  request.method = call.method;
  request.url = Cat(options_.base_url, call.path);
  request.headers = {{"Authorization", Cat("Bearer ", *key)}, {"Accept", "application/json"}};
  if (!call.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(call.body);
  request.deadline = deadline;
  request.route = endpoint;
  request.body_bytes_max = options_.answer_bytes_max;
  request.redirects_max = call.method == "GET" ? 2 : 0;
  const absl::Time sent_at = rt_.Now();
  StatusOr<HttpResponse> response = co_await http_.Send(std::move(request));
  if (!response.ok()) {
    co_return Masked(Annotate(vast::ErrorFromTransport(call.kind, response.status()), endpoint));
  }
  const bool good = response->status >= 200 && response->status < 300;
  if (good && vast::VerdictOf(response->body) != vast::Verdict::kFailure) {
    limiter_.Passed(endpoint);
    co_return std::move(response->body);
  }
  const Status error = vast::ErrorFromAnswer(call.kind, *response);
  if (TroubleOf(error) == Trouble::kThrottled) {
    ReportThrottled(endpoint, sent_at, RetryAfter(error));
  } else {
    limiter_.Passed(endpoint);
  }
  co_return Masked(Annotate(error, endpoint));
}

// Calls that were under way together and refused together are one refusal: counted one by one
// they would close the endpoint for minutes.
void VastProvider::ReportThrottled(const std::string& endpoint, absl::Time sent_at,
                                   absl::Duration wait) {
  absl::Time& refused_at = refused_at_.try_emplace(endpoint, absl::InfinitePast()).first->second;
  if (sent_at <= refused_at) return;
  refused_at = rt_.Now();
  limiter_.Throttled(endpoint, wait);
}

Task<StatusOr<std::string>> VastProvider::SendJson(Call call, absl::Time deadline) {
  const std::string endpoint(call.endpoint);
  StatusOr<std::string> body = co_await Send(std::move(call), deadline);
  if (body.ok() && vast::VerdictOf(*body) == vast::Verdict::kNoJson) {
    co_return vast::Nonsense(Cat(endpoint, ": the answer is not JSON"), *body);
  }
  co_return body;
}

Task<StatusOr<std::vector<Offer>>> VastProvider::SearchOffers(OfferQuery query,
                                                              absl::Time deadline) {
  std::vector<Offer> offers;
  std::set<OfferId> seen;
  std::optional<double> price_from;
  for (int page_number = 0; page_number < kSearchPagesMax; ++page_number) {
    Call call{vast::kSearch, CallPriority::kSearch, CallKind::kRead,
              "POST",        "/api/v0/bundles/",    vast::SearchBody(query, price_from)};
    StatusOr<std::string> body = co_await Send(std::move(call), deadline);
    StatusOr<vast::SearchPage> page =
        body.ok() ? vast::ParseSearch(*body, query) : StatusOr<vast::SearchPage>(body.status());
    if (!page.ok()) {
      // The market has no complete list: its cheap end alone is of use, nothing at all is not.
      if (page_number > 0) break;
      co_return page.status();
    }
    for (Offer& offer : page->offers) {
      if (seen.insert(offer.id).second) offers.push_back(std::move(offer));
    }
    const bool more = page->rows >= vast::kSearchRows && page->price_last > price_from.value_or(0);
    if (!more) break;
    price_from = page->price_last;
  }
  std::sort(offers.begin(), offers.end(), [](const Offer& a, const Offer& b) {
    return std::tie(a.price, a.id) < std::tie(b.price, b.id);
  });
  co_return offers;
}

Task<StatusOr<Launched>> VastProvider::Launch(LaunchSpec spec, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckId(spec.offer.str()));
  StatusOr<std::string> create = vast::CreateBody(spec);
  if (!create.ok()) co_return create.status();
  Call call{vast::kCreate,
            CallPriority::kCreate,
            CallKind::kCreate,
            "PUT",
            Cat("/api/v0/asks/", spec.offer.str(), "/"),
            *std::move(create)};
  const StatusOr<std::string> body = co_await Send(std::move(call), deadline);
  if (!body.ok()) co_return body.status();
  StatusOr<vast::Created> created = vast::ParseCreate(*body);
  if (!created.ok()) co_return created.status();
  if (!created->api_key.empty()) secrets_.Learn(created->api_key);
  co_return Launched{created->instance};
}

Task<StatusOr<std::vector<Instance>>> VastProvider::ListOnce(std::string label,
                                                             CallPriority priority,
                                                             absl::Time deadline) {
  std::vector<Instance> instances;
  std::set<InstanceId> seen;
  std::optional<int> total;
  std::string token;
  for (int page_number = 0; page_number < options_.pages_max; ++page_number) {
    Call call{vast::kList,
              priority,
              CallKind::kRead,
              "GET",
              Cat("/api/v1/instances/", vast::ListQuery(label, token)),
              ""};
    const StatusOr<std::string> body = co_await Send(std::move(call), deadline);
    if (!body.ok()) co_return body.status();
    StatusOr<vast::ListPage> page = vast::ParseList(*body);
    if (!page.ok()) co_return page.status();
    MaskIn(page->instances);  // page by page, so that others have their turn between
    for (Instance& instance : page->instances) {
      if (seen.insert(instance.id).second) instances.push_back(std::move(instance));
    }
    if (page->total.has_value()) total = page->total;
    const std::string before = std::exchange(token, page->next_token);
    if (!token.empty() && token != before) continue;
    if (!token.empty()) {
      co_return MakeTrouble(Trouble::kMalformed, "list: the next page is the page before");
    }
    const int rows = static_cast<int>(instances.size());
    if (total.has_value() && *total != rows) {
      co_return MakeTrouble(Trouble::kMalformed, Cat("list: ", rows, " rows of ", *total,
                                                     ": it changed while it was read"));
    }
    co_return instances;
  }
  co_return MakeTrouble(Trouble::kMalformed, "list: its pages never end");
}

Task<StatusOr<std::vector<Instance>>> VastProvider::List(std::string label, CallPriority priority,
                                                         absl::Time deadline) {
  StatusOr<std::vector<Instance>> instances = co_await ListOnce(label, priority, deadline);
  for (int tries = 1; tries < kListTries && !instances.ok(); ++tries) {
    const Trouble trouble = TroubleOf(instances.status());
    const bool lost_page = trouble == Trouble::kRejected &&
                           absl::StrContains(instances.status().message(), "invalid_token");
    if (trouble != Trouble::kMalformed && !lost_page) break;
    instances = co_await ListOnce(label, priority, deadline);
  }
  co_return instances;
}

Task<StatusOr<std::vector<Instance>>> VastProvider::ListInstances(absl::Time deadline) {
  return List("", CallPriority::kObserve, deadline);
}

Task<StatusOr<std::vector<Instance>>> VastProvider::FindByLabel(std::string label,
                                                                absl::Time deadline) {
  StatusOr<std::vector<Instance>> found = co_await List(label, CallPriority::kCreate, deadline);
  if (!found.ok()) co_return found.status();
  // A server that ignores the filter sends everything; one that pads labels was trimmed already.
  std::erase_if(*found, [&](const Instance& instance) { return instance.label != label; });
  co_return found;
}

Task<StatusOr<std::optional<Instance>>> VastProvider::GetInstance(InstanceId id,
                                                                  absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckId(id.str()));
  Call call{vast::kShow, CallPriority::kObserve, CallKind::kRead, "GET", InstancePath(id), ""};
  const StatusOr<std::string> body = co_await Send(std::move(call), deadline);
  if (!body.ok()) {
    if (TroubleOf(body.status()) == Trouble::kNotFound) co_return std::optional<Instance>();
    co_return body.status();
  }
  StatusOr<std::optional<Instance>> instance = vast::ParseShow(*body, id);
  if (!instance.ok() || !instance->has_value()) co_return instance;
  std::vector<Instance> one = {**std::move(instance)};
  MaskIn(one);
  co_return std::optional<Instance>(std::move(one.front()));
}

Task<Status> VastProvider::Destroy(InstanceId id, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckId(id.str()));
  pending_logs_.erase(id);
  Call call{vast::kDelete, CallPriority::kDestroy, CallKind::kWrite,
            "DELETE",      InstancePath(id),       "{}"};
  const StatusOr<std::string> body = co_await SendJson(std::move(call), deadline);
  co_return body.status();
}

Task<Status> VastProvider::SetState(InstanceId id, std::string state, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckId(id.str()));
  Call call{vast::kState, CallPriority::kCreate, CallKind::kWrite,
            "PUT",        InstancePath(id),      Cat("{\"state\":\"", state, "\"}")};
  const StatusOr<std::string> body = co_await SendJson(std::move(call), deadline);
  co_return body.status();
}

Task<Status> VastProvider::Start(InstanceId id, absl::Time deadline) {
  return SetState(std::move(id), "running", deadline);
}

Task<Status> VastProvider::Stop(InstanceId id, absl::Time deadline) {
  return SetState(std::move(id), "stopped", deadline);
}

Task<StatusOr<Account>> VastProvider::GetAccount(absl::Time deadline) {
  Call call{vast::kUser, CallPriority::kObserve,   CallKind::kRead,
            "GET",       "/api/v0/users/current/", ""};
  const StatusOr<std::string> body = co_await Send(std::move(call), deadline);
  if (!body.ok()) co_return body.status();
  StatusOr<vast::User> user = vast::ParseUser(*body);
  if (!user.ok()) co_return user.status();
  if (!user->api_key.empty()) secrets_.Learn(user->api_key);
  co_return user->account;
}

Task<StatusOr<std::string>> VastProvider::LogUrl(InstanceId id, int lines, absl::Time deadline) {
  const auto pending = pending_logs_.find(id);
  if (pending != pending_logs_.end() && rt_.Now() - pending->second.asked_at < kPendingLogMax) {
    co_return pending->second.url;
  }
  Call call{vast::kLogs,
            CallPriority::kObserve,
            CallKind::kRead,
            "PUT",
            Cat("/api/v0/instances/request_logs/", id.str(), "/"),
            Cat("{\"tail\":\"", lines, "\"}")};
  const StatusOr<std::string> body = co_await Send(std::move(call), deadline);
  if (!body.ok()) co_return body.status();
  StatusOr<std::string> url = vast::ParseLogRequest(*body);
  if (!url.ok()) co_return url.status();
  if (!vast::IsAllowedLogUrl(*url, options_.log_hosts)) {
    const std::string start = secrets_.Mask(Ellipsize(*url, 100));
    co_return MakeTrouble(Trouble::kMalformed, Cat("logs: not from a host in log_hosts: ", start));
  }
  const absl::Time now = rt_.Now();
  if (now - pruned_at_ > kPendingLogMax) {
    pruned_at_ = now;
    absl::erase_if(pending_logs_,
                   [&](const auto& entry) { return now - entry.second.asked_at > kPendingLogMax; });
  }
  pending_logs_[id] = PendingLog{*url, now};
  co_return url;
}

// OK, or kNotFound while the object is not there yet, or the trouble that ends the wait.
Task<StatusOr<LogTail>> VastProvider::LookForLog(std::string url, absl::Time deadline) {
  HttpRequest request;
  request.method = "GET";
  request.url = std::move(url);
  // Another host: no key for it. The end of the text is what counts.
  request.headers = {{"Range", Cat("bytes=-", options_.log_bytes_max)}};
  request.deadline = deadline;
  request.route = "GET log text";
  request.body_bytes_max = 8 * options_.log_bytes_max;  // of a host that ignores the range
  const StatusOr<HttpResponse> response = co_await http_.Send(std::move(request));
  if (!response.ok()) {
    co_return vast::ErrorFromTransport(CallKind::kRead, response.status());
  }
  const int code = response->status;
  if (code == 200 || code == 206 || code == 416) {
    const std::string_view range = FindHeader(response->headers, "content-range");
    const bool cut = code == 206 && !absl::StartsWith(ToAbsl(range), "bytes 0-");
    const std::string_view text = code == 416 ? std::string_view() : response->body;
    if (vast::IsForeignPage(text)) co_return vast::Nonsense("logs: a page, not a log", text);
    co_return vast::ReadLog(text, options_.log_bytes_max, cut);
  }
  if (code >= 300 && code < 400) {
    co_return MakeTrouble(Trouble::kMalformed, Cat("logs: HTTP ", code, ", not followed"));
  }
  co_return MakeTrouble(Trouble::kNotFound, Cat("logs: HTTP ", code));
}

Task<StatusOr<LogTail>> VastProvider::AwaitLog(std::string url, absl::Time deadline) {
  absl::Duration wait = options_.log_first_wait;
  while (true) {
    if (rt_.Now() + wait >= deadline) {
      co_return MakeTrouble(Trouble::kUnavailable, "logs: the text was not ready in time");
    }
    co_await rt_.SleepFor(wait);
    StatusOr<LogTail> tail = co_await LookForLog(url, deadline);
    if (tail.ok() || TroubleOf(tail.status()) != Trouble::kNotFound) co_return tail;
    wait = std::min(2 * wait, options_.log_wait_max);
  }
}

Task<StatusOr<LogTail>> VastProvider::FetchLog(InstanceId id, int lines, absl::Time deadline) {
  CO_RETURN_IF_ERROR(CheckId(id.str()));
  StatusOr<std::string> url = co_await LogUrl(id, lines, deadline);
  if (!url.ok()) co_return url.status();
  StatusOr<LogTail> tail = co_await AwaitLog(*url, deadline);
  // What is not ready yet is asked for again at the same address by the next call.
  const Trouble trouble = TroubleOf(tail.status());
  if (trouble != Trouble::kUnavailable) pending_logs_.erase(id);
  if (!tail.ok()) co_return Masked(tail.status());
  tail->text = secrets_.Mask(tail->text);
  co_return tail;
}

}  // namespace

std::unique_ptr<Provider> MakeVastProvider(VastOptions options, Runtime& rt, HttpClient& http,
                                           RateLimiter& limiter, Secrets& secrets) {
  return std::make_unique<VastProvider>(std::move(options), rt, http, limiter, secrets);
}

}  // namespace muster
