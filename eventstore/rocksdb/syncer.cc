#include "eventstore/rocksdb/syncer.h"

#include <chrono>

namespace muster::rocks {
namespace {

constexpr std::size_t kManyWaiting = 16;
constexpr std::chrono::microseconds kAwakeMax(200);

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Syncer::~Syncer() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  thread_.join();
}

rocksdb::Status Syncer::Sync(rocksdb::DB& db, std::size_t waiting) {
  if (waiting < kManyWaiting) return db.SyncWAL();
  done_.store(false, std::memory_order_relaxed);
  {
    absl::MutexLock lock(&mutex_);
    request_ = &db;
  }
  const auto end = std::chrono::steady_clock::now() + kAwakeMax;
  while (!done_.load(std::memory_order_acquire) && std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 50; ++i) Pause();
  }
  if (!done_.load(std::memory_order_acquire)) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](Syncer* self) { return self->done_.load(std::memory_order_acquire); }, this));
  }
  return result_;
}

void Syncer::RunThread() {
  while (true) {
    rocksdb::DB* db = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](Syncer* self) {
            self->mutex_.AssertHeld();
            return self->request_ != nullptr || self->closing_;
          },
          this));
      if (request_ == nullptr) return;
      db = std::exchange(request_, nullptr);
    }
    result_ = db->SyncWAL();
    // Under the lock, so that a caller who fell asleep is woken.
    absl::MutexLock lock(&mutex_);
    done_.store(true, std::memory_order_release);
  }
}

}  // namespace muster::rocks
