// RocksDbEventStore: the event store of the daemon, in one folder of a local disk.
//
//   MUSTER_ASSIGN_OR_RETURN(auto store, RocksDbEventStore::Open(rt, {.path = "/var/lib/muster"}));
//   auto appended = co_await store->Append(stream, Expect::NoStream(), events, rt.Now());
//
// Appends that are asked for together share one fsync, on a thread of the store's own. Killing the
// process at any moment loses nothing that was acknowledged. Threads: as EventStore says; Backup
// and counters may be called from any thread. The Runtime must outlive the store, and no coroutine
// may wait in WaitPast when the store is destroyed; appends under way are finished.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"

namespace rocksdb {
class Env;
}

namespace muster {

namespace rocks {
class Committer;
class SharedDb;
class SnapshotFiles;
}  // namespace rocks

class RocksDbEventStore final : public EventStore {
 public:
  struct Options {
    std::string path;  // a folder; made if its parent is there
    // false: commits happen on the reactor, at the end of the turn that asked for them. For
    // simulations in virtual time, which cannot wait for a thread.
    bool commit_thread = true;
    rocksdb::Env* env = nullptr;  // borrowed; null = the operating system's. Tests inject faults.
  };
  struct Counters {
    std::uint64_t groups = 0;   // synced groups; appends / groups share one sync on average
    std::uint64_t appends = 0;  // that wrote
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;  // handed to the write-ahead log
    absl::Duration syncing;   // spent in fsync
  };

  // Opens the store at `options.path`, creating it when there is none.
  //
  // kFailedPrecondition  another process has it open, or its format is not ours; names the path
  // kDataLoss            too damaged to open: restore a backup
  // kResourceExhausted   the disk is full
  // kUnavailable         the path cannot be used; says why
  static StatusOr<std::unique_ptr<RocksDbEventStore>> Open(Runtime& rt, const Options& options);
  ~RocksDbEventStore() override;

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

  // Adds a backup to the folder `to` (made if its parent is there) while the store goes on, and
  // returns the head it holds. Files that an older backup there has are shared; the newest two
  // backups are kept. Takes as long as copying takes: call it from a thread of its own, one at a
  // time.
  //
  // kResourceExhausted, kUnavailable  not made; older backups there are untouched
  StatusOr<Position> Backup(const std::string& to) const;

  // Makes a store at `path` from the newest backup in `from`, checking every file's checksum. Other
  // processes see `path` only when it is complete.
  //
  // kNotFound       no backup in `from`
  // kAlreadyExists  there is something at `path`: move it away first
  // kDataLoss       the backup is damaged
  // kResourceExhausted, kUnavailable  not restored
  static Status Restore(const std::string& from, const std::string& path);

  Counters counters() const;

 private:
  RocksDbEventStore(Runtime& rt, std::unique_ptr<rocks::SharedDb> db,
                    std::shared_ptr<rocks::Committer> committer,
                    std::unique_ptr<rocks::SnapshotFiles> snapshots);

  // The event as readers are to see it: `kept` with its replacement, when it was redacted.
  const RecordedEvent& Shown(const RecordedEvent& event, RecordedEvent& kept) const;

  Runtime& rt_;
  const std::unique_ptr<rocks::SharedDb> db_;
  std::shared_ptr<rocks::Committer> committer_;
  const std::unique_ptr<rocks::SnapshotFiles> snapshots_;
  mutable absl::Mutex mutex_;
  std::map<Position, std::string> replacements_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> redacted_ = false;  // there are replacements
};

}  // namespace muster
