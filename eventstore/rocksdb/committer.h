// Committer: turns appends into durable groups. All that is asked for while a sync is under way
// goes into the next one, so many appends share one fsync.
//
//   reactor   Submit, Submit, ... end of turn -> Kick
//   committer Stage each as they come (ids, versions, hashes) -> at the end of the turn one
//             WriteBatch -> sync -> move the head
//   reactor   all promises of the group
//
// Submit, the destructor and the promises belong to the reactor thread; head() to any. The database
// and the Runtime are borrowed and must outlive it.
#pragma once

#include <rocksdb/write_batch.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"
#include "eventstore/rocksdb/log_db.h"
#include "eventstore/rocksdb/shared_db.h"

namespace muster::rocks {

struct PendingAppend {
  PendingAppend(Runtime& rt, StreamId s, Expect e, std::vector<NewEvent> ev, absl::Time at)
      : stream(std::move(s)), expect(e), events(std::move(ev)), recorded_at(at), done(rt) {}

  const StreamId stream;
  const Expect expect;
  std::vector<NewEvent> events;
  const absl::Time recorded_at;
  Promise<StatusOr<Appended>> done;

  // While it is being committed:
  StatusOr<Appended> result = Appended{};
  bool staged = false;  // the result holds only if the group gets to the disk
};

class Committer : public std::enable_shared_from_this<Committer> {
 public:
  struct Counters {
    std::atomic<std::uint64_t> groups = 0;
    std::atomic<std::uint64_t> appends = 0;
    std::atomic<std::uint64_t> events = 0;
    std::atomic<std::uint64_t> bytes = 0;
    std::atomic<std::int64_t> sync_us = 0;
  };

  // `stopped` not OK: every append that would write is refused with it.
  // With `own_thread` false, commits happen on the reactor at the end of the turn.
  Committer(Runtime& rt, SharedDb& shared, Tip tip, Status stopped, bool own_thread);
  // Finishes what was submitted.
  ~Committer();

  void Submit(std::shared_ptr<PendingAppend> append);

  Position head() const { return head_.load(std::memory_order_acquire); }
  const Counters& counters() const { return counters_; }
  // Notified on the reactor after the head has moved.
  Signal& grown() { return *grown_; }

 private:
  using Group = std::vector<std::shared_ptr<PendingAppend>>;

  void Kick();
  void HandOver(bool turn_over);
  void RunThread();
  void StageAll(Group appends);
  void CommitStaged();
  void TakeDatabase();
  Status GoOnAfterFullDisk();
  void Finish(const Status& written);
  bool RepeatsStaged(const PendingAppend& append) const;
  void LookUp(const Group& appends);
  // Where LogDb::Find found the ids of the append's events.
  using Found = std::span<const StatusOr<Position>>;
  void Stage(PendingAppend& append, Found found);
  void StageEvents(PendingAppend& append, Version& version);
  struct Known {
    std::size_t count = 0;
    Position first = 0;
  };
  StatusOr<Known> CountKnown(Found found) const;
  StatusOr<Appended> Repeated(const PendingAppend& append, Known known) const;
  StatusOr<Version*> VersionOf(const StreamId& stream);
  Status WriteGroup();
  Status NothingWritten(const Status& status);

  Runtime& rt_;
  SharedDb& shared_;
  const std::shared_ptr<Signal> grown_;
  const bool own_thread_;
  std::atomic<Position> head_;
  Counters counters_;
  // Reactor.
  bool kick_posted_ = false;
  Group turn_;  // asked for in this turn and not handed over yet

  absl::Mutex mutex_;
  Group queue_ ABSL_GUARDED_BY(mutex_);
  bool turn_over_ ABSL_GUARDED_BY(mutex_) = false;  // a whole turn is in the queue
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;

  // Below: the committing thread only.
  Tip tip_;           // synced
  Status stopped_;    // once not OK, nothing is written any more
  Status disk_full_;  // not OK: the database must be opened anew before it takes a write
  std::shared_ptr<const LogDb> db_;  // held while a group is committed; null: nothing is readable
  absl::flat_hash_map<StreamId, Version> versions_;  // cache; right including the staged group

  // The group being staged.
  Group group_;
  Group deferred_;  // repeat ids of the group: wait for its outcome
  Tip staged_;
  rocksdb::WriteBatch batch_;
  absl::flat_hash_set<std::string_view> staged_ids_;  // of the events of group_
  std::vector<std::string_view> looked_up_;
  std::vector<StatusOr<Position>> found_;
  std::string header_, record_;

  std::thread thread_;
};

}  // namespace muster::rocks
