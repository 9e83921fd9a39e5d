#include "queries/notices/notice.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "queries/timeline/describe.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

using Trouble = eventpb::AccountTroubleBegan;

// What a notice is before it has its words.
struct Sort {
  std::string_view kind;
  std::string_view state = "happened";
  std::optional<Severity> severity = std::nullopt;  // otherwise than its kind's
  std::string rule = {};
  std::string subject = {};  // otherwise than the stream
  std::string part = {};     // of the subject, where it has several that are told apart
  std::string fleet = {};
};

std::string_view TroubleKind(int kind) {
  switch (kind) {
    case Trouble::AUTH:
    case Trouble::FORBIDDEN:
      return "key-refused";
    case Trouble::OUTAGE:
      return "provider-down";
    case Trouble::THROTTLED:
      return "throttled";
    default:
      return "";
  }
}

// By which a worker goes because it failed, or because it costs more than it may.
bool IsFailureRule(std::string_view rule) {
  static constexpr std::array kRules = {"over-cost",   "offline",      "stuck-boot",
                                        "stuck-setup", "stuck-warmup", "broken-launch",
                                        "fatal-error", "no-progress",  "over-budget"};
  return std::find(kRules.begin(), kRules.end(), rule) != kRules.end();
}

std::optional<Sort> SortOfLaunch(const eventpb::LaunchRejected& e) {
  using R = eventpb::LaunchRejected;
  // The others are conditions of the account or the market, and told as such or not at all.
  if (e.reason() != R::REJECTED && e.reason() != R::SECRET_MISSING) return std::nullopt;
  return Sort{.kind = "effects-refused", .severity = Severity::kWarning};
}

struct Sorter {
  using Result = std::optional<Sort>;

  Result operator()(const eventpb::FleetApplied&) { return Sort{.kind = "fleet-changed"}; }
  Result operator()(const eventpb::FleetScaled&) { return Sort{.kind = "fleet-changed"}; }
  Result operator()(const eventpb::FleetDownRequested&) { return Sort{.kind = "fleet-changed"}; }
  Result operator()(const eventpb::FleetEnded&) { return Sort{.kind = "fleet-changed"}; }
  Result operator()(const eventpb::PreflightChecked& e) {
    if (e.result() != eventpb::PreflightChecked::MISSING) return std::nullopt;
    return Sort{.kind = "preflight"};
  }
  Result operator()(const eventpb::StrikesSuspended&) {
    return Sort{.kind = "strikes-suspended", .state = "began"};
  }
  Result operator()(const eventpb::StrikesResumed&) {
    return Sort{.kind = "strikes-suspended", .state = "ended"};
  }
  Result operator()(const eventpb::LaunchRejected& e) { return SortOfLaunch(e); }
  Result operator()(const eventpb::DestroyAnswered& e) {
    if (e.answer() != eventpb::DestroyAnswered::REFUSED) return std::nullopt;
    return Sort{.kind = "effects-refused"};
  }
  Result operator()(const eventpb::WorkerCondemned& e) {
    const std::string& rule = e.evidence().rule();
    const Severity severity = IsFailureRule(rule) ? Severity::kWarning : Severity::kInfo;
    return Sort{.kind = "worker-condemned", .severity = severity, .rule = rule};
  }
  Result operator()(const eventpb::WorkerEnded& e) {
    if (e.how() != eventpb::WorkerEnded::VANISHED) return std::nullopt;
    return Sort{.kind = "worker-vanished"};
  }
  Result operator()(const eventpb::HostStruck& e) {
    return Sort{.kind = "host-struck", .rule = e.cause(), .fleet = e.fleet()};
  }
  Result operator()(const eventpb::CreditWaitBegan&) {
    return Sort{.kind = "credit-wait", .state = "began"};
  }
  Result operator()(const eventpb::CreditWaitEnded&) {
    return Sort{.kind = "credit-wait", .state = "ended"};
  }
  Result operator()(const eventpb::AccountTroubleBegan& e) {
    return Sort{.kind = TroubleKind(e.kind()), .state = "began", .part = e.endpoint()};
  }
  Result operator()(const eventpb::AccountTroubleEnded& e) {
    return Sort{.kind = TroubleKind(e.kind()), .state = "ended", .part = e.endpoint()};
  }
  Result operator()(const eventpb::OrphanFound& e) {
    return Sort{.kind = "orphan", .state = "began", .part = e.instance(), .fleet = e.fleet()};
  }
  Result operator()(const eventpb::OrphanResolved& e) {
    return Sort{.kind = "orphan", .state = "ended", .part = e.instance()};
  }
  Result operator()(const eventpb::ServerOrderRequested&) { return ServerChanged(); }
  Result operator()(const eventpb::ServerOrderRefused&) { return ServerStuck("order"); }
  Result operator()(const eventpb::ServerOrderNotFound&) { return ServerStuck("order"); }
  Result operator()(const eventpb::ServerDelivered&) { return ServerChanged(); }
  Result operator()(const eventpb::ServerOverdue& e) {
    if (!e.needs_operator()) return std::nullopt;
    return ServerStuck(e.what());
  }
  Result operator()(const eventpb::ServerStepDone& e) {
    if (e.step() != eventpb::VALIDATE) return std::nullopt;  // the others are on the way there
    return ServerChanged();
  }
  Result operator()(const eventpb::ServerStepFailed& e) {
    return ServerStuck(eventpb::ServerStep_Name(e.step()));
  }
  Result operator()(const eventpb::ServerCancelRequested&) { return ServerChanged(); }
  Result operator()(const eventpb::ServerCancelFailed&) { return ServerStuck("cancellation"); }
  Result operator()(const eventpb::ServerRevoked&) { return ServerChanged(); }
  Result operator()(const eventpb::ServerEnded& e) {
    if (e.how() == eventpb::ServerEnded::VANISHED) return Sort{.kind = "server-vanished"};
    if (e.how() != eventpb::ServerEnded::GIVEN_BACK) return std::nullopt;
    return ServerChanged();
  }
  Result operator()(const eventpb::StrayServerFound& e) {
    return Sort{.kind = "server-stray", .part = e.server()};
  }
  Result operator()(const eventpb::AlertRaised& e) {
    return Sort{
        .kind = e.evidence().rule(), .state = "began", .subject = e.subject(), .fleet = e.fleet()};
  }
  Result operator()(const eventpb::AlertEnded& e) {
    return Sort{.kind = e.kind(), .state = "ended", .subject = e.subject(), .fleet = e.fleet()};
  }
  static Sort ServerChanged() { return Sort{.kind = "server-changed"}; }
  // One that cannot be ordered is no repeat of one that cannot be installed.
  static Sort ServerStuck(std::string part) {
    return Sort{.kind = "server-stuck", .part = std::move(part)};
  }
  template <class Other>
  Result operator()(const Other&) {
    return std::nullopt;
  }
};

// What the alert itself says; its subject stands beside the text already.
std::string TextOf(const eventpb::EventBody& body) {
  if (body.has_alert_raised()) return OneLine(body.alert_raised().evidence().summary());
  if (body.has_alert_ended()) {
    const eventpb::AlertEnded& e = body.alert_ended();
    return Cat("over", e.detail().empty() ? "" : ": ", OneLine(e.detail()));
  }
  return Describe(body);
}

std::string FleetOfWorker(const EventStore& store, const StreamId& stream) {
  std::string fleet;
  const Status read = store.ReadStream(stream, 0, [&](const RecordedEvent& first) {
    const auto body = DecodeEvent(first.event.type, first.event.payload);
    if (!body.ok()) return false;
    if (body->has_launch_requested()) fleet = body->launch_requested().fleet();
    if (body->has_worker_adopted()) fleet = body->worker_adopted().fleet();
    return false;
  });
  return read.ok() ? fleet : "";
}

// "server/builder-01": what people call it; the stream when that is not told.
std::string ServerSubject(const EventStore& store, const StreamId& stream) {
  std::string subject = stream.str();
  const Status read = store.ReadStream(stream, 0, [&](const RecordedEvent& first) {
    const auto body = DecodeEvent(first.event.type, first.event.payload);
    if (body.ok() && body->has_server_planned()) {
      subject = Cat("server/", body->server_planned().spec().name());
    }
    return false;
  });
  return read.ok() ? subject : stream.str();
}

std::string ExplainOf(const Notice& notice) {
  if (notice.kind->name == "log-chain") return "muster audit verify";
  if (notice.kind->name == "disk-low") return "muster doctor";
  const std::string& subject = notice.subject;
  return subject.find('/') == std::string::npos ? "" : Cat("muster explain ", subject);
}

}  // namespace

bool MayBeNotice(std::string_view type) {
  using B = eventpb::EventBody;
  static const auto* const kTypes = [] {
    auto* types = new std::vector<std::string_view>;
    for (const EventKind kind : {B::kFleetApplied,         B::kFleetScaled,
                                 B::kFleetDownRequested,   B::kFleetEnded,
                                 B::kPreflightChecked,     B::kStrikesSuspended,
                                 B::kStrikesResumed,       B::kLaunchRejected,
                                 B::kDestroyAnswered,      B::kWorkerCondemned,
                                 B::kWorkerEnded,          B::kHostStruck,
                                 B::kCreditWaitBegan,      B::kCreditWaitEnded,
                                 B::kAccountTroubleBegan,  B::kAccountTroubleEnded,
                                 B::kOrphanFound,          B::kOrphanResolved,
                                 B::kAlertRaised,          B::kAlertEnded,
                                 B::kServerOrderRequested, B::kServerOrderRefused,
                                 B::kServerOrderNotFound,  B::kServerDelivered,
                                 B::kServerOverdue,        B::kServerStepDone,
                                 B::kServerStepFailed,     B::kServerCancelRequested,
                                 B::kServerCancelFailed,   B::kServerRevoked,
                                 B::kServerEnded,          B::kStrayServerFound}) {
      types->push_back(TypeName(kind));
    }
    return types;
  }();
  return std::find(kTypes->begin(), kTypes->end(), type) != kTypes->end();
}

std::optional<Notice> NoticeOf(const EventStore& store, const RecordedEvent& recorded) {
  if (!MayBeNotice(recorded.event.type)) return std::nullopt;
  const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
  if (!body.ok()) return std::nullopt;
  std::optional<Sort> sort;
  VisitEvent(*body, [&](const auto& e) { sort = Sorter()(e); });
  if (!sort.has_value()) return std::nullopt;
  const NoticeKind* const kind = FindNoticeKind(sort->kind);
  if (kind == nullptr) return std::nullopt;  // of a newer writer
  Notice notice;
  notice.position = recorded.position;
  notice.event = recorded.event.id.str();
  notice.at = recorded.recorded_at;
  notice.kind = kind;
  notice.severity = sort->severity.value_or(kind->severity);
  notice.state = std::string(sort->state);
  notice.subject = sort->subject.empty() ? recorded.stream.str() : sort->subject;
  notice.fleet = std::move(sort->fleet);
  if (notice.fleet.empty()) notice.fleet = std::string(NameInStream(recorded.stream, "fleet/"));
  if (!NameInStream(recorded.stream, "worker/").empty()) {
    notice.fleet = FleetOfWorker(store, recorded.stream);
  }
  if (!NameInStream(recorded.stream, "server/").empty()) {
    notice.subject = ServerSubject(store, recorded.stream);
  }
  notice.rule = std::move(sort->rule);
  notice.part = std::move(sort->part);
  // A fleet that is scaled is not the repeat of one that is applied.
  const bool changed = kind->name == "fleet-changed" || kind->name == "server-changed";
  if (changed) notice.part = recorded.event.type;
  notice.text = TextOf(*body);
  notice.explain = ExplainOf(notice);
  return notice;
}

}  // namespace muster::queries
