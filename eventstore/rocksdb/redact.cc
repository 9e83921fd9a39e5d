// Redaction of RocksDbEventStore: a record's payload goes, its digest stays.
#include <rocksdb/db.h>

#include "eventstore/record.h"
#include "eventstore/rocksdb/keys.h"
#include "eventstore/rocksdb/log_db.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "eventstore/rocksdb/shared_db.h"
#include "eventstore/rocksdb/snapshot_files.h"

namespace muster {
namespace {

// Puts `record` in the place of what stands at `position`, and sees to it that the bytes before it
// are in no file any more: neither in the write-ahead log nor in a table.
Status Overwrite(const rocks::LogDb& db, Position position, const std::string& record) {
  const std::string context = Cat("cannot redact event ", position);
  const std::string key = rocks::PositionBytes(position);
  rocksdb::WriteOptions write;
  write.sync = true;
  MUSTER_RETURN_IF_ERROR(rocks::FromRocks(db.db().Put(write, db.log(), key, record), context));
  const auto flushed = db.db().Flush(
      rocksdb::FlushOptions(), {db.db().DefaultColumnFamily(), db.log(), db.streams(), db.ids()});
  MUSTER_RETURN_IF_ERROR(rocks::FromRocks(flushed, context));
  rocksdb::CompactRangeOptions compact;
  compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  const rocksdb::Slice at(key);
  return rocks::FromRocks(db.db().CompactRange(compact, db.log(), &at, &at), context);
}

}  // namespace

Status RocksDbEventStore::Redact(Position position, std::string replacement) {
  if (position == 0 || position > Head()) {
    return NotFound(Cat("nothing is at position ", position));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto db, db_->Get());
  Status bad;
  bool pruned_before = false;
  std::string pruned;
  MUSTER_RETURN_IF_ERROR(
      db->Walk(position - 1, 1, position, [&](Position, std::string_view record) {
        const StatusOr<RecordView> view = ViewRecord(record);
        if (!view.ok()) {
          bad = rocks::Damaged(position, Message(view.status()));
        } else if (!(pruned_before = view->pruned)) {
          pruned = PruneRecord(record).value_or("");
        }
        return false;
      }));
  MUSTER_RETURN_IF_ERROR(bad);
  if (!pruned_before) {
    // Snapshots first: after a crash in between nothing tells that they hold the text.
    MUSTER_RETURN_IF_ERROR(snapshots_->Abandon());
    MUSTER_RETURN_IF_ERROR(Overwrite(*db, position, pruned));
  }
  absl::MutexLock lock(&mutex_);
  replacements_.insert_or_assign(position, std::move(replacement));
  redacted_ = true;
  return {};
}

const RecordedEvent& RocksDbEventStore::Shown(const RecordedEvent& event,
                                              RecordedEvent& kept) const {
  if (!redacted_ || !event.event.payload.empty()) return event;
  absl::MutexLock lock(&mutex_);
  const auto found = replacements_.find(event.position);
  if (found == replacements_.end()) return event;
  kept = event;
  kept.event.payload = found->second;
  return kept;
}

}  // namespace muster
