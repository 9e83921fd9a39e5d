#include "tests/stage/crash_disk.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <utility>

#include "eventstore/base/check.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "tests/stage/memory_fs.h"

namespace muster {
namespace {

constexpr std::size_t kSector = 64;

bool IsLog(const std::string& name) { return name.ends_with(".log"); }
bool IsSnapshot(const std::string& name) { return name.find(".snapshot") != std::string::npos; }

// How much of `size` bytes that were not synced is left: all, nothing, or some.
std::size_t Left(Rng& rng, std::size_t size) {
  switch (rng.Below(4)) {
    case 0:
      return size;
    case 1:
      return 0;
    default:
      return rng.Below(size + 1);
  }
}

}  // namespace

CrashDisk::CrashDisk(std::uint64_t seed)
    : files_(std::make_shared<Files>()), rng_(seed ^ 0xd15cULL) {}
CrashDisk::~CrashDisk() = default;

StatusOr<std::unique_ptr<EventStore>> CrashDisk::Open(Runtime& rt) {
  mount_ = std::make_shared<Mount>(files_);
  env_ = rocksdb::NewCompositeEnv(MakeMemoryFs(mount_));
  auto store =
      RocksDbEventStore::Open(rt, {.path = "/store", .commit_thread = false, .env = env_.get()});
  if (!store.ok()) return store.status();
  return std::unique_ptr<EventStore>(*std::move(store));
}

void CrashDisk::CutAfter(int calls, std::function<void()> then) {
  MUSTER_CHECK(calls > 0);
  mount_->calls_left = calls;
  mount_->then = std::move(then);
}

void CrashDisk::Cut() {
  if (mount_ != nullptr) mount_->cut = true;
}

void CrashDisk::Crash(Loss loss) {
  Cut();
  absl::MutexLock lock(&files_->mutex);
  for (auto& [name, file] : files_->files) {
    absl::MutexLock file_lock(&file->mutex);
    const std::size_t written = file->bytes.size();
    if (loss == Loss::kPower && file->synced < written) {
      // What RocksDB's threads were at depends on the machine: it goes, and draws nothing.
      const bool drawn = IsLog(name) || IsSnapshot(name);
      const std::size_t left = drawn ? Left(rng_, written - file->synced) : 0;
      file->bytes.resize(file->synced + left);
      if (drawn && left > 0 && rng_.Chance(0.5)) {
        // The last sector got only half way.
        for (std::size_t i = left - std::min(left, kSector); i < left; ++i) {
          file->bytes[file->synced + i] = static_cast<char>(rng_.Below(256));
        }
      }
      if (IsLog(name)) {
        at_risk_ += written - file->synced;
        left_ += left;
      }
    }
    file->synced = file->bytes.size();
  }
}

}  // namespace muster
