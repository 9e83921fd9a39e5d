// MemoryEventStore: the event store as a vector. The model that the real store is compared with,
// and the store of simulations: a MemoryLog outlives its store, so a crash and restart is a new
// MemoryEventStore over the same log.
//
//   auto log = std::make_shared<MemoryLog>();
//   MemoryEventStore before(rt1, log), after_restart(rt2, log);
//
// Borrows the Runtime, which must outlive it. As thread-safe as EventStore asks for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"

namespace muster {

// What would be on the disk.
struct MemoryLog {
  mutable absl::Mutex mutex;
  std::vector<RecordedEvent> events ABSL_GUARDED_BY(mutex);  // [n] has position n + 1
  absl::flat_hash_map<StreamId, std::vector<Position>> streams ABSL_GUARDED_BY(mutex);
  absl::flat_hash_map<EventId, Position> ids ABSL_GUARDED_BY(mutex);
  std::map<std::string, Snapshot, std::less<>> snapshots ABSL_GUARDED_BY(mutex);
  std::map<Position, std::string> redacted ABSL_GUARDED_BY(mutex);  // the pruned records
};

class MemoryEventStore final : public EventStore {
 public:
  explicit MemoryEventStore(Runtime& rt, std::shared_ptr<MemoryLog> log = nullptr);

  Task<StatusOr<Appended>> Append(StreamId stream, Expect expect, std::vector<NewEvent> events,
                                  absl::Time recorded_at) override;
  Status ReadStream(const StreamId& stream, Version after,
                    absl::FunctionRef<bool(const RecordedEvent&)> visit) const override;
  Status ReadAll(Position after, std::size_t limit,
                 absl::FunctionRef<bool(const RecordedEvent&)> visit) const override;
  Status ReadRecords(
      Position after, std::size_t limit,
      absl::FunctionRef<bool(Position, std::string_view record)> visit) const override;
  Position Head() const override;
  Version StreamVersion(const StreamId& stream) const override;
  Task<void> WaitPast(Position after, absl::Time deadline) override;
  Status SaveSnapshot(std::string_view name, const Snapshot& snapshot) override;
  StatusOr<Snapshot> LoadSnapshot(std::string_view name) const override;
  Status Redact(Position position, std::string replacement) override;
  Status Verify(Position after) const override;

  // The next append that would write fails with `status` and writes nothing. Reactor thread.
  void FailNextAppend(Status status) { fail_next_ = std::move(status); }

 private:
  StatusOr<Appended> Commit(const StreamId& stream, Expect expect, std::vector<NewEvent> events,
                            absl::Time recorded_at);
  std::string RecordAt(std::size_t index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(log_->mutex);
  StatusOr<Appended> Repeated(const StreamId& stream, const std::vector<NewEvent>& events,
                              Position first) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(log_->mutex);

  Runtime& rt_;
  const std::shared_ptr<MemoryLog> log_;
  const std::unique_ptr<Signal> grown_;
  Status fail_next_;
  bool redacted_ = false;  // since this store was opened
};

}  // namespace muster
