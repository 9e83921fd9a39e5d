// Syncer: waits for a sync wide awake when many wait for it, and asleep when few do.
//
// A disk with a protected cache syncs in some 50 us; falling asleep and being woken again can take
// longer than that (on virtual machines, much longer). So under load the sync runs on a thread of
// its own while the caller spins for a moment, as RocksDB's own writers do; with few waiting, the
// caller syncs itself and burns nothing. One caller at a time.
#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace muster::rocks {

class Syncer {
 public:
  Syncer() : thread_([this] { RunThread(); }) {}
  ~Syncer();
  Syncer(const Syncer&) = delete;
  Syncer& operator=(const Syncer&) = delete;

  // Syncs the write-ahead log of `db`.
  rocksdb::Status Sync(rocksdb::DB& db, std::size_t waiting);

 private:
  void RunThread();

  absl::Mutex mutex_;
  rocksdb::DB* request_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  rocksdb::Status result_;  // handed over by done_
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace muster::rocks
