// SharedDb: the open database, which readers borrow and the Committer can open anew.
//
// RocksDB does not come back from a full disk by itself in every case (its log writer remembers the
// error), but a database that is closed and opened again does. Owns the folder's lock. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/rocksdb/log_db.h"

namespace muster::rocks {

// The lock that keeps a second process out.
class FolderLock {
 public:
  // kFailedPrecondition  another process has it, or the folder is not writable: names the path
  static StatusOr<std::unique_ptr<FolderLock>> Take(const std::string& folder, rocksdb::Env* env);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  FolderLock(rocksdb::Env* env, rocksdb::FileLock* lock) : env_(env), lock_(lock) {}
  rocksdb::Env* const env_;
  rocksdb::FileLock* const lock_;
};

class SharedDb {
 public:
  // As LogDb::Open, under the folder's lock.
  static StatusOr<std::unique_ptr<SharedDb>> Open(const std::string& path, rocksdb::Env* env);

  // Hold it for one reading, not longer: Reopen waits for nobody, it refuses.
  //
  // kUnavailable  reopening failed so badly that nothing can be read: restart
  StatusOr<std::shared_ptr<const LogDb>> Get() const;

  // Closes the database and opens it again, once `room_bytes` can be written. Readers who come
  // meanwhile wait. If opening fails all the same, reading goes on and writing does not.
  //
  // kResourceExhausted  still no room, or a reader is busy: try again later
  Status Reopen(std::size_t room_bytes);

 private:
  SharedDb(std::string path, rocksdb::Env* env, std::unique_ptr<FolderLock> lock,
           std::unique_ptr<LogDb> db)
      : path_(std::move(path)), env_(env), lock_(std::move(lock)), db_(std::move(db)) {}

  const std::string path_;
  rocksdb::Env* const env_;
  const std::unique_ptr<FolderLock> lock_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const LogDb> db_ ABSL_GUARDED_BY(mutex_);  // null: not even readable
};

}  // namespace muster::rocks
