// SnapshotShelf: several snapshots of one thing, at different positions of the log, so that a
// question about the past starts near it and not at the beginning.
//
// They stand in the store under `name`/0, `name`/1, ... with an index in `name`/index, each as
// disposable as any snapshot. The number is bounded: when the shelf is full, the one goes whose
// neighbours stand nearest to each other, so those that stay remain evenly spread over the log.
// Reactor thread; the store must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "eventstore/event_store.h"

namespace muster {

class SnapshotShelf {
 public:
  struct Options {
    Position every = 25'000;  // events between two; 0 = the shelf stays empty
    int kept = 256;
    std::uint64_t bytes_max = std::uint64_t{1} << 30;  // of all together, about
  };

  SnapshotShelf(EventStore& store, std::string name, Options options);

  // Whether the newest is so far behind `position` that another one is due.
  bool Due(Position position) const;
  // Puts it on the shelf. The error is the store's; nothing is lost by it but time, and the next
  // one is due when this one would have been followed.
  Status Save(const Snapshot& snapshot);
  int size() const { return static_cast<int>(slots_.size()); }

 private:
  friend std::optional<Snapshot> NearestSnapshot(const EventStore&, std::string_view, Position,
                                                 const std::function<bool(const Snapshot&)>&);
  struct Slot {
    int number = 0;
    std::uint64_t bytes = 0;
  };
  using Slots = std::map<Position, Slot>;
  static Slots ReadIndex(const EventStore& store, std::string_view name);

  int FreeSlot(std::uint64_t bytes);
  Slots::iterator LeastMissed();

  EventStore& store_;
  const std::string name_;
  const Options options_;
  Slots slots_;
  Position newest_ = 0;  // that was put there, or could not be
};

// The newest one on the shelf at or before `position` that `usable` takes; one that it refuses is
// passed over for an older one, three times at most.
std::optional<Snapshot> NearestSnapshot(const EventStore& store, std::string_view name,
                                        Position position,
                                        const std::function<bool(const Snapshot&)>& usable);

}  // namespace muster
