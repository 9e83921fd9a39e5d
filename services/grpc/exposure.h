// What is billed and by whose wish, and what may still be spent if nobody acts any more. Pure.
#pragma once

#include <string>
#include <vector>

#include "commands/world.h"
#include "eventstore/base/rental.h"
#include "eventstore/event_store.h"
#include "muster/api/v1/audit.pb.h"
#include "queries/read_models.h"

namespace muster::grpc_api {

namespace api = ::muster::api::v1;

// Every machine that the providers bill, mapped to the event that asked for it, or not.
class BilledReport {
 public:
  // `list` is the provider's complete answer. The intents are read back from `store`.
  void Add(const World& world, const EventStore& store, const ProviderName& provider,
           const std::vector<Instance>& list, absl::Time now);
  // The same where nobody is asked: by what the log had of the provider up to `world`, the newest
  // complete list first of all. What the answer rests on is told in notes.
  void AddRecorded(const World& world, const EventStore& store, const ProviderName& provider,
                   absl::Time now);
  // Dedicated servers: those with an order in the log, and those without one.
  void AddServers(std::vector<api::ServerBill> ordered, std::vector<api::ServerBill> strays);
  // Nothing is proved of this one.
  void Unlisted(const ProviderName& provider, const Status& why);
  api::ProveOrphansResponse Finish();

 private:
  api::ProveOrphansResponse report_;
};

// The worst case if muster dies now: nothing is destroyed any more, so every machine runs on until
// its account's credit is used up; budgets are held by muster, and hold nothing then. Launches in
// flight count as rented.
api::ProveBudgetResponse WorstCase(const queries::ReadModels& models, const World& world,
                                   absl::Time now);

}  // namespace muster::grpc_api
