// CrashDisk: a disk in memory under the RocksDB store. When the power goes, what was synced stays;
// of what was written and not synced, chance leaves all, nothing, or a torn piece.
//
//   CrashDisk disk(seed);
//   auto store = disk.Open(rt);
//   disk.CutAfter(3, [&] { rt.Halt(); });   // at the third write or sync of the log from now on
//   ...
//   store.reset();
//   disk.Crash(CrashDisk::Loss::kPower);
//   store = disk.Open(rt);                  // recovers what is left
//
// The store commits on the reactor. Reactor thread; RocksDB's own threads come and go as they like.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "eventstore/base/rng.h"
#include "eventstore/event_store.h"
#include "workers/virtual/virtual_runtime.h"

namespace rocksdb {
class Env;
}

namespace muster {

class CrashDisk {
 public:
  enum class Loss {
    kProcess,  // the system lives on: all that was written stays
    kPower,
  };

  explicit CrashDisk(std::uint64_t seed);
  ~CrashDisk();

  // Opens the store that is on the disk, which starts empty. Errors as RocksDbEventStore::Open.
  // The disk must outlive the store. REQUIRES: no other one is open
  StatusOr<std::unique_ptr<EventStore>> Open(Runtime& rt);

  // The store that is open now writes nothing more once it has written to or synced its log `calls`
  // times more: the last of them is cut short. `then` is called at that moment, before the writer
  // hears of it.
  void CutAfter(int calls, std::function<void()> then);
  // It writes nothing more from now on.
  void Cut();

  // REQUIRES: the store is destroyed
  void Crash(Loss loss);

  // Bytes of the log that Crash found written and not synced, and those that it left of them.
  std::uint64_t bytes_at_risk() const { return at_risk_; }
  std::uint64_t bytes_left() const { return left_; }

  struct Files;
  struct Mount;

 private:
  const std::shared_ptr<Files> files_;
  std::shared_ptr<Mount> mount_;
  std::unique_ptr<rocksdb::Env> env_;
  Rng rng_;
  std::uint64_t at_risk_ = 0, left_ = 0;
};

}  // namespace muster
