// Subscription: every event after a position, in order, first those that are there and then each
// new one. A cursor, not a queue: the reader pulls, so a slow one holds nothing but its position.
//
//   Subscription log(store, checkpoint);
//   while (true) {
//     const auto batch = co_await log.Next(256, absl::InfiniteFuture());
//     CO_RETURN_IF_ERROR(batch.status());
//     for (const RecordedEvent& event : *batch) projection.Apply(event);
//   }
//
// Borrows the store. Reactor thread; one Next at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/event_store.h"

namespace muster {

class Subscription {
 public:
  Subscription(EventStore& store, Position after) : store_(store), position_(after) {}

  // The next 1 to `max` events; waits when there is none yet. Empty: `deadline` came first.
  // REQUIRES: max > 0; the subscription lives until the call returns
  //
  // kDataLoss  the next event is damaged, and those before it were delivered: report it, then go on
  //            behind it with SkipTo, or give up
  Task<StatusOr<std::vector<RecordedEvent>>> Next(std::size_t max, absl::Time deadline);

  // Of the last event delivered; where the next subscription goes on.
  Position position() const { return position_; }
  // How many events are waiting to be pulled.
  Position lag() const { return store_.Head() - std::min(position_, store_.Head()); }
  // Continues after `position`, forwards or backwards. Not during a Next.
  void SkipTo(Position position) { position_ = position; }

 private:
  EventStore& store_;
  Position position_;
};

}  // namespace muster
