#include "tests/eventstore/fault_fs.h"

#include <utility>

namespace muster {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class FaultFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(std::unique_ptr<FSWritableFile> file, std::shared_ptr<FaultFs::State> state)
      : FSWritableFileOwnerWrapper(std::move(file)), state_(std::move(state)) {}

  using FSWritableFileOwnerWrapper::Append;
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
    if (state_->writes_fail) return IOStatus::IOError("injected write error");
    const auto size = static_cast<std::int64_t>(data.size());
    const std::int64_t room = state_->room.fetch_sub(size);
    if (size <= room) return FSWritableFileOwnerWrapper::Append(data, options, dbg);
    state_->room = 0;
    if (room > 0) {
      const Slice part(data.data(), static_cast<std::size_t>(room));
      FSWritableFileOwnerWrapper::Append(part, options, dbg).PermitUncheckedError();
    }
    return IOStatus::NoSpace("injected full disk");
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
    if (state_->syncs_fail) return IOStatus::IOError("injected sync error");
    return FSWritableFileOwnerWrapper::Sync(options, dbg);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    if (state_->syncs_fail) return IOStatus::IOError("injected sync error");
    return FSWritableFileOwnerWrapper::Fsync(options, dbg);
  }

 private:
  const std::shared_ptr<FaultFs::State> state_;
};

class Wrapper final : public rocksdb::FileSystemWrapper {
 public:
  explicit Wrapper(std::shared_ptr<FaultFs::State> state)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), state_(std::move(state)) {}
  const char* Name() const override { return "FaultFs"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* dbg) override {
    if (state_->room <= 0) return IOStatus::NoSpace("injected full disk");
    std::unique_ptr<FSWritableFile> real;
    const IOStatus opened = FileSystemWrapper::NewWritableFile(name, options, &real, dbg);
    if (opened.ok()) *file = std::make_unique<FaultFile>(std::move(real), state_);
    return opened;
  }
  // Its file is one of ours too.
  IOStatus NewLogger(const std::string& name, const IOOptions& options,
                     std::shared_ptr<rocksdb::Logger>* logger, IODebugContext* dbg) override {
    return FileSystem::NewLogger(name, options, logger, dbg);
  }

 private:
  const std::shared_ptr<FaultFs::State> state_;
};

}  // namespace

FaultFs::FaultFs()
    : state_(std::make_shared<State>()),
      env_(rocksdb::NewCompositeEnv(std::make_shared<Wrapper>(state_))) {}
FaultFs::~FaultFs() = default;

}  // namespace muster
