// What can be asked of an account's stream. Decide as in commands/worker/commands.h.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "commands/account/state.h"
#include "commands/context.h"

namespace muster::account {

struct ObserveCredit { MicroUsd credit; MicroUsd balance; };  // written when it moved by a cent
struct BeginCreditWait { std::string detail; eventpb::Evidence evidence; };
struct RecordProbe { bool credit = false; std::string detail; };
struct EndCreditWait { eventpb::Evidence evidence; };
struct BeginTrouble { TroubleKind kind; std::string endpoint; std::string detail; };
struct EndTrouble { TroubleKind kind; std::string endpoint; };
struct ObserveOffers { std::vector<Offer> offers; int found = 0; std::string query_digest; };
// A complete list: written when the set of ids changed. `strays` are the instances that bear our
// mark (see OrphanFound) and that no open worker accounts for.
struct ObserveList { std::vector<InstanceId> instances; std::vector<eventpb::OrphanFound> strays; };
struct ResolveOrphan {
  InstanceId instance;
  eventpb::OrphanResolved::How how;
  WorkerId worker;
};

using Command = std::variant<ObserveCredit, BeginCreditWait, RecordProbe, EndCreditWait,
                             BeginTrouble, EndTrouble, ObserveOffers, ObserveList, ResolveOrphan>;

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context);

}  // namespace muster::account
