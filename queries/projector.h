// Projector: keeps one set of read models at the head of the log.
//
//   Projector projector(rt, store);
//   CO_RETURN_IF_ERROR(co_await projector.Start());
//   ... projector.models().Fleets(rt.Now()) ...
//
// Reactor thread. The Runtime and the store must outlive it. Destroying it ends the following; what
// is still under way in Rebuild or AsOf must have ended before.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"
#include "eventstore/snapshot_shelf.h"
#include "queries/read_models.h"

namespace muster::queries {

struct ProjectorOptions {
  std::string snapshot_name = "read-models";  // in the store; disposable
  Position snapshot_every = 100'000;          // events between two of them; 0 = never
  std::size_t batch = 100;                    // events folded before others get a turn
  // Of those that questions about the past start from (eventstore/snapshot_shelf.h).
  SnapshotShelf::Options past = {};
};

// How far the answers are behind the log.
struct Lag {
  Position events = 0;    // recorded, not folded
  absl::Duration behind;  // age of the oldest of them; zero when there is none
};

struct RebuildReport {
  Position position = 0;  // at which both were compared
  std::string digest_live;
  std::string digest_rebuilt;
  bool equal() const { return digest_live == digest_rebuilt; }
};

class Projector {
 public:
  Projector(Runtime& rt, EventStore& store, ProjectorOptions options = {});
  ~Projector();
  Projector(const Projector&) = delete;
  Projector& operator=(const Projector&) = delete;

  // Takes up the newest usable snapshot, folds the log to its head, then follows it. Call once.
  //
  // kDataLoss       the log is damaged; the models stand before the bad event
  // kUnimplemented  an event of a newer writer: this program must not answer from this log
  Task<Status> Start();
  // Stops following; models stay as they are.
  void Stop();
  // OK, or why following ended (as Start).
  const Status& status() const;

  // The live models. The reference is good until the next co_await (Rebuild swaps them).
  const ReadModels& models() const;
  Position position() const { return models().position(); }
  Lag lag() const;

  // True when position() > `after`, false at `deadline`. What watch streams wait on, and what a
  // writer who wants to read its own write waits on (with after = its position - 1).
  Task<bool> WaitPast(Position after, absl::Time deadline);

  // Builds a second set beside the live one, compares both at one position, and puts the new one
  // in its place (also when they differ: the log is right, the difference is a bug to report).
  // Errors as Start; the live models stay.
  Task<StatusOr<RebuildReport>> Rebuild();

  // The models as they were when `position` was the head.
  // kOutOfRange  past the head: nothing was recorded there yet
  Task<StatusOr<std::unique_ptr<const ReadModels>>> AsOf(Position position);
  // As they were at `time`, by the clock that recorded.
  Task<StatusOr<std::unique_ptr<const ReadModels>>> AsOf(absl::Time time);
  // The last position recorded at or before `time`; 0 when there is none.
  StatusOr<Position> PositionAt(absl::Time time) const;

  // What the newest snapshot of this one covers; 0 = none.
  Position snapshot_position() const;
  // Saves a snapshot now. The error is the store's; nothing is lost by it but time.
  Status SaveSnapshot();

 private:
  struct Core;
  std::shared_ptr<Core> core_;
};

}  // namespace muster::queries
