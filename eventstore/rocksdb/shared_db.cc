#include "eventstore/rocksdb/shared_db.h"

#include <rocksdb/env.h>

#include <utility>

namespace muster::rocks {

StatusOr<std::unique_ptr<FolderLock>> FolderLock::Take(const std::string& folder,
                                                       rocksdb::Env* env) {
  const std::string file = folder + "/store.lock";
  rocksdb::FileLock* lock = nullptr;
  if (const auto locked = env->LockFile(file, &lock); !locked.ok()) {
    return FailedPrecondition(
        Cat("the event store ", folder, " is in use by another process or not writable (", file,
            ": ", locked.ToString(), "); stop that process or choose another path"));
  }
  return std::unique_ptr<FolderLock>(new FolderLock(env, lock));
}

FolderLock::~FolderLock() { env_->UnlockFile(lock_).PermitUncheckedError(); }

namespace {

Status ProbeRoom(rocksdb::Env* env, const std::string& path, std::size_t room_bytes) {
  const std::string file = path + "/room.probe";
  const auto written =
      rocksdb::WriteStringToFile(env, std::string(room_bytes, '\0'), file, /*should_sync=*/true);
  env->DeleteFile(file).PermitUncheckedError();
  return FromRocks(written, Cat("no room in ", path));
}

}  // namespace

StatusOr<std::unique_ptr<SharedDb>> SharedDb::Open(const std::string& path, rocksdb::Env* env) {
  MUSTER_RETURN_IF_ERROR(
      FromRocks(env->CreateDirIfMissing(path), Cat("cannot make the store's folder ", path)));
  MUSTER_ASSIGN_OR_RETURN(std::unique_ptr<FolderLock> lock, FolderLock::Take(path, env));
  MUSTER_ASSIGN_OR_RETURN(std::unique_ptr<LogDb> db,
                          LogDb::Open(path, env, LogDb::Mode::kReadWrite));
  return std::unique_ptr<SharedDb>(new SharedDb(path, env, std::move(lock), std::move(db)));
}

StatusOr<std::shared_ptr<const LogDb>> SharedDb::Get() const {
  absl::MutexLock lock(&mutex_);
  if (db_ != nullptr) return db_;
  return Unavailable(Cat("the event store ", path_, " could not be opened again; restart"));
}

Status SharedDb::Reopen(std::size_t room_bytes) {
  MUSTER_RETURN_IF_ERROR(ProbeRoom(env_, path_, room_bytes));
  absl::MutexLock lock(&mutex_);
  if (db_.use_count() > 1) {
    return ResourceExhausted("the disk was full; the store goes on when readers are done");
  }
  db_.reset();
  auto opened = LogDb::Open(path_, env_, LogDb::Mode::kReadWrite);
  const Status status = opened.status();
  if (!opened.ok()) opened = LogDb::Open(path_, env_, LogDb::Mode::kReadOnly);
  if (opened.ok()) db_ = *std::move(opened);
  return status;
}

}  // namespace muster::rocks
