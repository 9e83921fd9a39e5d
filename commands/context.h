// What every decision is given besides its state: the time, who asks, and where a folded fact
// stands in the log, so that it can be named as evidence. Pure values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/events/codec.h"

namespace muster {

// Where a fact was recorded, and when the world did it (by our clock).
struct Stamp {
  std::uint64_t position = 0;  // in the log; 0 = never
  absl::Time at = absl::InfinitePast();
  bool seen() const { return position != 0; }
  friend bool operator==(const Stamp&, const Stamp&) = default;
};

// When `span` after the stored time `at` is over. A time that is yet to come means that the clock
// was set back since it was stored. How long ago it was then nobody knows, and waiting until that
// time comes again would hold up everything for as long as the clock went back: so it counts as
// over. Small corrections of a clock are none.
inline absl::Time OverAt(absl::Time at, absl::Duration span, absl::Time now) {
  return at > now + absl::Minutes(1) ? absl::InfinitePast() : at + span;
}

// Comes in with each command: decisions never ask a clock.
struct DecideContext {
  absl::Time now;
};

// Decide returns these: payloads in order, to be appended to the command's stream all or none.
// Empty = nothing to do (an idempotent repeat).
using Events = std::vector<eventpb::EventBody>;

}  // namespace muster
