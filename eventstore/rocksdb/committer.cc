#include "eventstore/rocksdb/committer.h"

#include <rocksdb/perf_level.h>

#include <algorithm>
#include <iterator>

#include "eventstore/record.h"
#include "eventstore/rocksdb/keys.h"

namespace muster::rocks {
namespace {

constexpr std::size_t kCachedStreamsMax = 200'000;
constexpr std::size_t kHandOver = 8;  // appends; waking a thread costs as much as asking for one
constexpr std::size_t kRoomToGoOnBytes = 1u << 20;  // for RocksDB's new files, and some appends

}  // namespace

Committer::Committer(Runtime& rt, SharedDb& shared, Tip tip, Status stopped, bool own_thread)
    : rt_(rt),
      shared_(shared),
      grown_(rt.MakeSignal()),
      own_thread_(own_thread),
      head_(tip.position),
      tip_(tip),
      stopped_(std::move(stopped)) {
  if (own_thread_) thread_ = std::thread([this] { RunThread(); });
}

Committer::~Committer() {
  if (own_thread_) {
    HandOver(true);
    {
      absl::MutexLock lock(&mutex_);
      closing_ = true;
    }
    thread_.join();
  } else {
    StageAll(std::exchange(turn_, {}));
    CommitStaged();
  }
}

void Committer::Submit(std::shared_ptr<PendingAppend> append) {
  turn_.push_back(std::move(append));
  // Staging goes on beside the turn, but only its end starts a write: all of a turn shares one
  // sync.
  if (own_thread_ && turn_.size() >= kHandOver) HandOver(false);
  if (std::exchange(kick_posted_, true)) return;
  rt_.Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Kick();
  });
}

void Committer::Kick() {
  kick_posted_ = false;
  if (own_thread_) return HandOver(true);
  StageAll(std::exchange(turn_, {}));
  CommitStaged();
}

void Committer::HandOver(bool turn_over) {
  absl::MutexLock lock(&mutex_);
  if (queue_.empty()) {
    queue_.swap(turn_);
  } else {
    std::move(turn_.begin(), turn_.end(), std::back_inserter(queue_));
    turn_.clear();
  }
  turn_over_ = turn_over_ || turn_over;
}

void Committer::RunThread() {
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);  // nobody reads its counters
  bool closing = false;
  while (!closing) {
    Group appends;
    bool write = false;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](Committer* self) {
            self->mutex_.AssertHeld();
            return !self->queue_.empty() || self->turn_over_ || self->closing_;
          },
          this));
      appends.swap(queue_);
      write = std::exchange(turn_over_, false);
      closing = closing_;
    }
    StageAll(std::move(appends));
    if (write || closing) CommitStaged();
  }
}

void Committer::StageAll(Group appends) {
  if (appends.empty()) return;
  if (group_.empty()) TakeDatabase();
  LookUp(appends);
  Found found = found_;
  for (std::shared_ptr<PendingAppend>& append : appends) {
    const Found own = found.first(append->events.size());
    found = found.subspan(own.size());
    if (RepeatsStaged(*append)) {
      deferred_.push_back(std::move(append));
      continue;
    }
    Stage(*append, own);
    group_.push_back(std::move(append));
  }
}

// All at once: most of a look-up's price is that of asking.
void Committer::LookUp(const Group& appends) {
  looked_up_.clear();
  for (const auto& append : appends) {
    for (const NewEvent& event : append->events) looked_up_.push_back(event.id.str());
  }
  if (db_ == nullptr) {
    found_.assign(looked_up_.size(), Position{0});
  } else {
    db_->Find(looked_up_, found_);
  }
}

void Committer::CommitStaged() {
  while (!group_.empty()) {
    Finish(batch_.Count() > 0 ? WriteGroup() : Status());
    StageAll(std::exchange(deferred_, {}));
  }
}

void Committer::TakeDatabase() {
  if (!disk_full_.ok() && stopped_.ok()) {
    disk_full_ = GoOnAfterFullDisk();
    if (!disk_full_.ok() && disk_full_.code() != StatusCode::kResourceExhausted) {
      stopped_ = Unavailable(Cat(Message(disk_full_), "; restart to write again"));
    }
  }
  auto db = shared_.Get();
  if (!db.ok()) stopped_ = db.status();
  db_ = db.ok() ? *std::move(db) : nullptr;
  staged_ = tip_;
}

Status Committer::GoOnAfterFullDisk() {
  MUSTER_RETURN_IF_ERROR(shared_.Reopen(kRoomToGoOnBytes));
  MUSTER_ASSIGN_OR_RETURN(const std::shared_ptr<const LogDb> db, shared_.Get());
  Tip tip;
  MUSTER_RETURN_IF_ERROR(db->ReadTip(tip));
  if (tip.position == tip_.position && tip.hash == tip_.hash) return {};
  return DataLoss(
      Cat("after a full disk the log ends at ", tip.position, " instead of ", tip_.position));
}

// Publishes what was written and hands out the results.
void Committer::Finish(const Status& written) {
  if (written.ok() && batch_.Count() > 0) {
    counters_.groups += 1;
    counters_.events += staged_.position - tip_.position;
    counters_.bytes += batch_.GetDataSize();
    tip_ = staged_;
    head_.store(tip_.position, std::memory_order_release);
  }
  // After a failure the cache speaks of events that were not written.
  if (!written.ok() || versions_.size() > kCachedStreamsMax) versions_.clear();
  batch_.Clear();
  staged_ids_.clear();
  db_ = nullptr;
  for (const auto& append : group_) {
    if (!append->staged) continue;
    if (!written.ok()) append->result = written;
    counters_.appends += written.ok() ? 1 : 0;
  }
  rt_.Post([group = std::exchange(group_, {}), grown = grown_] {
    for (const auto& append : group) append->done.Set(std::move(append->result));
    grown->NotifyAll();
  });
}

bool Committer::RepeatsStaged(const PendingAppend& append) const {
  if (staged_ids_.empty()) return false;
  return std::any_of(append.events.begin(), append.events.end(), [this](const NewEvent& event) {
    return staged_ids_.contains(event.id.str());
  });
}

void Committer::Stage(PendingAppend& append, Found found) {
  if (db_ == nullptr) {
    append.result = stopped_;
    return;
  }
  const auto known = CountKnown(found);
  if (!known.ok()) {
    append.result = known.status();
  } else if (known->count > 0) {
    append.result = Repeated(append, *known);
  } else if (!stopped_.ok()) {
    append.result = stopped_;
  } else if (!disk_full_.ok()) {
    append.result = disk_full_;
  } else if (const auto version = VersionOf(append.stream); !version.ok()) {
    append.result = version.status();
  } else if (**version != append.expect.version) {
    append.result = Aborted(Cat("stream ", append.stream.str(), " is at version ", **version,
                                ", not at ", append.expect.version));
  } else {
    StageEvents(append, **version);
  }
}

StatusOr<Committer::Known> Committer::CountKnown(Found found) const {
  Known known;
  for (const StatusOr<Position>& position : found) {
    MUSTER_RETURN_IF_ERROR(position.status());
    if (*position == 0) continue;
    // Beyond the tip lies only what a failed sync left behind.
    if (*position > tip_.position) return stopped_;
    if (known.count++ == 0) known.first = *position;
  }
  return known;
}

StatusOr<Appended> Committer::Repeated(const PendingAppend& append, Known known) const {
  if (known.count < append.events.size()) {
    return InvalidArgument(Cat("of ", append.events.size(), " event ids for stream ",
                               append.stream.str(), ", ", known.count,
                               " were appended before and the others were not"));
  }
  RecordedEvent event;
  for (std::size_t i = 0; i < append.events.size(); ++i) {
    const Position position = known.first + i;
    if (position <= tip_.position) MUSTER_RETURN_IF_ERROR(db_->Read(position, event));
    if (event.event.id != append.events[i].id || event.stream != append.stream) {
      return InvalidArgument(Cat("event id ", append.events[i].id.str(),
                                 " was appended before, but not in this company"));
    }
  }
  return Appended{event.position, event.version, true};
}

// Of the stream after what is staged. Valid until the next call.
StatusOr<Version*> Committer::VersionOf(const StreamId& stream) {
  if (const auto cached = versions_.find(stream); cached != versions_.end()) {
    return &cached->second;
  }
  MUSTER_ASSIGN_OR_RETURN(const Version version, db_->StreamVersion(stream, tip_.position));
  return &versions_.emplace(stream, version).first->second;
}

void Committer::StageEvents(PendingAppend& append, Version& version) {
  append.staged = true;
  RecordedEvent recorded;
  recorded.stream = append.stream;
  recorded.recorded_at = append.recorded_at;
  std::string stream_key = StreamPrefix(append.stream);
  const std::size_t prefix_size = stream_key.size();
  std::string position_bytes;
  for (NewEvent& event : append.events) {
    recorded.position = ++staged_.position;
    recorded.version = ++version;
    // Lent and given back: what the reactor allocated is freed there, which is far cheaper.
    recorded.event = std::move(event);
    EncodeHeader(recorded, header_);
    staged_.hash = ChainHash(staged_.hash, header_, recorded.event.payload);
    recorded.hash = staged_.hash;
    EncodeRecord(recorded, header_, record_);
    event = std::move(recorded.event);
    position_bytes.clear();
    AppendBigEndian(position_bytes, recorded.position);
    stream_key.resize(prefix_size);
    AppendBigEndian(stream_key, version);
    // Writing into a batch in memory fails only without limits set, which there are none of.
    batch_.Put(db_->log(), position_bytes, record_).PermitUncheckedError();
    batch_.Put(db_->streams(), stream_key, position_bytes).PermitUncheckedError();
    batch_.Put(db_->ids(), event.id.str(), position_bytes).PermitUncheckedError();
    staged_ids_.insert(event.id.str());
  }
  append.result = Appended{staged_.position, version, false};
}

// Writing and syncing are two steps, because they fail differently: a write that found no room
// wrote nothing that counts, but after a failed sync nobody can say what is on the disk.
Status Committer::WriteGroup() {
  rocksdb::DB& db = db_->db();
  if (const auto written = db.Write(rocksdb::WriteOptions(), &batch_); !written.ok()) {
    return NothingWritten(FromRocks(written, "cannot write to the event store"));
  }
  const absl::Time start = rt_.Now();
  if (const auto synced = db.SyncWAL(); !synced.ok()) {
    stopped_ = Unavailable(Cat("a sync of the event store failed (", synced.ToString(),
                               "), so nothing more is written; restart to write again"));
    return stopped_;
  }
  counters_.sync_us += absl::ToInt64Microseconds(rt_.Now() - start);
  return {};
}

Status Committer::NothingWritten(const Status& status) {
  if (status.code() == StatusCode::kResourceExhausted) {
    disk_full_ = status;
    return status;
  }
  stopped_ = status.code() == StatusCode::kDataLoss
                 ? status
                 : Unavailable(Cat(Message(status), "; nothing more is written until a restart"));
  return stopped_;
}

}  // namespace muster::rocks
