// What dedicated servers cost, and what is otherwise with them at one moment than at another: from
// the World, as everything that is shown of them. Pure.
#pragma once

#include <string>
#include <vector>

#include "commands/world.h"
#include "eventstore/base/server.h"
#include "eventstore/event_store.h"
#include "muster/api/v1/query.pb.h"
#include "muster/api/v1/server.pb.h"
#include "queries/diff/diff.h"

namespace muster::grpc_api {

namespace api = ::muster::api::v1;

enum class BillsOf { kEverOrdered, kMayCostNow };

// By name; of those that were never delivered only what may still be billed. For kMayCostNow of
// `provider` alone unless that is empty.
std::vector<api::ServerBill> ServerBills(const World& world, BillsOf which,
                                         const ProviderName& provider, absl::Time now);

// Those of the provider's complete list that no order in the log explains; `intent` is set where
// one that is under way may be behind them.
std::vector<api::ServerBill> StrayBills(const World& world, const ProviderName& provider,
                                        const std::vector<Server>& list);
// The same as the log had it: strays that were found by then.
std::vector<api::ServerBill> RecordedStrayBills(const World& world, const ProviderName& provider);

// "server/NAME": state, what is paid for it, what was spent, until when it stays, how it does.
std::vector<queries::Change> DiffServers(const World& from, absl::Time from_now, const World& to,
                                         absl::Time to_now);

}  // namespace muster::grpc_api
