#include "services/notify/alert_watch.h"

#include <algorithm>
#include <utility>

#include "eventstore/base/log.h"

namespace muster::notify {
namespace {

// Of a fleet's stream, which may be a year long, so much is looked at when the daemon starts: far
// more than happens to a fleet in the time after which it is short.
constexpr Version kLookBack = 2000;

}  // namespace

AlertWatch::AlertWatch(Ports ports, AlertWatchOptions options)
    : ports_(std::move(ports)), options_(options), book_(options.thresholds) {}

// Since when a fleet is short, by its own stream: a daemon that restarts often counts on.
void AlertWatch::LoadShort(const FleetName& fleet) {
  absl::Time since = absl::InfiniteFuture();
  const double below = options_.thresholds.short_below;
  const StreamId stream = FleetStream(fleet);
  const Version newest = ports_.store.StreamVersion(stream);
  const Status read = ports_.store.ReadStream(
      stream, newest - std::min(newest, kLookBack), [&](const RecordedEvent& recorded) {
        const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
        if (!body.ok() || !body->has_fleet_health_changed()) return true;
        const eventpb::FleetHealthChanged& health = body->fleet_health_changed();
        const bool is_short = IsShort(health.healthy(), health.wanted(), below);
        if (!is_short) since = absl::InfiniteFuture();
        if (is_short && since == absl::InfiniteFuture()) since = recorded.event.occurred_at;
        return true;
      });
  if (read.ok() && since != absl::InfiniteFuture()) book_.BeginShort(fleet, since);
}

Status AlertWatch::Load() {
  Status decoded;
  MUSTER_RETURN_IF_ERROR(
      ports_.store.ReadStream(AlertStream(), 0, [&](const RecordedEvent& recorded) {
        const auto body = DecodeEvent(recorded.event.type, recorded.event.payload);
        decoded = body.status();
        if (body.ok()) book_.Fold(*body, recorded.position);
        return decoded.ok();
      }));
  MUSTER_RETURN_IF_ERROR(decoded);
  for (const auto& [name, fleet] : ports_.handler.world().fleets) {
    if (fleet.active()) LoadShort(name);
  }
  return absl::OkStatus();
}

Task<void> AlertWatch::Look() {
  if (!ports_.handler.stopped().ok() && !std::exchange(told_, true)) {
    ports_.unwritable(
        Cat("the log cannot be written, so muster has stopped acting until it is "
            "restarted: ",
            Message(ports_.handler.stopped())));
  }
  Events events = book_.Decide(ports_.inputs(), ports_.rt.Now());
  if (events.empty()) co_return;
  StreamId stream = AlertStream();
  Handler::AsideDecision decide = [events = std::move(events)](const DecideContext&) {
    return StatusOr<Events>(events);
  };
  Origin origin;
  origin.actor = "muster";
  const StatusOr<Outcome> written =
      co_await ports_.handler.Aside(std::move(stream), std::move(decide), std::move(origin));
  if (!written.ok()) {
    Log(LogLevel::kError, "alerts_not_written", {{"error", written.status()}});
    co_return;
  }
  for (const Written& event : written->events) book_.Fold(event.body, event.position);
}

Task<void> AlertWatch::Run() {
  if (const Status loaded = Load(); !loaded.ok()) {
    Log(LogLevel::kError, "alerts_stopped", {{"error", loaded}});
    co_return;
  }
  while (true) {
    co_await Look();
    co_await ports_.rt.SleepFor(options_.every);
  }
}

}  // namespace muster::notify
