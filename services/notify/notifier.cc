#include "services/notify/notifier.h"

#include <algorithm>
#include <utility>

#include "eventstore/base/log.h"
#include "eventstore/events/values.h"
#include "services/notify/digest.h"

namespace muster::notify {
namespace {

constexpr std::size_t kReadAtOnce = 256;
// An event may show up in the log so much later than it says that it was recorded.
constexpr absl::Duration kSettle = absl::Seconds(5);

}  // namespace

struct Notifier::Line {
  Line(Target made, const NotifierOptions& options)
      : name(std::move(made.name)),
        target(std::move(made.target)),
        limits(made.allowance),
        allowance(limits, limits.burst, absl::InfinitePast()),
        backoff(options.retry) {}

  const std::string name;
  const std::unique_ptr<NoticeTarget> target;
  const AllowanceOptions limits;
  Allowance allowance;
  Backoff backoff;
  Outbox box;
  Position recorded = 0;      // progress as the log has it
  Position digest_until = 0;  // a digest up to here is on its way
  bool attempted = false;     // the message in front may have arrived
  int refusals = 0;           // of the message in front
  absl::Time next_try = absl::InfinitePast();
  std::optional<NoticeMessage> emergency;
  TargetStatus status;
};

Notifier::Notifier(Ports ports, std::vector<Target> targets, NotifierOptions options)
    : ports_(ports), options_(std::move(options)) {
  for (Target& target : targets) {
    lines_.push_back(std::make_unique<Line>(std::move(target), options_));
  }
}
Notifier::~Notifier() = default;

void Notifier::Start() {
  for (const auto& line : lines_) ports_.rt.Spawn(Cat("notify ", line->name), Serve(*line));
}

// ---- where a target stands --------------------------------------------------------------------

Status Notifier::Load(Line& line) const {
  const StreamId stream = NotifyStream(line.name);
  const Version newest = ports_.store.StreamVersion(stream);
  Progress done{ports_.store.Head(), {}};  // a new target is told what happens from now on
  if (newest == 0) {
    line.box = Outbox(options_.outbox, std::move(done));
    return absl::OkStatus();
  }
  eventpb::NoticesServed served;
  absl::Time at;
  Status decoded;
  MUSTER_RETURN_IF_ERROR(ports_.store.ReadStream(stream, newest - 1, [&](const auto& recorded) {
    const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
    decoded = body.status();
    if (body.ok()) served = body->notices_served();
    at = recorded.recorded_at;
    return decoded.ok();
  }));
  MUSTER_RETURN_IF_ERROR(decoded);
  done.position = served.position();
  for (const eventpb::NoticeWindow& window : served.windows()) {
    std::optional<queries::Notice> first;
    MUSTER_RETURN_IF_ERROR(
        ports_.store.ReadAll(window.position() - 1, 1, [&](const RecordedEvent& recorded) {
          first = queries::NoticeOf(ports_.store, recorded);
          return false;
        }));
    if (!first.has_value()) continue;
    const std::string key = first->Key();
    done.windows[key] = {*std::move(first), absl::FromUnixMicros(window.until_us()), window.more(),
                         window.newest()};
  }
  line.recorded = done.position;
  line.digest_until = served.digest_until();
  line.allowance = Allowance(line.limits, served.allowance(), at);
  line.box = Outbox(options_.outbox, std::move(done));
  return absl::OkStatus();
}

Task<void> Notifier::Record(Line& line, std::string message, bool dropped) {
  const Progress& done = line.box.done();
  eventpb::NoticesServed served;
  served.set_position(done.position);
  served.set_message(message);
  served.set_dropped(dropped);
  served.set_digest_until(line.digest_until);
  for (const auto& [key, window] : done.windows) {
    eventpb::NoticeWindow& out = *served.add_windows();
    out.set_position(window.first.position);
    out.set_until_us(ToStoredTime(window.until));
    out.set_more(window.more);
    out.set_newest(window.newest);
  }
  served.set_allowance(line.allowance.Left(ports_.rt.Now()));
  const Position position = done.position;
  Handler::AsideDecision decide = [served](const DecideContext&) {
    return StatusOr<Events>(Events{Wrap(served)});
  };
  StreamId stream = NotifyStream(line.name);
  Origin origin;
  origin.actor = "muster";
  const auto written =
      co_await ports_.handler.Aside(std::move(stream), std::move(decide), std::move(origin));
  if (written.ok()) {
    line.recorded = position;
  } else {
    Log(LogLevel::kError, "notify_progress_not_written",
        {{"target", line.name}, {"error", written.status()}});
  }
}

// ---- reading ----------------------------------------------------------------------------------

Task<void> Notifier::Fill(Line& line) {
  while (line.box.read() < ports_.store.Head()) {
    const Position before = line.box.read();
    Position seen = before;
    std::vector<RecordedEvent> some;
    const Status read =
        ports_.store.ReadAll(before, kReadAtOnce, [&](const RecordedEvent& recorded) {
          seen = recorded.position;
          if (queries::MayBeNotice(recorded.event.type)) some.push_back(recorded);
          return true;
        });
    for (const RecordedEvent& recorded : some) {
      const auto notice = queries::NoticeOf(ports_.store, recorded);
      if (notice.has_value() && IsFor(options_.rules, line.name, *notice)) line.box.See(*notice);
    }
    if (!read.ok() || seen == before) {
      // One damaged event must not silence all that come after it.
      Log(LogLevel::kError, "notify_cannot_read", {{"position", seen + 1}, {"error", read}});
      ++seen;
    }
    line.box.Pass(seen);
    co_await ports_.rt.SleepUntil(ports_.rt.Now());
  }
  line.box.Close(ports_.rt.Now() - kSettle);
}

absl::Time Notifier::IdleUntil(const Line& line) const {
  const absl::Time due = line.box.next_close();
  const absl::Time look = ports_.rt.Now() + options_.look;
  return due == absl::InfiniteFuture() ? look : std::min(look, due + kSettle);
}

// ---- telling ----------------------------------------------------------------------------------

Task<void> Notifier::Serve(Line& line) {
  if (const Status loaded = Load(line); !loaded.ok()) {
    line.status.error = ports_.secrets.Mask(Message(loaded));
    line.status.error_at = ports_.rt.Now();
    Log(LogLevel::kError, "notify_stopped", {{"target", line.name}, {"error", loaded}});
    co_return;
  }
  // From here on nothing is lost: not even what comes before the first message.
  if (line.recorded == 0) co_await Record(line, "", false);
  while (true) {
    if (line.emergency.has_value()) co_await SendEmergency(line);
    co_await Fill(line);
    const bool idle = line.box.empty() && line.digest_until == 0;
    const absl::Time now = ports_.rt.Now();
    if (idle) {
      if (line.box.done().position >= line.recorded + options_.mark_every) {
        co_await Record(line, "", false);
      }
      co_await ports_.store.WaitPast(line.box.read(), IdleUntil(line));
      continue;
    }
    const absl::Time next = std::max(line.next_try, line.allowance.Next(now));
    if (now < next) {
      co_await ports_.rt.SleepUntil(std::min(next, now + options_.look));
      continue;
    }
    co_await SendNext(line);
  }
}

Task<Delivery> Notifier::Deliver(Line& line, NoticeMessage message) {
  message.installation = ports_.handler.world().installation;
  for (std::string* text : {&message.text, &message.subject, &message.explain}) {
    *text = ports_.secrets.Mask(*text);
  }
  for (std::string& text : message.lines) text = ports_.secrets.Mask(text);
  co_return co_await line.target->Deliver(std::move(message));
}

// The digest of everything between what is told and `digest_until`, from the log.
Task<NoticeMessage> Notifier::Compose(Line& line, int* untold) {
  Digest digest;
  const Progress done = line.box.done();
  for (const auto& [key, window] : done.windows) digest.AddRepeats(window);
  Position at = done.position;
  while (at < line.digest_until) {
    const Position before = at;
    std::vector<RecordedEvent> some;
    const std::size_t count = std::min<Position>(kReadAtOnce, line.digest_until - at);
    const Status read = ports_.store.ReadAll(at, count, [&](const RecordedEvent& recorded) {
      at = recorded.position;
      if (queries::MayBeNotice(recorded.event.type)) some.push_back(recorded);
      return true;
    });
    for (const RecordedEvent& recorded : some) {
      const auto notice = queries::NoticeOf(ports_.store, recorded);
      if (notice.has_value() && IsFor(options_.rules, line.name, *notice)) digest.Add(*notice);
    }
    if (!read.ok() || at == before) ++at;  // as in Fill
    co_await ports_.rt.SleepUntil(ports_.rt.Now());
  }
  *untold = digest.Unspelt();
  co_return digest.Message(ports_.handler.world().installation, done.position, line.digest_until);
}

Task<void> Notifier::BeginDigest(Line& line) {
  line.digest_until = line.box.read();
  // So that after a crash the very same digest is sent, by the same name. When that cannot be
  // written, it is told all the same.
  co_await Record(line, "", false);
}

Task<void> Notifier::SendNext(Line& line) {
  // What may have arrived already goes first and alone: it is not told again in a digest.
  if (line.digest_until == 0 && line.box.TooMany() && !line.attempted) co_await BeginDigest(line);
  int untold = 0;
  NoticeMessage message;
  if (line.digest_until > 0) {
    message = co_await Compose(line, &untold);
  } else {
    message = line.box.front().message;
    untold = line.box.front().held_back;
  }
  line.attempted = true;
  Delivery delivery = co_await Deliver(line, message);
  co_await Judge(line, std::move(message), std::move(delivery), untold);
}

Task<void> Notifier::Judge(Line& line, NoticeMessage message, Delivery delivery, int untold) {
  using Result = Delivery::Result;
  const absl::Time now = ports_.rt.Now();
  const bool arrived = delivery.result == Result::kArrived;
  if (delivery.result == Result::kRefused) ++line.refusals;
  const bool dropped = !arrived && line.refusals >= options_.refusals_max;
  if (arrived) {
    ++line.status.sent;
    line.status.arrived_at = now;
    line.status.error.clear();
  } else {
    ++line.status.failed;
    line.status.error = ports_.secrets.Mask(delivery.answer);
    line.status.error_at = now;
    Log(LogLevel::kWarning, dropped ? "notice_dropped" : "notice_not_delivered",
        {{"target", line.name}, {"message", message.id}, {"error", line.status.error}});
  }
  if (!arrived && !dropped) {
    line.next_try = now + std::max(line.backoff.Failed(), delivery.retry_after);
    co_return;
  }
  line.status.dropped += untold + (dropped ? 1 : 0);
  line.backoff.Succeeded();
  line.next_try = absl::InfinitePast();
  line.attempted = false;
  line.refusals = 0;
  line.allowance.Take(now);
  if (line.digest_until > 0) {
    line.box.Restart({line.digest_until, {}});
    line.digest_until = 0;
  } else {
    line.box.Arrived();
  }
  co_await Record(line, message.id, dropped);
}

// ---- beside the log ---------------------------------------------------------------------------

void Notifier::TellUnwritable(std::string text) {
  queries::Notice notice;
  notice.kind = FindNoticeKind("log-unwritable");
  notice.severity = notice.kind->severity;
  notice.state = "began";
  notice.subject = "store";
  notice.text = std::move(text);
  notice.explain = "muster doctor";
  notice.position = ports_.store.Head();
  notice.at = ports_.rt.Now();
  notice.event = Cat("log-unwritable-", notice.position);
  for (const auto& line : lines_) {
    if (IsFor(options_.rules, line->name, notice)) line->emergency = MessageOf(notice);
  }
}

Task<void> Notifier::SendEmergency(Line& line) {
  if (ports_.rt.Now() < line.next_try) co_return;
  NoticeMessage message = *line.emergency;
  const Delivery delivery = co_await Deliver(line, std::move(message));
  if (delivery.result != Delivery::Result::kFailed) {
    line.emergency.reset();
    line.backoff.Succeeded();
    co_return;
  }
  line.status.error = ports_.secrets.Mask(delivery.answer);
  line.status.error_at = ports_.rt.Now();
  line.next_try = ports_.rt.Now() + std::max(line.backoff.Failed(), delivery.retry_after);
}

Task<StatusOr<TestResult>> Notifier::Test(std::string name) {
  Line* found = nullptr;
  std::string known;
  for (const auto& line : lines_) {
    if (line->name == name) found = line.get();
    known += Cat(known.empty() ? "" : ", ", line->name);
  }
  if (found == nullptr) {
    co_return NotFound(Cat("there is no target '", name, "'; there is ",
                           known.empty() ? "none: see notify in the configuration" : known));
  }
  NoticeMessage message;
  message.form = NoticeMessage::Form::kTest;
  message.id = Cat("test-", ports_.rt.rng().Token(12));
  message.kind = "test";
  message.state = "happened";
  message.severity = "info";
  message.text = Cat("this is a test: target ", name, " can be reached");
  message.position = ports_.store.Head();
  message.at = ports_.rt.Now();
  const std::string id = message.id;
  const absl::Time begun = ports_.rt.Now();
  const Delivery delivery = co_await Deliver(*found, std::move(message));
  co_return TestResult{delivery.result == Delivery::Result::kArrived,
                       ports_.secrets.Mask(delivery.answer), id, ports_.rt.Now() - begun};
}

std::vector<TargetStatus> Notifier::Targets() const {
  std::vector<TargetStatus> out;
  const Position head = ports_.store.Head();
  for (const auto& line : lines_) {
    TargetStatus status = line->status;
    status.name = line->name;
    status.type = std::string(line->target->type());
    status.position = line->box.done().position;
    status.behind = head - std::min(head, status.position);
    status.waiting =
        line->digest_until > 0 ? std::max(1, line->box.Waiting()) : line->box.Waiting();
    const absl::Time now = ports_.rt.Now();
    const absl::Time next = std::max(line->next_try, line->allowance.Next(now));
    if (status.waiting > 0 && next > now) status.next_try = next;
    out.push_back(std::move(status));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

}  // namespace muster::notify
