// Builders and getters of the fleet stream's messages. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/events/values.h"

namespace muster {

// `owner` says who can end the wait: "operator", "provider", "muster". InfinitePast: not known.
inline eventpb::Wait MakeWait(eventpb::Wait::Kind kind, std::string_view detail,
                              std::string_view owner, absl::Time until = absl::InfinitePast()) {
  eventpb::Wait wait;
  wait.set_kind(kind);
  wait.set_detail(StoredText(detail));
  wait.set_owner(owner.data(), owner.size());
  wait.set_until_us(ToStoredTime(until));
  return wait;
}
inline absl::Time UntilOf(const eventpb::Wait& wait) {
  return FromStoredTime(wait.until_us(), absl::InfinitePast());
}

// SHA-256 of the deterministic serialisation, hex: equal for equal specs.
std::string SpecDigest(const specpb::FleetSpec& spec);

}  // namespace muster
