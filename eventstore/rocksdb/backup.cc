// Backup and Restore of RocksDbEventStore, over RocksDB's backup engine: incremental, checksummed,
// and safe while writing goes on.
#include <rocksdb/env.h>
#include <rocksdb/utilities/backup_engine.h>

#include <charconv>
#include <memory>

#include "eventstore/rocksdb/log_db.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "eventstore/rocksdb/shared_db.h"

namespace muster {
namespace {

constexpr std::uint32_t kBackupsKept = 2;

rocksdb::BackupEngineOptions EngineOptions(const std::string& folder) {
  rocksdb::BackupEngineOptions options(folder);
  options.sync = true;
  options.share_table_files = true;
  return options;
}

// A restored store must hold what the backup said it holds.
Status CheckRestored(const std::string& path, const std::string& head_text) {
  MUSTER_ASSIGN_OR_RETURN(const auto db, rocks::LogDb::Open(path, rocksdb::Env::Default(),
                                                            rocks::LogDb::Mode::kReadOnly));
  rocks::Tip tip;
  MUSTER_RETURN_IF_ERROR(db->ReadTip(tip));
  Position head = 0;
  std::from_chars(head_text.data(), head_text.data() + head_text.size(), head);
  if (tip.position >= head) return {};
  return DataLoss(Cat("the backup should reach event ", head, " but ends at ", tip.position));
}

void RemoveFolder(rocksdb::Env* env, const std::string& folder) {
  std::vector<std::string> children;
  env->GetChildren(folder, &children).PermitUncheckedError();
  for (const std::string& child : children) {
    const std::string path = Cat(folder, "/", child);
    bool is_folder = false;
    if (env->IsDirectory(path, &is_folder).ok() && is_folder) {
      RemoveFolder(env, path);
    } else {
      env->DeleteFile(path).PermitUncheckedError();
    }
  }
  env->DeleteDir(folder).PermitUncheckedError();
}

Status RestoreInto(rocksdb::BackupEngineReadOnly& engine, const rocksdb::BackupInfo& newest,
                   const std::string& from, const std::string& path) {
  rocksdb::Env* env = rocksdb::Env::Default();
  MUSTER_RETURN_IF_ERROR(
      rocks::FromRocks(env->CreateDirIfMissing(path), Cat("cannot make ", path)));
  const std::string folder = path + "/db";
  const auto restored = engine.RestoreDBFromBackup(newest.backup_id, folder, folder);
  MUSTER_RETURN_IF_ERROR(rocks::FromRocks(restored, Cat("cannot restore ", from, " to ", path)));
  return CheckRestored(path, newest.app_metadata);
}

}  // namespace

StatusOr<Position> RocksDbEventStore::Backup(const std::string& to) const {
  const std::string context = Cat("cannot back up to ", to);
  MUSTER_ASSIGN_OR_RETURN(const auto db, db_->Get());
  rocksdb::Env* env = db->db().GetEnv();
  MUSTER_RETURN_IF_ERROR(rocks::FromRocks(env->CreateDirIfMissing(to), context));
  rocksdb::BackupEngine* opened = nullptr;
  MUSTER_RETURN_IF_ERROR(
      rocks::FromRocks(rocksdb::BackupEngine::Open(EngineOptions(to), env, &opened), context));
  const std::unique_ptr<rocksdb::BackupEngine> engine(opened);
  const Position head = Head();
  MUSTER_RETURN_IF_ERROR(rocks::FromRocks(
      engine->CreateNewBackupWithMetadata(rocksdb::CreateBackupOptions(), &db->db(), Cat(head)),
      context));
  MUSTER_RETURN_IF_ERROR(rocks::FromRocks(engine->PurgeOldBackups(kBackupsKept), context));
  return head;
}

Status RocksDbEventStore::Restore(const std::string& from, const std::string& path) {
  rocksdb::Env* env = rocksdb::Env::Default();
  if (env->FileExists(path).ok()) {
    return AlreadyExists(Cat("there is something at ", path, " already; move it away first"));
  }
  if (!env->FileExists(from + "/meta").ok()) return NotFound(Cat("no backup in ", from));
  rocksdb::BackupEngineReadOnly* opened = nullptr;
  MUSTER_RETURN_IF_ERROR(
      rocks::FromRocks(rocksdb::BackupEngineReadOnly::Open(EngineOptions(from), env, &opened),
                       Cat("cannot read the backup in ", from)));
  const std::unique_ptr<rocksdb::BackupEngineReadOnly> engine(opened);
  std::vector<rocksdb::BackupInfo> backups;
  engine->GetBackupInfo(&backups);
  if (backups.empty()) {
    std::vector<rocksdb::BackupID> damaged;
    engine->GetCorruptedBackups(&damaged);
    if (damaged.empty()) return NotFound(Cat("no backup in ", from));
    return DataLoss(Cat("all ", damaged.size(), " backups in ", from, " are damaged"));
  }
  const std::string unfinished = path + ".restoring";
  RemoveFolder(env, unfinished);
  Status restored = RestoreInto(*engine, backups.back(), from, unfinished);
  if (restored.ok()) {
    restored = rocks::FromRocks(env->RenameFile(unfinished, path), Cat("cannot make ", path));
  }
  if (!restored.ok()) RemoveFolder(env, unfinished);
  return restored;
}

}  // namespace muster
