#include "eventstore/rocksdb/log_db.h"

#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <limits>
#include <utility>

#include "eventstore/record.h"
#include "eventstore/rocksdb/info_log.h"
#include "eventstore/rocksdb/keys.h"

namespace muster::rocks {
namespace {

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Whether and when to go on after a full disk is decided by the Committer, not by a timer of
// RocksDB's own.
class NoSelfRecovery final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

rocksdb::DBOptions DatabaseOptions(rocksdb::Env* env, bool is_new) {
  rocksdb::DBOptions options;
  options.env = env;
  options.create_if_missing = is_new;
  options.create_missing_column_families = is_new;
  // A torn tail was never acknowledged and is dropped. Damage in the middle must not hide what
  // follows it: the hole is found by the gap in the positions and reported by reading.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
  options.avoid_flush_during_recovery = true;
  options.max_total_wal_size = 64u << 20;
  options.max_bgerror_resume_count = 0;
  options.skip_stats_update_on_db_open = true;
  options.max_background_jobs = 2;
  options.allow_concurrent_memtable_write = false;  // there is one writer
  options.bytes_per_sync = 1u << 20;
  options.listeners.push_back(std::make_shared<NoSelfRecovery>());
  return options;
}

// What all keys of one stream have in common.
class AllButTheVersion final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "muster.AllButTheVersion"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), key.size() - kVersionBytes};
  }
  bool InDomain(const rocksdb::Slice& key) const override { return key.size() > kVersionBytes; }

 private:
  static constexpr std::size_t kVersionBytes = sizeof(Version);
};

enum class Access { kInOrder, kByRange, kByKey };

rocksdb::ColumnFamilyOptions FamilyOptions(Access access) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = 32u << 20;
  // Uncompressed, a damaged byte costs one event and not its whole block.
  options.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_size = 16u << 10;
  if (access == Access::kInOrder) {
    // Each key goes right behind the last one.
    options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  }
  if (access == Access::kByRange) {
    // Each key goes right behind the last one of its stream.
    options.memtable_insert_with_hint_prefix_extractor = std::make_shared<AllButTheVersion>();
  }
  if (access == Access::kByKey) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    options.memtable_prefix_bloom_size_ratio = 0.05;
    options.memtable_whole_key_filtering = true;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> Families() {
  return {{rocksdb::kDefaultColumnFamilyName, FamilyOptions(Access::kByRange)},
          {kLogFamily, FamilyOptions(Access::kInOrder)},
          {kStreamFamily, FamilyOptions(Access::kByRange)},
          {kIdFamily, FamilyOptions(Access::kByKey)}};
}

}  // namespace

Status FromRocks(const rocksdb::Status& status, std::string_view context) {
  if (status.ok()) return {};
  const std::string text = Cat(context, ": ", status.ToString());
  if (status.IsNoSpace()) return ResourceExhausted(text);
  if (status.IsCorruption()) return DataLoss(text);
  return Unavailable(text);
}

Status Damaged(Position position, std::string_view why) {
  return DataLoss(Cat("event ", position, " is damaged: ", why, "; events after ", position,
                      " can still be read"));
}

Status DecodeAt(Position position, std::string_view record, RecordedEvent& event) {
  if (const Status decoded = DecodeRecord(record, event); !decoded.ok()) {
    return Damaged(position, Message(decoded));
  }
  if (event.position != position) return Damaged(position, "another event stands in its place");
  return {};
}

LogDb::~LogDb() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
  db_->Close().PermitUncheckedError();  // all that was acknowledged is synced
}

StatusOr<std::unique_ptr<LogDb>> LogDb::Open(const std::string& path, rocksdb::Env* env,
                                             Mode mode) {
  const std::string folder = path + "/db";
  const bool is_new = mode == Mode::kReadWrite && env->FileExists(folder + "/CURRENT").IsNotFound();
  rocksdb::DBOptions options = DatabaseOptions(env, is_new);
  if (mode == Mode::kReadWrite) {
    MUSTER_RETURN_IF_ERROR(FromRocks(env->CreateDirIfMissing(folder), Cat("cannot make ", folder)));
    options.info_log = MakeInfoLog(folder + "/LOG", env);
  } else {
    options.info_log = NoInfoLog();
  }
  std::unique_ptr<LogDb> opened(new LogDb);
  rocksdb::DB* db = nullptr;
  const auto status =
      mode == Mode::kReadWrite
          ? rocksdb::DB::Open(options, folder, Families(), &opened->families_, &db)
          : rocksdb::DB::OpenForReadOnly(options, folder, Families(), &opened->families_, &db);
  opened->db_.reset(db);
  if (status.IsInvalidArgument()) {
    return FailedPrecondition(Cat("the event store ", path,
                                  " is not in the format of this program: ", status.ToString()));
  }
  MUSTER_RETURN_IF_ERROR(FromRocks(status, Cat("cannot open the event store ", path)));
  MUSTER_RETURN_IF_ERROR(opened->CheckFormat(path, is_new));
  return opened;
}

Status LogDb::CheckFormat(const std::string& path, bool is_new) const {
  std::string format;
  const auto found = db_->Get(rocksdb::ReadOptions(), kFormatKey, &format);
  // A process killed while it made the store leaves it without a format, and empty.
  Tip tip;
  if (found.IsNotFound() && (is_new || (ReadTip(tip).ok() && tip.position == 0))) {
    rocksdb::WriteOptions options;
    options.sync = true;
    return FromRocks(db_->Put(options, kFormatKey, kFormat), Cat("cannot make the store ", path));
  }
  if (!found.ok()) return FromRocks(found, Cat("cannot read the format of the store ", path));
  if (format == kFormat) return {};
  return FailedPrecondition(Cat("the event store ", path, " has the format \"", format,
                                "\", this program knows \"", kFormat,
                                "\": use the program that wrote it"));
}

Status LogDb::ReadTip(Tip& tip) const {
  // A wrong byte in a block fails all of its events; the newest has a checksum of its own.
  rocksdb::Status status;
  for (const bool verify_blocks : {true, false}) {
    rocksdb::ReadOptions options;
    options.verify_checksums = verify_blocks;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, log()));
    it->SeekToLast();
    if (it->Valid()) {
      tip.position = FromBigEndian(View(it->key()));
      RecordedEvent event;
      MUSTER_RETURN_IF_ERROR(DecodeAt(tip.position, View(it->value()), event));
      tip.hash = event.hash;
      return {};
    }
    status = it->status();
    if (!status.IsCorruption()) break;
  }
  return FromRocks(status, "cannot read the newest event");
}

Status LogDb::ReadRecord(Position position, std::string& record) const {
  rocksdb::ReadOptions options;
  const std::string key = PositionBytes(position);
  auto found = db_->Get(options, log(), key, &record);
  if (found.IsCorruption()) {
    // A wrong byte in a block fails all of its events; ours has a checksum of its own.
    options.verify_checksums = false;
    found = db_->Get(options, log(), key, &record);
  }
  if (found.ok()) return {};
  return Damaged(position, found.IsNotFound() ? "it is missing" : found.ToString());
}

Status LogDb::Walk(Position after, std::size_t limit, Position head,
                   absl::FunctionRef<bool(Position, std::string_view)> visit) const {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, log()));
  Position next = after + 1;
  it->Seek(PositionBytes(next));
  std::string record;
  for (; next <= head && limit > 0; ++next, --limit) {
    if (it->Valid() && FromBigEndian(View(it->key())) == next) {
      if (!visit(next, View(it->value()))) return {};
      it->Next();
      continue;
    }
    MUSTER_RETURN_IF_ERROR(ReadRecord(next, record));
    if (!visit(next, record)) return {};
    it->Seek(PositionBytes(next + 1));
  }
  return {};
}

Status LogDb::Read(Position position, RecordedEvent& event) const {
  std::string record;
  MUSTER_RETURN_IF_ERROR(ReadRecord(position, record));
  return DecodeAt(position, record, event);
}

Status LogDb::ReadStream(const StreamId& stream, Version after, Position head,
                         absl::FunctionRef<bool(const RecordedEvent&)> visit) const {
  const std::string prefix = StreamPrefix(stream);
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), streams()));
  RecordedEvent event;
  Version version = after + 1;
  for (it->Seek(StreamKey(stream, version)); it->Valid() && it->key().starts_with(prefix);
       it->Next(), ++version) {
    const Position position = FromBigEndian(View(it->value()));
    if (position > head) return {};
    if (it->key() != rocksdb::Slice(StreamKey(stream, version))) break;
    MUSTER_RETURN_IF_ERROR(Read(position, event));
    if (event.version != version || event.stream != stream) {
      return Damaged(position, Cat("it is not version ", version, " of ", stream.str()));
    }
    if (!visit(event)) return {};
  }
  const bool hole = it->Valid() && it->key().starts_with(prefix);
  if (it->status().ok() && !hole) return {};
  return DataLoss(Cat("version ", version, " of stream ", stream.str(),
                      " is not in the index: ", hole ? "it is missing" : it->status().ToString(),
                      "; the log by position can still be read"));
}

StatusOr<Version> LogDb::StreamVersion(const StreamId& stream, Position head) const {
  const std::string prefix = StreamPrefix(stream);
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), streams()));
  for (it->SeekForPrev(StreamKey(stream, std::numeric_limits<Version>::max()));
       it->Valid() && it->key().starts_with(prefix); it->Prev()) {
    if (FromBigEndian(View(it->value())) > head) continue;
    return FromBigEndian(View(it->key()).substr(prefix.size()));
  }
  MUSTER_RETURN_IF_ERROR(
      FromRocks(it->status(), Cat("cannot read the index of stream ", stream.str())));
  return 0;
}

void LogDb::Find(const std::vector<std::string_view>& ids,
                 std::vector<StatusOr<Position>>& found) const {
  const std::vector<rocksdb::Slice> keys(ids.begin(), ids.end());
  std::vector<rocksdb::PinnableSlice> values(ids.size());
  std::vector<rocksdb::Status> statuses(ids.size());
  db_->MultiGet(rocksdb::ReadOptions(), this->ids(), keys.size(), keys.data(), values.data(),
                statuses.data());
  found.clear();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (statuses[i].ok()) {
      found.push_back(FromBigEndian(View(values[i])));
    } else if (statuses[i].IsNotFound()) {
      found.push_back(Position{0});
    } else {
      found.push_back(FromRocks(statuses[i], Cat("cannot look up event id ", ids[i])));
    }
  }
}

}  // namespace muster::rocks
