// What can be asked of a machine's stream. Decide as in commands/worker/commands.h.
#pragma once

#include <string>
#include <variant>

#include "commands/context.h"
#include "commands/host/state.h"

namespace muster::host {

// At most once per worker: a second strike for the same worker gives no events.
struct StrikeHost {
  eventpb::HostStruck strike;
};
struct Pardon {
  std::string reason;
};
// What the file says replaces what an earlier import said.
struct ImportStrikes {
  std::string file;
  int strikes = 0;
  absl::Time expires;
};
struct Measure {
  eventpb::HostMeasured measured;
};  // at most once per worker

using Command = std::variant<StrikeHost, Pardon, ImportStrikes, Measure>;

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context);

}  // namespace muster::host
