#include "workers/audit/head_keeper.h"

#include <algorithm>
#include <utility>

#include "eventstore/base/log.h"
#include "eventstore/events/values.h"

namespace muster {

HeadKeeper::HeadKeeper(Ports ports, std::vector<std::unique_ptr<HeadSink>> sinks,
                       HeadKeeperOptions options)
    : ports_(ports), options_(options) {
  for (auto& sink : sinks) {
    places_.push_back({.sink = std::move(sink), .backoff = Backoff(options_.retry)});
  }
}

Status HeadKeeper::Load() {
  std::map<std::string, std::set<Position>, std::less<>> delivered;
  Status decoded;
  MUSTER_RETURN_IF_ERROR(
      ports_.store.ReadStream(AuditStream(), 0, [&](const RecordedEvent& recorded) {
        const StatusOr<eventpb::EventBody> body =
            DecodeEvent(recorded.event.type, recorded.event.payload);
        decoded = body.status();
        if (!decoded.ok()) return false;
        if (body->has_head_signed()) {
          last_ = body->head_signed().position();
          heads_[last_] = body->head_signed().head();
          due_ = recorded.event.occurred_at + options_.every;
        } else if (body->has_head_delivered()) {
          delivered[body->head_delivered().place()].insert(body->head_delivered().position());
        }
        return true;
      }));
  MUSTER_RETURN_IF_ERROR(decoded);
  for (Place& place : places_) {
    const std::set<Position>& got = delivered[std::string(place.sink->place())];
    for (const auto& [position, text] : heads_) {
      if (got.count(position) == 0) place.open.insert(position);
    }
  }
  if (last_ > 0) return {};
  // The first one is due when the log is so old, however often the daemon was restarted.
  return ports_.store.ReadAll(0, 1, [&](const RecordedEvent& first) {
    due_ = first.recorded_at + options_.every;
    return false;
  });
}

// Whether anything but our own book-keeping was written since the newest head.
bool HeadKeeper::IsNews() const {
  bool news = false;
  const Status read =
      ports_.store.ReadAll(last_, ports_.store.Head() - last_, [&](const RecordedEvent& event) {
        news = event.stream != AuditStream();
        return !news;
      });
  return news || !read.ok();
}

Task<Status> HeadKeeper::Write(eventpb::EventBody event) {
  Origin origin;
  origin.actor = "muster";
  Handler::AuditDecision decide = [event = std::move(event)](const DecideContext&) {
    return StatusOr<Events>(Events{event});
  };
  const StatusOr<Outcome> written =
      co_await ports_.handler.Audit(std::move(decide), std::move(origin));
  co_return written.status();
}

Task<void> HeadKeeper::SignOne() {
  due_ = ports_.rt.Now() + options_.every;
  if (!IsNews()) co_return;
  std::string installation = ports_.handler.world().installation;
  const StatusOr<audit::SignedHead> head = co_await ports_.heads.Make(std::move(installation));
  Status status = head.status();
  if (status.ok()) {
    eventpb::HeadSigned made;
    made.set_position(head->head.position);
    made.set_head(head->text);
    eventpb::EventBody body = Wrap(made);
    status = co_await Write(std::move(body));
  }
  if (!status.ok()) {
    Log(LogLevel::kError,
        status.code() == StatusCode::kDataLoss ? "log_chain_broken" : "head_not_signed",
        {{"error", status}});
    due_ = ports_.rt.Now() + std::min(options_.retry.most, options_.every);
    co_return;
  }
  last_ = head->head.position;
  heads_[last_] = head->text;
  for (Place& place : places_) place.open.insert(last_);
}

Task<void> HeadKeeper::Deliver(Place& place) {
  while (!place.open.empty() && ports_.rt.Now() >= place.next_try) {
    const Position position = *place.open.begin();
    std::string line = heads_[position];
    Status status = co_await place.sink->Deliver(std::move(line));
    if (status.ok()) {
      eventpb::HeadDelivered done;
      done.set_position(position);
      done.set_place(std::string(place.sink->place()));
      eventpb::EventBody body = Wrap(done);
      status = co_await Write(std::move(body));
    }
    if (!status.ok()) {
      place.next_try = ports_.rt.Now() + place.backoff.Failed();
      Log(LogLevel::kWarning, "head_not_delivered",
          {{"place", std::string(place.sink->place())}, {"position", position}, {"error", status}});
      co_return;
    }
    place.backoff.Succeeded();
    place.open.erase(position);
  }
}

absl::Time HeadKeeper::NextWake() const {
  absl::Time wake = due_;
  for (const Place& place : places_) {
    if (!place.open.empty()) wake = std::min(wake, place.next_try);
  }
  return wake;
}

Task<void> HeadKeeper::Run() {
  if (const Status loaded = Load(); !loaded.ok()) {
    Log(LogLevel::kError, "heads_stopped", {{"error", loaded}});
    co_return;
  }
  while (true) {
    if (ports_.rt.Now() >= due_) co_await SignOne();
    for (Place& place : places_) co_await Deliver(place);
    std::erase_if(heads_, [this](const auto& head) {
      return std::none_of(places_.begin(), places_.end(),
                          [&](const Place& place) { return place.open.count(head.first) > 0; });
    });
    co_await ports_.rt.SleepUntil(NextWake());
  }
}

}  // namespace muster
