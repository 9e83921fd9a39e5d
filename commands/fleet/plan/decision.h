// What the policy decides: commands for the Handler, each with the rule that led to it. Values.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "commands/account/commands.h"
#include "commands/fleet/commands.h"
#include "commands/worker/commands.h"

namespace muster::fleet {

// `intent` is complete but for token and label: fresh ids are not the policy's to make.
struct Launch {
  eventpb::LaunchRequested intent;
};

// Takes a stray in as a worker of a fresh id; with `condemn`, to destroy it at once.
struct TakeIn {
  eventpb::WorkerAdopted adoption;
  std::optional<eventpb::WorkerCondemned> condemn;
};
struct ForWorker {
  WorkerId worker;
  worker::Command command;
};
struct ForFleet {
  FleetName fleet;
  Command command;
};
struct ForAccount {
  ProviderName provider;
  account::Command command;
};

struct Decision {
  std::string rule;   // for counting: "no-progress", "replenish", "health"
  std::string actor;  // "policy:zeb@v12", or "policy:vast" for what concerns the account
  std::variant<Launch, TakeIn, ForWorker, ForFleet, ForAccount> act;
};

// Rules that only write down what is seen; the others change what is rented.
inline constexpr char kRuleHealth[] = "health";
inline constexpr char kRuleWaits[] = "waits";
inline constexpr char kRuleRollUp[] = "roll-up";

}  // namespace muster::fleet
