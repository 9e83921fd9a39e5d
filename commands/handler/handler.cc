#include "commands/handler/handler.h"

#include <utility>

#include "commands/handler/log_fold.h"
#include "eventstore/base/check.h"
#include "eventstore/base/log.h"
#include "eventstore/base/sha256.h"
#include "eventstore/events/readable.h"
#include "eventstore/events/values.h"

namespace muster {
namespace {

// A stream moves under us only when somebody else writes, which is against the rules; a few tries
// then tell a mishap from a second writer.
constexpr int kAttemptsMax = 5;
// Smaller steps of the wall clock mislead nobody; their sum is seen in time.
constexpr absl::Duration kClockStepMin = absl::Seconds(30);

// The id of the event that is to become `version` of `stream`.
EventId MakeEventId(const Origin& origin, const StreamId& stream, Version version,
                    std::size_t index, const std::string& payload, Rng& rng) {
  if (origin.idempotency_key.empty() && IsShadow(stream)) {  // without a draw
    return EventId(Cat(stream.str(), "@", version, ".", Sha256Hex(payload).substr(0, 8)));
  }
  if (origin.idempotency_key.empty()) {
    return EventId(Cat(stream.str(), "@", version, ".", rng.Token(8)));
  }
  const std::string digest =
      Sha256Hex(Cat(origin.idempotency_key, "\n", stream.str(), "\n", index));
  return EventId(digest.substr(0, 32));
}

std::vector<NewEvent> ToNewEvents(const Events& events, const StreamId& stream, Version version,
                                  const Origin& origin, absl::Time occurred_at, Rng& rng) {
  std::vector<NewEvent> out;
  out.reserve(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::string_view type = TypeName(events[i].kind_case());
    std::string payload = EncodeEvent(events[i]);
    out.push_back({.id = MakeEventId(origin, stream, version + 1 + i, i, payload, rng),
                   .type = std::string(type),
                   .payload = std::move(payload),
                   .actor = origin.actor,
                   .cause = origin.cause,
                   .correlation = origin.correlation,
                   .occurred_at = occurred_at});
  }
  return out;
}

}  // namespace

struct Handler::StreamLock {
  explicit StreamLock(Runtime& rt) : mutex(rt) {}
  AsyncMutex mutex;
  int users = 0;
};

Handler::Handler(Runtime& rt, EventStore& store)
    : rt_(rt), store_(store), past_(store, kPastWorlds, {}) {}
Handler::~Handler() = default;

// ---- loading ----------------------------------------------------------------------------------

StatusOr<World> Handler::LoadWorld() {
  StatusOr<World> world = WorldFromSnapshot(store_);
  if (!world.ok()) world = World{};
  while (world->head < store_.Head()) {
    MUSTER_RETURN_IF_ERROR(FoldLog(store_, store_.Head(), kReadAtOnce, *world));
    KeepPast(*world);
  }
  return world;
}

// What the log says was taken out is taken out, also when the process that said so ended too soon.
// The text may stay for lack of room; the fleets do not wait for that.
Status Handler::FinishRedactions() {
  std::vector<eventpb::PayloadRedacted> all;
  Status decoded;
  MUSTER_RETURN_IF_ERROR(store_.ReadStream(AuditStream(), 0, [&](const RecordedEvent& recorded) {
    const StatusOr<Written> written = ToWritten(recorded);
    decoded = written.status();
    if (decoded.ok() && written->body.has_payload_redacted()) {
      all.push_back(written->body.payload_redacted());
    }
    return decoded.ok();
  }));
  MUSTER_RETURN_IF_ERROR(decoded);
  for (const eventpb::PayloadRedacted& event : all) {
    const Status gone = store_.Redact(event.position(), event.replacement());
    if (gone.ok()) continue;
    Log(LogLevel::kError, "redaction_unfinished",
        {{"position", event.position()}, {"error", gone}});
  }
  return absl::OkStatus();
}

Task<Status> Handler::Load() {
  CO_RETURN_IF_ERROR(FinishRedactions());
  CO_ASSIGN_OR_RETURN(world_, LoadWorld());
  clock_offset_ = rt_.Now() - rt_.Steady();
  if (!world_.installation.empty()) co_return absl::OkStatus();
  eventpb::InstallationCreated created;
  created.set_id(rt_.rng().Token(4));
  Job job{.stream = InstallationStream(),
          .version = [this] { return store_.StreamVersion(InstallationStream()); },
          .decide = [created](const DecideContext&) { return Events{Wrap(created)}; },
          .occurred_at = absl::InfinitePast(),
          .origin = {.actor = "muster"}};
  const StatusOr<Outcome> outcome = co_await Run(std::move(job));
  co_return outcome.status();
}

Task<Status> Handler::FollowClock() {
  if (absl::AbsDuration(ClockStep()) < kClockStepMin) co_return absl::OkStatus();
  const auto decide = [this](const DecideContext&) -> StatusOr<Events> {
    const absl::Duration by = ClockStep();
    if (absl::AbsDuration(by) < kClockStepMin) return Events{};  // another was first
    eventpb::ClockStepped stepped;
    stepped.set_by_us(absl::ToInt64Microseconds(by));
    return Events{Wrap(stepped)};
  };
  Job job{.stream = InstallationStream(),
          .version = [this] { return store_.StreamVersion(InstallationStream()); },
          .decide = decide,
          .occurred_at = absl::InfinitePast(),
          .origin = {.actor = "muster"}};
  const StatusOr<Outcome> outcome = co_await Run(std::move(job));
  co_return outcome.status();
}

Status Handler::SaveSnapshot() {
  if (world_.head == 0) return absl::OkStatus();
  MUSTER_ASSIGN_OR_RETURN(const Snapshot snapshot, SnapshotOf(store_, world_));
  return store_.SaveSnapshot(kWorldSnapshot, snapshot);
}

// For questions about the past. One that cannot be saved costs time later, nothing else.
void Handler::KeepPast(const World& world) {
  if (!past_.Due(world.head)) return;
  const StatusOr<Snapshot> snapshot = SnapshotOf(store_, world);
  if (snapshot.ok()) past_.Save(*snapshot).IgnoreError();
}

// ---- deciding and appending -------------------------------------------------------------------

Task<StatusOr<Outcome>> Handler::Run(Job job) {
  std::shared_ptr<StreamLock> lock = locks_[job.stream];
  if (lock == nullptr) lock = locks_[job.stream] = std::make_shared<StreamLock>(rt_);
  ++lock->users;
  StatusOr<Outcome> outcome = Internal("never run");
  {
    const AsyncMutex::Held held = co_await lock->mutex.Lock();
    outcome = co_await RunLocked(job);
  }
  if (--lock->users == 0) locks_.erase(job.stream);
  co_return outcome;
}

Task<StatusOr<Outcome>> Handler::RunLocked(const Job& job) {
  for (int attempt = 1;; ++attempt) {
    if (!stopped_.ok()) co_return stopped_;
    StatusOr<Outcome> outcome = co_await Attempt(job);
    const StatusCode code = outcome.status().code();
    const bool lost = code == StatusCode::kUnavailable || code == StatusCode::kDataLoss ||
                      code == StatusCode::kUnimplemented;
    if (lost) stopped_ = outcome.status();
    if (code != StatusCode::kAborted || attempt == kAttemptsMax) co_return outcome;
    CO_RETURN_IF_ERROR(CatchUp());
  }
}

Task<StatusOr<Outcome>> Handler::Attempt(const Job& job) {
  if (job.stream != InstallationStream() && !IsShadow(job.stream)) {
    CO_RETURN_IF_ERROR(co_await FollowClock());
  }
  const absl::Time now = Stored(rt_.Now());
  CO_ASSIGN_OR_RETURN(const Version version, job.version());
  CO_ASSIGN_OR_RETURN(Events events, job.decide(DecideContext{now}));
  if (events.empty()) co_return Outcome{.position = world_.head};
  for (eventpb::EventBody& event : events) MakeReadable(event);
  const absl::Time occurred_at =
      job.occurred_at == absl::InfinitePast() ? now : Stored(job.occurred_at);
  std::vector<NewEvent> added =
      ToNewEvents(events, job.stream, version, job.origin, occurred_at, rt_.rng());
  Outcome outcome;
  for (std::size_t i = 0; i < events.size(); ++i) {
    outcome.events.push_back({job.stream, 0, version + 1 + i, added[i].id, std::move(events[i])});
  }
  const StatusOr<Appended> appended =
      co_await store_.Append(job.stream, Expect{version}, std::move(added), now);
  if (!appended.ok()) co_return appended.status();
  outcome.position = appended->position;
  const std::size_t count = outcome.events.size();
  if (appended->repeated) {
    // The first result, as it stands in the log; it may have been decided on another state.
    outcome.events.clear();
    const Version after = appended->version - std::min<Version>(appended->version, count);
    Status decoded;
    CO_RETURN_IF_ERROR(store_.ReadStream(job.stream, after, [&](const RecordedEvent& recorded) {
      StatusOr<Written> written = ToWritten(recorded);
      decoded = written.status();
      if (!decoded.ok() || recorded.position > appended->position) return false;
      outcome.events.push_back(*std::move(written));
      return true;
    }));
    CO_RETURN_IF_ERROR(decoded);
    CO_RETURN_IF_ERROR(CatchUp());
    co_return outcome;
  }
  for (std::size_t i = 0; i < count; ++i) {
    outcome.events[i].position = appended->position - count + 1 + i;
  }
  if (world_.head + count == appended->position) {
    for (const Written& written : outcome.events) Fold(written, occurred_at);
    Tell(outcome.events);
  } else {
    // Others were synced in front of these: fold theirs first, so that the World goes by the log.
    CO_RETURN_IF_ERROR(CatchUp());
  }
  KeepPast(world_);
  co_return outcome;
}

Status Handler::CatchUp() {
  std::vector<Written> all;
  const Status read =
      ReadDecoded(store_, world_.head, [&](Written written, absl::Time occurred_at) {
        Fold(written, occurred_at);
        all.push_back(std::move(written));
      });
  Tell(all);
  return read;
}

void Handler::Fold(const Written& written, absl::Time occurred_at) {
  if (written.body.has_clock_stepped()) {
    clock_offset_ += absl::Microseconds(written.body.clock_stepped().by_us());
  }
  Evolve(world_, written.stream, written.body, Stamp{written.position, occurred_at});
}

void Handler::Tell(const std::vector<Written>& all) {
  for (const Written& written : all) {
    // By token, not by iterator: a listener may add and remove listeners, itself included.
    for (auto it = listeners_.begin(); it != listeners_.end();) {
      const int token = it->first;
      const Listener listener = it->second;
      listener(written);
      it = listeners_.upper_bound(token);
    }
  }
}

int Handler::Listen(Listener listener) {
  listeners_.emplace(next_listener_, std::move(listener));
  return next_listener_++;
}
void Handler::Unlisten(int token) { listeners_.erase(token); }

// ---- requests ---------------------------------------------------------------------------------

StatusOr<std::optional<eventpb::CommandAccepted>> Handler::FindRequest(
    std::string_view request_id) const {
  std::optional<eventpb::CommandAccepted> found;
  Status decoded;
  MUSTER_RETURN_IF_ERROR(
      store_.ReadStream(RequestStream(request_id), 0, [&](const RecordedEvent& recorded) {
        const StatusOr<Written> written = ToWritten(recorded);
        decoded = written.status();
        if (decoded.ok()) found = written->body.command_accepted();
        return false;
      }));
  MUSTER_RETURN_IF_ERROR(decoded);
  return found;
}

Task<StatusOr<eventpb::CommandAccepted>> Handler::RecordRequest(std::string request_id,
                                                                std::string method,
                                                                std::string digest,
                                                                std::string result_json,
                                                                Origin origin) {
  if (request_id.empty()) co_return InvalidArgument("the request has no id");
  eventpb::CommandAccepted accepted;
  accepted.set_request_id(request_id);
  accepted.set_method(method);
  accepted.set_digest(digest);
  accepted.set_result(result_json);
  const StreamId stream = RequestStream(request_id);
  const auto version = [this, stream]() -> StatusOr<Version> {
    return store_.StreamVersion(stream);
  };
  const auto decide = [this, accepted](const DecideContext&) -> StatusOr<Events> {
    MUSTER_ASSIGN_OR_RETURN(const auto known, FindRequest(accepted.request_id()));
    if (!known.has_value()) return Events{Wrap(accepted)};
    if (known->digest() == accepted.digest() && known->method() == accepted.method()) {
      return Events{};
    }
    return AlreadyExists(
        Cat("request ", accepted.request_id(), " was another one: ", known->method()));
  };
  origin.idempotency_key.clear();
  Job job{stream, version, decide, absl::InfinitePast(), std::move(origin)};
  const StatusOr<Outcome> outcome = co_await Run(std::move(job));
  if (!outcome.ok()) co_return outcome.status();
  CO_ASSIGN_OR_RETURN(const auto known, FindRequest(request_id));
  MUSTER_CHECK(known.has_value());
  co_return *known;
}

}  // namespace muster
