#include "eventstore/memory/memory_event_store.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "eventstore/record.h"

namespace muster {

MemoryEventStore::MemoryEventStore(Runtime& rt, std::shared_ptr<MemoryLog> log)
    : rt_(rt),
      log_(log != nullptr ? std::move(log) : std::make_shared<MemoryLog>()),
      grown_(rt.MakeSignal()) {}

Task<StatusOr<Appended>> MemoryEventStore::Append(StreamId stream, Expect expect,
                                                  std::vector<NewEvent> events,
                                                  absl::Time recorded_at) {
  CO_RETURN_IF_ERROR(CheckAppend(stream, events));
  // A real append lets others run before it is durable; who forgets that should fail here too.
  auto turn = std::make_shared<Promise<bool>>(rt_);
  rt_.Post([turn] { turn->Set(true); });
  co_await turn->Take();
  auto appended = Commit(stream, expect, std::move(events), recorded_at);
  if (appended.ok() && !appended->repeated) grown_->NotifyAll();
  co_return appended;
}

StatusOr<Appended> MemoryEventStore::Repeated(const StreamId& stream,
                                              const std::vector<NewEvent>& events,
                                              Position first) const {
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::size_t at = first - 1 + i;
    if (at >= log_->events.size() || log_->events[at].event.id != events[i].id ||
        log_->events[at].stream != stream) {
      return InvalidArgument(
          Cat("event id ", events[i].id.str(), " was appended before, but not in this company"));
    }
  }
  const RecordedEvent& last = log_->events[first + events.size() - 2];
  return Appended{last.position, last.version, true};
}

StatusOr<Appended> MemoryEventStore::Commit(const StreamId& stream, Expect expect,
                                            std::vector<NewEvent> events, absl::Time recorded_at) {
  absl::MutexLock lock(&log_->mutex);
  const bool known = std::any_of(events.begin(), events.end(), [this](const NewEvent& event) {
    log_->mutex.AssertHeld();
    return log_->ids.contains(event.id);
  });
  if (known) {
    const auto first = log_->ids.find(events[0].id);
    if (first != log_->ids.end()) return Repeated(stream, events, first->second);
    return InvalidArgument(Cat("event id ", events[0].id.str(), " is new, others are not"));
  }
  const auto found = log_->streams.find(stream);
  const Version version = found == log_->streams.end() ? 0 : found->second.size();
  if (version != expect.version) {
    return Aborted(
        Cat("stream ", stream.str(), " is at version ", version, ", not at ", expect.version));
  }
  if (!fail_next_.ok()) return std::exchange(fail_next_, Status());
  std::vector<Position>& positions = log_->streams[stream];
  std::string header;
  for (NewEvent& event : events) {
    RecordedEvent recorded;
    recorded.position = log_->events.size() + 1;
    recorded.stream = stream;
    recorded.version = positions.size() + 1;
    recorded.recorded_at = ToLogTime(recorded_at);
    recorded.event = std::move(event);
    recorded.event.occurred_at = ToLogTime(recorded.event.occurred_at);
    EncodeHeader(recorded, header);
    recorded.hash = ChainHash(log_->events.empty() ? kGenesisHash : log_->events.back().hash,
                              header, recorded.event.payload);
    positions.push_back(recorded.position);
    log_->ids.emplace(recorded.event.id, recorded.position);
    log_->events.push_back(std::move(recorded));
  }
  return Appended{log_->events.size(), positions.size(), false};
}

// Each event is copied out, so that `visit` runs without the lock and may call the store.
Status MemoryEventStore::ReadStream(const StreamId& stream, Version after,
                                    absl::FunctionRef<bool(const RecordedEvent&)> visit) const {
  RecordedEvent event;
  for (Version version = after;; ++version) {
    {
      absl::MutexLock lock(&log_->mutex);
      const auto found = log_->streams.find(stream);
      if (found == log_->streams.end() || version >= found->second.size()) return {};
      event = log_->events[found->second[version] - 1];
    }
    if (!visit(event)) return {};
  }
}

Status MemoryEventStore::ReadAll(Position after, std::size_t limit,
                                 absl::FunctionRef<bool(const RecordedEvent&)> visit) const {
  RecordedEvent event;
  for (Position at = after; limit > 0; ++at, --limit) {
    {
      absl::MutexLock lock(&log_->mutex);
      if (at >= log_->events.size()) return {};
      event = log_->events[at];
    }
    if (!visit(event)) return {};
  }
  return {};
}

// As the store on the disk would have it.
std::string MemoryEventStore::RecordAt(std::size_t index) const {
  const auto pruned = log_->redacted.find(index + 1);
  if (pruned != log_->redacted.end()) return pruned->second;
  std::string header, record;
  EncodeHeader(log_->events[index], header);
  EncodeRecord(log_->events[index], header, record);
  return record;
}

Status MemoryEventStore::ReadRecords(
    Position after, std::size_t limit,
    absl::FunctionRef<bool(Position, std::string_view record)> visit) const {
  std::string record;
  for (Position at = after; limit > 0; ++at, --limit) {
    {
      absl::MutexLock lock(&log_->mutex);
      if (at >= log_->events.size()) return {};
      record = RecordAt(at);
    }
    if (!visit(at + 1, record)) return {};
  }
  return {};
}

Status MemoryEventStore::Redact(Position position, std::string replacement) {
  absl::MutexLock lock(&log_->mutex);
  if (position == 0 || position > log_->events.size()) {
    return NotFound(Cat("nothing is at position ", position));
  }
  MUSTER_ASSIGN_OR_RETURN(std::string pruned, PruneRecord(RecordAt(position - 1)));
  log_->redacted.insert_or_assign(position, std::move(pruned));
  log_->events[position - 1].event.payload = std::move(replacement);
  log_->snapshots.clear();
  redacted_ = true;
  return {};
}

Position MemoryEventStore::Head() const {
  absl::MutexLock lock(&log_->mutex);
  return log_->events.size();
}

Version MemoryEventStore::StreamVersion(const StreamId& stream) const {
  absl::MutexLock lock(&log_->mutex);
  const auto found = log_->streams.find(stream);
  return found == log_->streams.end() ? 0 : found->second.size();
}

Task<void> MemoryEventStore::WaitPast(Position after, absl::Time deadline) {
  while (Head() <= after && rt_.Now() < deadline) co_await grown_->WaitUntil(deadline);
}

Status MemoryEventStore::SaveSnapshot(std::string_view name, const Snapshot& snapshot) {
  absl::MutexLock lock(&log_->mutex);
  if (redacted_) return FailedPrecondition("no snapshot is kept after a redaction; restart");
  log_->snapshots.insert_or_assign(std::string(name), snapshot);
  return {};
}

StatusOr<Snapshot> MemoryEventStore::LoadSnapshot(std::string_view name) const {
  absl::MutexLock lock(&log_->mutex);
  const auto found = log_->snapshots.find(name);
  if (found == log_->snapshots.end()) return NotFound(Cat("no snapshot ", name));
  return found->second;
}

Status MemoryEventStore::Verify(Position after) const {
  absl::MutexLock lock(&log_->mutex);
  for (std::size_t at = after; at < log_->events.size(); ++at) {
    const RecordedEvent& event = log_->events[at];
    const EventHash& previous = at == 0 ? kGenesisHash : log_->events[at - 1].hash;
    if (event.position != at + 1 || !ChainHolds(RecordAt(at), previous)) {
      return DataLoss(Cat("event ", at + 1, " breaks the hash chain"));
    }
  }
  return {};
}

}  // namespace muster
