// Recorded: one event as a replay takes it, from a store, a store's folder or a bundle. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "commands/pass_mark.h"
#include "eventstore/base/ids.h"
#include "eventstore/events/codec.h"

namespace muster::replay {

struct Recorded {
  std::uint64_t position = 0;
  StreamId stream;
  absl::Time recorded_at;
  absl::Time occurred_at;
  bool by_policy = false;  // the actor is the policy; operators, pollers and effects are not
  std::optional<PassMark> pass;
  eventpb::EventBody body;
};

// "zeb" of "fleet/zeb", when that is the kind; else "".
inline std::string_view NameIn(const StreamId& stream, std::string_view kind) {
  const std::string_view text = stream.str();
  const bool is = text.size() > kind.size() && text.starts_with(kind) && text[kind.size()] == '/';
  return is ? text.substr(kind.size() + 1) : std::string_view();
}

// Whether `actor` is the policy: "policy:zeb@v12".
inline bool IsPolicy(std::string_view actor) {
  return actor == "policy" || actor.starts_with("policy:");
}

}  // namespace muster::replay
