// Folding the log into a World: what the Handler does when it begins, and what every question about
// the past does again. Stateless; the store is borrowed for the call, or until the task has ended.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "commands/handler/handler.h"
#include "commands/world.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"

namespace muster {

inline constexpr std::string_view kWorldSnapshot = "world";
inline constexpr char kPastWorlds[] = "world-past";  // a SnapshotShelf
inline constexpr std::size_t kReadAtOnce = 10'000;

// kDataLoss, kUnimplemented  the payload cannot be read; the message names the position
StatusOr<Written> ToWritten(const RecordedEvent& recorded);

// The hash of the log's chain at `position`: names one log, up to there.
StatusOr<std::string> LogHash(const EventStore& store, Position position);

// The World that was saved last.   kNotFound, kDataLoss: there is none to use; fold from zero
StatusOr<World> WorldFromSnapshot(const EventStore& store);

// The same of any snapshot of a World.
StatusOr<World> WorldFrom(const EventStore& store, const Snapshot& saved);
// `world` as a snapshot.   Errors: as EventStore
StatusOr<Snapshot> SnapshotOf(const EventStore& store, const World& world);

// Folds at most `events_max` events after world.head, none later than `last`.
// Errors: as EventStore and ToWritten.
Status FoldLog(const EventStore& store, Position last, std::size_t events_max, World& world);

// The World as it was when the log ended at `position`. Other coroutines run meanwhile.
//   kOutOfRange  `position` is past the head
//   others       as EventStore and ToWritten: the log is damaged, or of a newer writer
Task<StatusOr<std::shared_ptr<const World>>> WorldAt(Runtime& rt, const EventStore& store,
                                                     Position position);

// Calls `visit(Written, occurred_at)` for everything after `after`.
template <class Visit>
Status ReadDecoded(const EventStore& store, Position after, Visit visit) {
  while (after < store.Head()) {
    const Position before = after;
    Status decoded;
    const Status read = store.ReadAll(after, kReadAtOnce, [&](const RecordedEvent& recorded) {
      StatusOr<Written> written = ToWritten(recorded);
      decoded = written.status();
      if (!decoded.ok()) return false;
      after = recorded.position;
      visit(*std::move(written), recorded.event.occurred_at);
      return true;
    });
    MUSTER_RETURN_IF_ERROR(read);
    MUSTER_RETURN_IF_ERROR(decoded);
    if (after == before) return DataLoss(Cat("the log ends at ", after, " before its head"));
  }
  return absl::OkStatus();
}

}  // namespace muster
