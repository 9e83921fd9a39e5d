// LogDb: the RocksDB database under the store: opening, the format check, and reading.
//
// Owns the database. Reading is for any thread; only the Committer writes. Every reader passes the
// head it may see: what lies beyond is not known to be synced.
#pragma once

#include <rocksdb/db.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "eventstore/event_store.h"

namespace muster::rocks {

// What RocksDB says, in our codes: full disk kResourceExhausted, bad checksum kDataLoss, any other
// trouble with files kUnavailable. `context` says what was being done.
Status FromRocks(const rocksdb::Status& status, std::string_view context);

// The newest event: where the next one goes, and what its hash follows.
struct Tip {
  Position position = 0;
  EventHash hash{};
};

class LogDb {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // Opens the log in the folder `path`; kReadWrite creates it when there is none. `env` is
  // borrowed.
  //
  // kFailedPrecondition  the format is not ours: names the path
  // kDataLoss            too damaged to open: restore a backup
  // kResourceExhausted, kUnavailable  the disk, in words
  static StatusOr<std::unique_ptr<LogDb>> Open(const std::string& path, rocksdb::Env* env,
                                               Mode mode);
  ~LogDb();
  LogDb(const LogDb&) = delete;
  LogDb& operator=(const LogDb&) = delete;

  // kDataLoss  the newest record is damaged; `tip.position` is right, its hash is not known
  Status ReadTip(Tip& tip) const;

  // Calls `visit` with the records at after + 1 ... head in order, `limit` at most, until it
  // returns false. The bytes are valid only during the call, and not yet checked against their own
  // checksum.
  //
  // kDataLoss  names the position that is missing or cannot be read; those before were visited
  Status Walk(Position after, std::size_t limit, Position head,
              absl::FunctionRef<bool(Position, std::string_view record)> visit) const;

  // kDataLoss  as Walk, and also when the record does not check
  Status Read(Position position, RecordedEvent& event) const;
  Status ReadStream(const StreamId& stream, Version after, Position head,
                    absl::FunctionRef<bool(const RecordedEvent&)> visit) const;
  StatusOr<Version> StreamVersion(const StreamId& stream, Position head) const;
  // Where the events with these ids are, synced or not; 0 when there is no such event. `found` is
  // replaced and has as many elements as `ids`.
  void Find(const std::vector<std::string_view>& ids, std::vector<StatusOr<Position>>& found) const;

  rocksdb::DB& db() const { return *db_; }
  rocksdb::ColumnFamilyHandle* log() const { return families_[1]; }
  rocksdb::ColumnFamilyHandle* streams() const { return families_[2]; }
  rocksdb::ColumnFamilyHandle* ids() const { return families_[3]; }

 private:
  LogDb() = default;
  Status CheckFormat(const std::string& path, bool is_new) const;
  // The record alone, past a damaged block if need be.
  Status ReadRecord(Position position, std::string& record) const;

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;  // in the order of Families()
};

// Decodes the record that stands at `position` into `event`; kDataLoss as Damaged.
Status DecodeAt(Position position, std::string_view record, RecordedEvent& event);

// "event 17 is damaged: WHY; events after 17 can still be read", kDataLoss.
Status Damaged(Position position, std::string_view why);

}  // namespace muster::rocks
