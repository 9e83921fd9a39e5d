#include "services/replay/run.h"

#include <algorithm>
#include <utility>

#include "eventstore/record.h"
#include "eventstore/rocksdb/store_folder.h"

namespace muster {

ReadLogFn ReadFrom(const EventStore& store) {
  return [&store](Position after, std::size_t limit,
                  absl::FunctionRef<bool(const RecordedEvent&)> visit) {
    return store.ReadAll(after, limit, visit);
  };
}

ReadLogFn ReadFromFolder(std::string path) {
  return [path = std::move(path)](Position after, std::size_t limit,
                                  absl::FunctionRef<bool(const RecordedEvent&)> visit) {
    Status decoded;
    RecordedEvent event;
    std::size_t seen = 0;
    const Status read = ReadStoreFolder(path, [&](std::string_view record) {
      decoded = DecodeRecord(record, event);
      if (!decoded.ok()) return false;
      if (event.position <= after) return true;
      return visit(event) && ++seen < limit;
    });
    return decoded.ok() ? read : decoded;
  };
}

StatusOr<replay::Recorded> ToRecorded(const RecordedEvent& recorded) {
  StatusOr<eventpb::EventBody> body = DecodeEvent(recorded.event.type, recorded.event.payload);
  if (!body.ok()) return Annotate(body.status(), Cat("position ", recorded.position));
  return replay::Recorded{.position = recorded.position,
                          .stream = recorded.stream,
                          .recorded_at = recorded.recorded_at,
                          .occurred_at = recorded.event.occurred_at,
                          .by_policy = replay::IsPolicy(recorded.event.actor),
                          .pass = PassMarkOf(recorded.event.correlation),
                          .body = *std::move(body)};
}

ReplayRun::ReplayRun(ReplayQuestion question, ReadLogFn read, World start)
    : question_(std::move(question)), read_(std::move(read)), start_(std::move(start)) {
  at_ = start_.head;
}

ReplayRun::~ReplayRun() = default;

bool ReplayRun::InSpan(const RecordedEvent& recorded) const {
  return recorded.position <= question_.until && recorded.recorded_at <= question_.until_time;
}

StatusOr<bool> ReplayRun::Step(std::size_t events) {
  switch (phase_) {
    case Phase::kFold:
      MUSTER_RETURN_IF_ERROR(Fold(events));
      break;
    case Phase::kScan:
      MUSTER_RETURN_IF_ERROR(Scan(events));
      break;
    case Phase::kReplay:
      MUSTER_RETURN_IF_ERROR(Replay(events));
      break;
    case Phase::kDone:
      break;
  }
  return phase_ == Phase::kDone;
}

Status ReplayRun::Fold(std::size_t events) {
  bool more = false;
  Status decoded;
  MUSTER_RETURN_IF_ERROR(read_(at_, events, [&](const RecordedEvent& recorded) {
    const bool before =
        recorded.position <= question_.since || recorded.recorded_at < question_.since_time;
    more = before;
    if (!before) return false;
    const StatusOr<replay::Recorded> event = ToRecorded(recorded);
    decoded = event.status();
    if (!decoded.ok()) return false;
    Evolve(start_, event->stream, event->body, Stamp{event->position, event->occurred_at});
    at_ = recorded.position;
    from_ = recorded.recorded_at;
    return true;
  }));
  MUSTER_RETURN_IF_ERROR(decoded);
  return more ? absl::OkStatus() : BeginScan();
}

Status ReplayRun::BeginScan() {
  phase_ = Phase::kScan;
  at_ = start_.head;
  scan_ = std::make_unique<replay::Scan>(start_.head);
  if (start_.head > 0 && from_ == absl::InfinitePast()) {  // nothing was to be folded
    MUSTER_RETURN_IF_ERROR(read_(start_.head - 1, 1, [&](const RecordedEvent& recorded) {
      from_ = recorded.recorded_at;
      return false;
    }));
  }
  if (start_.head > 0 && question_.since_time != absl::InfinitePast()) {
    from_ = std::max(from_, question_.since_time);
  }
  if (!question_.fleet.has_value()) return absl::OkStatus();
  const fleet::State* fleet = start_.FindFleet(*question_.fleet);
  if (fleet != nullptr && fleet->fleet_version > 0) live_spec_ = fleet->spec;
  return absl::OkStatus();
}

Status ReplayRun::Scan(std::size_t events) {
  bool more = false;
  Status decoded;
  MUSTER_RETURN_IF_ERROR(read_(at_, events, [&](const RecordedEvent& recorded) {
    more = InSpan(recorded);
    if (!more) return false;
    const StatusOr<replay::Recorded> event = ToRecorded(recorded);
    decoded = event.status();
    if (!decoded.ok()) return false;
    if (from_ == absl::InfinitePast()) from_ = recorded.recorded_at;
    if (!live_spec_.has_value() && question_.fleet.has_value() && event->body.has_fleet_applied() &&
        event->stream == FleetStream(*question_.fleet)) {
      live_spec_ = event->body.fleet_applied().spec();
    }
    scan_->Add(*event);
    at_ = recorded.position;
    return true;
  }));
  MUSTER_RETURN_IF_ERROR(decoded);
  return more ? absl::OkStatus() : BeginReplay();
}

Status ReplayRun::BeginReplay() {
  phase_ = Phase::kReplay;
  at_ = start_.head;
  replay::Options options{.fleet = question_.fleet,
                          .plan = question_.plan,
                          .differences_max = question_.differences_max};
  if (question_.fleet.has_value() && !live_spec_.has_value()) {
    return NotFound(Cat("there was no fleet ", question_.fleet->str(), " in that span"));
  }
  if (question_.policy.has_value()) {
    if (!question_.fleet.has_value()) return InvalidArgument("a policy is of one fleet: name it");
    if (question_.policy->provider() != live_spec_->provider()) {
      return InvalidArgument(Cat("provider: ", question_.policy->provider(), "; expected ",
                                 live_spec_->provider(), ", where the fleet's log is of"));
    }
    options.trial = replay::Trial{*question_.fleet, *question_.policy, std::nullopt};
    const fleet::State* fleet = start_.FindFleet(*question_.fleet);
    if (fleet != nullptr && fleet->scaled.position > fleet->applied.position) {
      Status decoded;
      MUSTER_RETURN_IF_ERROR(
          read_(fleet->applied.position - 1, 1, [&](const RecordedEvent& recorded) {
            const StatusOr<replay::Recorded> event = ToRecorded(recorded);
            decoded = event.status();
            if (event.ok() && event->body.has_fleet_applied()) {
              options.trial->file_workers = event->body.fleet_applied().spec().workers();
            }
            return false;
          }));
      MUSTER_RETURN_IF_ERROR(decoded);
    }
  }
  const absl::Time from = from_ == absl::InfinitePast() ? absl::UnixEpoch() : from_;
  replay_ = std::make_unique<replay::Replay>(std::move(start_), from, std::move(options), *scan_);
  start_ = World();
  start_.head = at_;
  return absl::OkStatus();
}

Status ReplayRun::Replay(std::size_t events) {
  bool more = false;
  Status decoded;
  MUSTER_RETURN_IF_ERROR(read_(at_, events, [&](const RecordedEvent& recorded) {
    more = InSpan(recorded);
    if (!more) return false;
    StatusOr<replay::Recorded> event = ToRecorded(recorded);
    decoded = event.status();
    if (!decoded.ok()) return false;
    replay_->Take(*std::move(event));
    at_ = recorded.position;
    return true;
  }));
  MUSTER_RETURN_IF_ERROR(decoded);
  if (more) return absl::OkStatus();
  report_ = replay_->Finish(question_.end);
  replay_.reset();
  phase_ = Phase::kDone;
  return absl::OkStatus();
}

apipb::ReplayResponse ReplayRun::Answer() const {
  return ToResponse(report_, question_.fleet.has_value() ? question_.fleet->str() : "",
                    live_spec_.has_value() ? &*live_spec_ : nullptr,
                    question_.policy.has_value() ? &*question_.policy : nullptr);
}

}  // namespace muster
