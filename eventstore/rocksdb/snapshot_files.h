// SnapshotFiles: disposable state beside the log, one file per name: crc32c | position | state.
//
// Not in the database: a full disk while saving a snapshot must not trouble the log, and megabytes
// of state must not wait in the way of an append's sync. Never synced: what a crash tears fails its
// checksum and reads as absent. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/event_store.h"

namespace rocksdb {
class Env;
}

namespace muster::rocks {

class SnapshotFiles {
 public:
  // `env` is borrowed. The folder is made when the first snapshot is saved.
  SnapshotFiles(rocksdb::Env* env, std::string folder) : env_(env), folder_(std::move(folder)) {}

  // kResourceExhausted, kUnavailable  not saved; the one before it may be lost too
  Status Save(std::string_view name, const Snapshot& snapshot);
  // kNotFound  none, or damaged
  StatusOr<Snapshot> Load(std::string_view name) const;
  // Removes all there are, and refuses to save any more.
  // kUnavailable  some may be left
  Status Abandon();

 private:
  std::string FileOf(std::string_view name) const;

  rocksdb::Env* const env_;
  const std::string folder_;
  absl::Mutex saving_;
  bool abandoned_ ABSL_GUARDED_BY(saving_) = false;
};

}  // namespace muster::rocks
