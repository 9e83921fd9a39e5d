// FaultFs: the file system with a disk that fills up and syncs that fail, for the RocksDB store.
//
//   FaultFs faults;
//   RocksDbEventStore::Open(rt, {.path = path, .env = faults.env()});
//   faults.set_room(100);   // 100 bytes more, then no space; what fits of a write is written
//
// Owns the Env, which must outlive the store. Thread-safe.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace muster {

class FaultFs {
 public:
  static constexpr std::int64_t kPlenty = std::int64_t{1} << 60;

  FaultFs();
  ~FaultFs();
  rocksdb::Env* env() { return env_.get(); }

  void set_room(std::int64_t bytes) { state_->room = bytes; }
  void set_syncs_fail(bool fail) { state_->syncs_fail = fail; }
  void set_writes_fail(bool fail) { state_->writes_fail = fail; }

  struct State {
    std::atomic<std::int64_t> room = kPlenty;
    std::atomic<bool> syncs_fail = false;   // with an I/O error
    std::atomic<bool> writes_fail = false;  // with an I/O error
  };

 private:
  const std::shared_ptr<State> state_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace muster
