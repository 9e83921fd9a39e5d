// What can be asked of a shadow's stream. Decide as in commands/worker/commands.h.
#pragma once

#include <string>
#include <variant>

#include "commands/context.h"
#include "commands/shadow/state.h"

namespace muster::shadow {

// From operators.
struct Start {
  specpb::FleetSpec candidate;
  std::int64_t fleet_version = 0;  // of the live spec
  std::string live_digest;
  MicroUsd live_spent;
};  // kFailedPrecondition  one runs already
struct End {
  eventpb::ShadowEnded::How how = eventpb::ShadowEnded::STOPPED;
  std::string reason;
};  // kNotFound  none runs

// From the driver: what a moment's comparison came to. Nothing is written when the shadow that it
// was made for has ended meanwhile.
struct Record {
  std::uint64_t started = 0;  // position of that shadow's start
  Events events;
};

using Command = std::variant<Start, End, Record>;

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context);

}  // namespace muster::shadow
