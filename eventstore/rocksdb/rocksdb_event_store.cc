#include "eventstore/rocksdb/rocksdb_event_store.h"

#include <rocksdb/env.h>

#include <utility>

#include "eventstore/record.h"
#include "eventstore/rocksdb/committer.h"
#include "eventstore/rocksdb/log_db.h"
#include "eventstore/rocksdb/shared_db.h"
#include "eventstore/rocksdb/snapshot_files.h"

namespace muster {

RocksDbEventStore::RocksDbEventStore(Runtime& rt, std::unique_ptr<rocks::SharedDb> db,
                                     std::shared_ptr<rocks::Committer> committer,
                                     std::unique_ptr<rocks::SnapshotFiles> snapshots)
    : rt_(rt),
      db_(std::move(db)),
      committer_(std::move(committer)),
      snapshots_(std::move(snapshots)) {}

RocksDbEventStore::~RocksDbEventStore() { committer_.reset(); }

StatusOr<std::unique_ptr<RocksDbEventStore>> RocksDbEventStore::Open(Runtime& rt,
                                                                     const Options& options) {
  rocksdb::Env* env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  MUSTER_ASSIGN_OR_RETURN(std::unique_ptr<rocks::SharedDb> shared,
                          rocks::SharedDb::Open(options.path, env));
  MUSTER_ASSIGN_OR_RETURN(const auto db, shared->Get());
  rocks::Tip tip;
  // A damaged newest event leaves nothing to chain the next one to: readable, not writable.
  Status stopped = db->ReadTip(tip);
  if (!stopped.ok()) {
    stopped = Annotate(stopped, "the chain cannot be continued, restore a backup to write again");
  }
  auto committer = std::make_shared<rocks::Committer>(rt, *shared, tip, std::move(stopped),
                                                      options.commit_thread);
  auto snapshots = std::make_unique<rocks::SnapshotFiles>(env, options.path + "/snapshots");
  return std::unique_ptr<RocksDbEventStore>(
      new RocksDbEventStore(rt, std::move(shared), std::move(committer), std::move(snapshots)));
}

Task<StatusOr<Appended>> RocksDbEventStore::Append(StreamId stream, Expect expect,
                                                   std::vector<NewEvent> events,
                                                   absl::Time recorded_at) {
  CO_RETURN_IF_ERROR(CheckAppend(stream, events));
  auto append = std::make_shared<rocks::PendingAppend>(rt_, std::move(stream), expect,
                                                       std::move(events), recorded_at);
  committer_->Submit(append);
  // From here on the store may be destroyed: the promise is kept all the same.
  co_return co_await append->done.Take();
}

Status RocksDbEventStore::ReadStream(const StreamId& stream, Version after,
                                     absl::FunctionRef<bool(const RecordedEvent&)> visit) const {
  MUSTER_ASSIGN_OR_RETURN(const auto db, db_->Get());
  RecordedEvent kept;
  const auto show = [&](const RecordedEvent& event) { return visit(Shown(event, kept)); };
  return db->ReadStream(stream, after, Head(), show);
}

Status RocksDbEventStore::ReadAll(Position after, std::size_t limit,
                                  absl::FunctionRef<bool(const RecordedEvent&)> visit) const {
  RecordedEvent event, kept;
  Status bad;
  const auto decode = [&](Position position, std::string_view record) {
    bad = rocks::DecodeAt(position, record, event);
    return bad.ok() && visit(Shown(event, kept));
  };
  MUSTER_ASSIGN_OR_RETURN(const auto db, db_->Get());
  MUSTER_RETURN_IF_ERROR(db->Walk(after, limit, Head(), decode));
  return bad;
}

Status RocksDbEventStore::ReadRecords(
    Position after, std::size_t limit,
    absl::FunctionRef<bool(Position, std::string_view record)> visit) const {
  MUSTER_ASSIGN_OR_RETURN(const auto db, db_->Get());
  return db->Walk(after, limit, Head(), visit);
}

Position RocksDbEventStore::Head() const { return committer_->head(); }

Version RocksDbEventStore::StreamVersion(const StreamId& stream) const {
  // An unreadable index reads as no stream; an append to it then says what is wrong.
  const auto db = db_->Get();
  return db.ok() ? (*db)->StreamVersion(stream, Head()).value_or(0) : 0;
}

Task<void> RocksDbEventStore::WaitPast(Position after, absl::Time deadline) {
  while (Head() <= after && rt_.Now() < deadline) {
    co_await committer_->grown().WaitUntil(deadline);
  }
}

Status RocksDbEventStore::SaveSnapshot(std::string_view name, const Snapshot& snapshot) {
  return snapshots_->Save(name, snapshot);
}

StatusOr<Snapshot> RocksDbEventStore::LoadSnapshot(std::string_view name) const {
  MUSTER_ASSIGN_OR_RETURN(Snapshot snapshot, snapshots_->Load(name));
  if (snapshot.position <= Head()) return snapshot;
  return NotFound(Cat("the snapshot ", name, " covers events up to ", snapshot.position,
                      ", which are not in the log"));
}

Status RocksDbEventStore::Verify(Position after) const {
  MUSTER_ASSIGN_OR_RETURN(const auto db, db_->Get());
  RecordedEvent event;
  EventHash previous = kGenesisHash;
  if (after > 0) {
    MUSTER_RETURN_IF_ERROR(db->Read(after, event));
    previous = event.hash;
  }
  Status bad;
  const auto check = [&](Position position, std::string_view record) {
    bad = rocks::DecodeAt(position, record, event);
    if (bad.ok() && !ChainHolds(record, previous)) {
      bad = rocks::Damaged(position, "it breaks the hash chain");
    }
    previous = event.hash;
    return bad.ok();
  };
  MUSTER_RETURN_IF_ERROR(db->Walk(after, static_cast<std::size_t>(-1), Head(), check));
  return bad;
}

RocksDbEventStore::Counters RocksDbEventStore::counters() const {
  const rocks::Committer::Counters& now = committer_->counters();
  return {.groups = now.groups,
          .appends = now.appends,
          .events = now.events,
          .bytes = now.bytes,
          .syncing = absl::Microseconds(now.sync_us.load())};
}

}  // namespace muster
