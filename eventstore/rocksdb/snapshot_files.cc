#include "eventstore/rocksdb/snapshot_files.h"

#include <rocksdb/env.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "eventstore/base/crc32c.h"
#include "eventstore/rocksdb/keys.h"
#include "eventstore/rocksdb/log_db.h"

namespace muster::rocks {
namespace {

constexpr std::size_t kPositionStart = 8;  // after the checksum, big-endian like the position
constexpr std::size_t kStateStart = 16;

}  // namespace

// Any name is a file name once all but letters, digits, '-' and '_' are written as %XX.
std::string SnapshotFiles::FileOf(std::string_view name) const {
  std::string file = folder_ + "/";
  for (const char c : name) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_') {
      file += c;
    } else {
      absl::StrAppendFormat(&file, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return file + ".snapshot";
}

Status SnapshotFiles::Save(std::string_view name, const Snapshot& snapshot) {
  std::string body;
  body.reserve(8 + snapshot.state.size());
  AppendBigEndian(body, snapshot.position);
  body += snapshot.state;
  std::string bytes;
  bytes.reserve(kPositionStart + body.size());
  AppendBigEndian(bytes, Crc32c(body));
  bytes += body;
  const std::string file = FileOf(name);
  const std::string context = Cat("cannot save the snapshot ", file);
  absl::MutexLock lock(&saving_);
  if (abandoned_) {
    return FailedPrecondition(Cat(context, ": since this process started a payload was redacted"));
  }
  MUSTER_RETURN_IF_ERROR(FromRocks(env_->CreateDirIfMissing(folder_), context));
  const auto written = rocksdb::WriteStringToFile(env_, bytes, file + ".new");
  MUSTER_RETURN_IF_ERROR(FromRocks(written, context));
  return FromRocks(env_->RenameFile(file + ".new", file), context);
}

Status SnapshotFiles::Abandon() {
  absl::MutexLock lock(&saving_);
  abandoned_ = true;
  std::vector<std::string> files;
  if (env_->GetChildren(folder_, &files).IsNotFound()) return {};
  for (const std::string& file : files) {
    if (file == "." || file == "..") continue;
    MUSTER_RETURN_IF_ERROR(FromRocks(env_->DeleteFile(Cat(folder_, "/", file)),
                                     Cat("cannot remove the snapshot ", file)));
  }
  return {};
}

StatusOr<Snapshot> SnapshotFiles::Load(std::string_view name) const {
  std::string bytes;
  const std::string file = FileOf(name);
  if (const auto read = rocksdb::ReadFileToString(env_, file, &bytes); !read.ok()) {
    return NotFound(Cat("no snapshot ", name, ": ", read.ToString()));
  }
  const std::string_view view = bytes;
  if (view.size() < kStateStart ||
      FromBigEndian(view.substr(0, kPositionStart)) != Crc32c(view.substr(kPositionStart))) {
    return NotFound(Cat("the snapshot ", file, " is damaged"));
  }
  return Snapshot{FromBigEndian(view.substr(kPositionStart, 8)),
                  std::string(view.substr(kStateStart))};
}

}  // namespace muster::rocks
