#include "tests/stage/memory_fs.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <cstdarg>
#include <cstring>
#include <utility>

namespace muster {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Mount = CrashDisk::Mount;

IOStatus CutOff() { return IOStatus::IOError("the power is off"); }
IOStatus Missing(const std::string& name) { return IOStatus::PathNotFound(name); }

// One name for "/a//b/" and "/a/b".
std::string Plain(const std::string& name) {
  std::string plain;
  for (const char c : name) {
    if (c != '/' || !plain.ends_with('/')) plain += c;
  }
  if (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
  return plain;
}

bool IsLog(const std::string& name) { return name.ends_with(".log"); }

class Writer final : public rocksdb::FSWritableFile {
 public:
  Writer(std::shared_ptr<MemoryFile> file, std::shared_ptr<Mount> mount, bool is_log)
      : file_(std::move(file)), mount_(std::move(mount)), is_log_(is_log) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    if (mount_->cut) return CutOff();
    {
      absl::MutexLock lock(&file_->mutex);
      file_->bytes.append(data.data(), data.size());
    }
    return Count() ? CutOff() : IOStatus::OK();
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    // A sync that the power interrupts has synced nothing that counts.
    if (mount_->cut || Count()) return CutOff();
    absl::MutexLock lock(&file_->mutex);
    file_->synced = file_->bytes.size();
    return IOStatus::OK();
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    return Sync(options, dbg);
  }
  bool IsSyncThreadSafe() const override { return true; }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    if (mount_->cut) return CutOff();
    absl::MutexLock lock(&file_->mutex);
    file_->bytes.resize(static_cast<std::size_t>(size));
    file_->synced = std::min(file_->synced, file_->bytes.size());
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    absl::MutexLock lock(&file_->mutex);
    return file_->bytes.size();
  }

 private:
  // True when this call is the one that is cut short.
  bool Count() {
    if (!is_log_ || mount_->calls_left == 0 || --mount_->calls_left > 0) return false;
    mount_->cut = true;
    mount_->then();
    return true;
  }

  const std::shared_ptr<MemoryFile> file_;
  const std::shared_ptr<Mount> mount_;
  const bool is_log_;
};

// Reads at `offset` into `scratch`.
void ReadAt(MemoryFile& file, std::uint64_t offset, std::size_t count, Slice* result,
            char* scratch) {
  absl::MutexLock lock(&file.mutex);
  const std::size_t from = std::min(static_cast<std::size_t>(offset), file.bytes.size());
  const std::size_t size = std::min(count, file.bytes.size() - from);
  std::memcpy(scratch, file.bytes.data() + from, size);
  *result = Slice(scratch, size);
}

class InOrder final : public rocksdb::FSSequentialFile {
 public:
  explicit InOrder(std::shared_ptr<MemoryFile> file) : file_(std::move(file)) {}
  IOStatus Read(std::size_t count, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    ReadAt(*file_, at_, count, result, scratch);
    at_ += result->size();
    return IOStatus::OK();
  }
  IOStatus Skip(std::uint64_t count) override {
    at_ += count;
    return IOStatus::OK();
  }

 private:
  const std::shared_ptr<MemoryFile> file_;
  std::uint64_t at_ = 0;
};

class AnyOrder final : public rocksdb::FSRandomAccessFile {
 public:
  explicit AnyOrder(std::shared_ptr<MemoryFile> file) : file_(std::move(file)) {}
  IOStatus Read(std::uint64_t offset, std::size_t count, const IOOptions&, Slice* result,
                char* scratch, IODebugContext*) const override {
    ReadAt(*file_, offset, count, result, scratch);
    return IOStatus::OK();
  }

 private:
  const std::shared_ptr<MemoryFile> file_;
};

class Folder final : public rocksdb::FSDirectory {
 public:
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
};

class NoLogger final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

struct Lock final : rocksdb::FileLock {};  // one process, one store

class MemoryFs final : public rocksdb::FileSystem {
 public:
  explicit MemoryFs(std::shared_ptr<Mount> mount)
      : mount_(std::move(mount)), disk_(*mount_->files) {}
  const char* Name() const override { return "MemoryFs"; }

  IOStatus NewSequentialFile(const std::string& name, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* file,
                             IODebugContext*) override {
    const auto found = Find(name);
    if (found == nullptr) return Missing(name);
    *file = std::make_unique<InOrder>(found);
    return IOStatus::OK();
  }
  IOStatus NewRandomAccessFile(const std::string& name, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                               IODebugContext*) override {
    const auto found = Find(name);
    if (found == nullptr) return Missing(name);
    *file = std::make_unique<AnyOrder>(found);
    return IOStatus::OK();
  }
  IOStatus NewWritableFile(const std::string& name, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext*) override {
    if (mount_->cut) return CutOff();
    auto made = std::make_shared<MemoryFile>();
    absl::MutexLock lock(&disk_.mutex);
    disk_.files[Plain(name)] = made;
    *file = std::make_unique<Writer>(std::move(made), mount_, IsLog(name));
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* dbg) override {
    auto found = Find(name);
    if (found == nullptr) return NewWritableFile(name, options, file, dbg);
    *file = std::make_unique<Writer>(std::move(found), mount_, IsLog(name));
    return IOStatus::OK();
  }
  IOStatus NewDirectory(const std::string&, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* folder, IODebugContext*) override {
    *folder = std::make_unique<Folder>();
    return IOStatus::OK();
  }
  // No log of RocksDB's own: its lines hold real times, and nobody reads them.
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* logger,
                     IODebugContext*) override {
    *logger = std::make_shared<NoLogger>();
    return IOStatus::OK();
  }

  IOStatus FileExists(const std::string& name, const IOOptions&, IODebugContext*) override {
    absl::MutexLock lock(&disk_.mutex);
    const bool there = disk_.files.contains(Plain(name)) || disk_.folders.contains(Plain(name));
    return there ? IOStatus::OK() : IOStatus::NotFound(name);
  }
  IOStatus GetChildren(const std::string& folder, const IOOptions&,
                       std::vector<std::string>* children, IODebugContext*) override {
    children->clear();
    const std::string prefix = Plain(folder) + "/";
    absl::MutexLock lock(&disk_.mutex);
    if (!disk_.folders.contains(Plain(folder))) return IOStatus::NotFound(folder);
    const auto add = [&](const std::string& name) {
      if (!name.starts_with(prefix)) return;
      const std::string rest = name.substr(prefix.size());
      if (!rest.empty() && rest.find('/') == std::string::npos) children->push_back(rest);
    };
    for (const auto& [name, file] : disk_.files) add(name);
    for (const std::string& name : disk_.folders) add(name);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions&, IODebugContext*) override {
    if (mount_->cut) return CutOff();
    absl::MutexLock lock(&disk_.mutex);
    return disk_.files.erase(Plain(name)) > 0 ? IOStatus::OK() : Missing(name);
  }
  IOStatus CreateDir(const std::string& name, const IOOptions& options,
                     IODebugContext* dbg) override {
    return CreateDirIfMissing(name, options, dbg);
  }
  IOStatus CreateDirIfMissing(const std::string& name, const IOOptions&, IODebugContext*) override {
    if (mount_->cut) return CutOff();
    absl::MutexLock lock(&disk_.mutex);
    disk_.folders.insert(Plain(name));
    return IOStatus::OK();
  }
  IOStatus DeleteDir(const std::string& name, const IOOptions&, IODebugContext*) override {
    if (mount_->cut) return CutOff();
    absl::MutexLock lock(&disk_.mutex);
    disk_.folders.erase(Plain(name));
    return IOStatus::OK();
  }
  IOStatus GetFileSize(const std::string& name, const IOOptions&, std::uint64_t* size,
                       IODebugContext*) override {
    const auto found = Find(name);
    if (found == nullptr) return Missing(name);
    absl::MutexLock lock(&found->mutex);
    *size = found->bytes.size();
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, std::uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    if (mount_->cut) return CutOff();
    absl::MutexLock lock(&disk_.mutex);
    const auto found = disk_.files.find(Plain(from));
    if (found == disk_.files.end()) return Missing(from);
    std::shared_ptr<MemoryFile> file = std::move(found->second);
    disk_.files.erase(found);
    disk_.files[Plain(to)] = std::move(file);
    return IOStatus::OK();
  }
  IOStatus LockFile(const std::string&, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    *lock = new Lock;
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete static_cast<Lock*>(lock);
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "/test";
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& name, const IOOptions&, std::string* path,
                           IODebugContext*) override {
    *path = name;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& name, const IOOptions&, bool* is,
                       IODebugContext*) override {
    absl::MutexLock lock(&disk_.mutex);
    *is = disk_.folders.contains(Plain(name));
    return IOStatus::OK();
  }

 private:
  std::shared_ptr<MemoryFile> Find(const std::string& name) {
    absl::MutexLock lock(&disk_.mutex);
    const auto found = disk_.files.find(Plain(name));
    return found == disk_.files.end() ? nullptr : found->second;
  }

  const std::shared_ptr<Mount> mount_;
  CrashDisk::Files& disk_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> MakeMemoryFs(std::shared_ptr<CrashDisk::Mount> mount) {
  return std::make_shared<MemoryFs>(std::move(mount));
}

}  // namespace muster
