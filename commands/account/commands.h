// What can be asked of an account's stream. Decide as in commands/worker/commands.h.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "commands/account/state.h"
#include "commands/context.h"

namespace muster::account {

// Observations are written when they changed (credit: by a cent) and every five minutes.
struct ObserveCredit {
  MicroUsd credit;
  MicroUsd balance;
};
struct BeginCreditWait {
  std::string detail;
  eventpb::Evidence evidence;
};
struct RecordProbe {
  bool credit = false;
  std::string detail;
};
struct EndCreditWait {
  eventpb::Evidence evidence;
};
struct BeginTrouble {
  TroubleKind kind;
  std::string endpoint;
  std::string detail;
};
struct EndTrouble {
  TroubleKind kind;
  std::string endpoint;
};
struct ObserveOffers {
  std::vector<Offer> offers;
  int found = 0;
  std::string query_digest;
};
// A complete list. `strays` are the instances that bear our mark (see OrphanFound) and that no open
// worker accounts for. A known orphan is resolved when it is no stray any more, and when two lists
// in a row lack it.
struct ObserveList {
  std::vector<InstanceId> instances;
  std::vector<eventpb::OrphanFound> strays;
};
struct ResolveOrphan {
  InstanceId instance;
  eventpb::OrphanResolved::How how;
  WorkerId worker;
};

// Servers of the account that no order of ours explains. Each is said once.
struct NoteStrayServers {
  std::vector<eventpb::StrayServerFound> strays;
};

using Command =
    std::variant<NoteStrayServers, ObserveCredit, BeginCreditWait, RecordProbe, EndCreditWait,
                 BeginTrouble, EndTrouble, ObserveOffers, ObserveList, ResolveOrphan>;

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context);

}  // namespace muster::account
