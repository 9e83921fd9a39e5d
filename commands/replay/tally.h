// Tally: what became of workers in one World over a span. Pure; any thread, one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "commands/world.h"

namespace muster::replay {

struct Tally {
  std::int64_t launches = 0;
  std::int64_t ended = 0;  // condemned
  absl::Duration rented;
  double work = 0;
};

// Sums of one World's workers over a span; of one fleet, or of all.
class Counter {
 public:
  Counter(std::optional<FleetName> fleet, absl::Time from)
      : fleet_(std::move(fleet)), from_(from) {}
  // `body` is about to be folded into `world`.
  void Before(const World& world, const StreamId& stream, const eventpb::EventBody& body,
              absl::Time at);
  // Together with those that are still there at `end`.
  Tally Until(const World& world, absl::Time end) const;
  bool Counts(const FleetName& fleet) const { return !fleet_.has_value() || *fleet_ == fleet; }

 private:
  void Close(Tally& tally, const worker::State& state, absl::Time at) const;
  std::optional<FleetName> fleet_;
  absl::Time from_;
  Tally tally_;
};

}  // namespace muster::replay
