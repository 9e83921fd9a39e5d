// MemoryFs: a file system in memory for RocksDB, which knows of every file how much is synced.
// Names and folders are durable at once. Thread-safe; internal to CrashDisk.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "tests/stage/crash_disk.h"

namespace muster {

// The bytes of one file, shared by its name and those who have it open.
struct MemoryFile {
  absl::Mutex mutex;
  std::string bytes ABSL_GUARDED_BY(mutex);
  std::size_t synced ABSL_GUARDED_BY(mutex) = 0;
};

// What is on the disk. Outlives every mount.
struct CrashDisk::Files {
  absl::Mutex mutex;
  std::map<std::string, std::shared_ptr<MemoryFile>> files ABSL_GUARDED_BY(mutex);
  std::set<std::string> folders ABSL_GUARDED_BY(mutex);
};

// The disk as one store sees it, until it is cut off.
struct CrashDisk::Mount {
  explicit Mount(std::shared_ptr<Files> on) : files(std::move(on)) {}
  const std::shared_ptr<Files> files;
  std::atomic<bool> cut = false;
  // Of the log's writer alone, which is the reactor thread.
  int calls_left = 0;  // 0 = no end
  std::function<void()> then;
};

std::shared_ptr<rocksdb::FileSystem> MakeMemoryFs(std::shared_ptr<CrashDisk::Mount> mount);

}  // namespace muster
