// What can be asked of a fleet's stream. Decide as in commands/worker/commands.h.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "commands/context.h"
#include "commands/fleet/state.h"

namespace muster::fleet {

// From operators.
struct Apply {
  specpb::FleetSpec spec;
};  // the same spec again gives no events
struct Scale {
  int workers = 0;
};
struct Down {
  std::string reason;
};

// From the policy and the effects.
struct ChangeWaits {
  std::vector<eventpb::Wait> waits;
};
struct RecordPreflight {
  eventpb::PreflightChecked check;
};
struct ChangeQuotaInterval {
  eventpb::QuotaIntervalChanged change;
};
struct SuspendStrikes {
  eventpb::StrikesSuspended suspension;
};
struct ResumeStrikes {};
struct ReportHealth {
  int wanted = 0;
  int have = 0;
  int healthy = 0;
};
struct End {};  // down, and no worker is open

using Command = std::variant<Apply, Scale, Down, ChangeWaits, RecordPreflight, ChangeQuotaInterval,
                             SuspendStrikes, ResumeStrikes, ReportHealth, End>;

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context);

}  // namespace muster::fleet
