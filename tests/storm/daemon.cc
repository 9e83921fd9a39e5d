#include "tests/storm/daemon.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "tests/storm/faulty_provider.h"
#include "workers/pollers/market_poller.h"

namespace muster::storm {

namespace {

LifeOptions Options(specpb::Budget account_budget, const Keys& keys) {
  LifeOptions options;
  options.keys = keys;
  options.engine.policy.plan.account_budgets[ProviderName("vast")] = std::move(account_budget);
  options.around_provider = MakeFaultyProvider;
  return options;
}

}  // namespace

Daemon::Daemon(VirtualRuntime& rt, SimServer& server, std::unique_ptr<EventStore> store,
               const specpb::Budget& account_budget, const Keys& keys, ServerOutside* servers)
    : rt_(rt),
      options_(Options(account_budget, keys)),
      life_(rt, server, std::move(store), options_),
      servers_(servers) {}

Task<Status> Daemon::Start() {
  CO_RETURN_IF_ERROR(co_await life_.engine().Start());
  projector_ = std::make_unique<queries::Projector>(rt_, life_.store());
  CO_RETURN_IF_ERROR(co_await projector_->Start());
  api_ = std::make_unique<grpc_api::CommandApi>(rt_, life_.engine().handler(),
                                                life_.engine().policy(), Hooks());
  if (servers_ != nullptr) {
    hands_ = std::make_unique<ServerHands>(rt_, *servers_, life_.engine().handler());
    hands_->Start();
  }
  co_return absl::OkStatus();
}

grpc_api::CommandHooks Daemon::Hooks() {
  grpc_api::CommandHooks hooks;
  hooks.plan = options_.engine.policy.plan;
  hooks.providers = {ProviderName("vast")};
  hooks.list_instances = [this](ProviderName, absl::Time) {
    return life_.provider().ListInstances(rt_.Now() + absl::Seconds(20));
  };
  hooks.search_market = [this](specpb::FleetSpec spec, absl::Time deadline) {
    return SearchMarket(std::move(spec), deadline);
  };
  hooks.flush_shadow = [this](FleetName name) {
    return life_.engine().shadows().Flush(std::move(name));
  };
  hooks.written = [this](std::uint64_t position) -> Task<void> {
    co_await projector_->WaitPast(position == 0 ? 0 : position - 1, rt_.Now() + absl::Seconds(10));
  };
  return hooks;
}

Task<Status> Daemon::SearchMarket(specpb::FleetSpec spec, absl::Time deadline) {
  const ProviderName name("vast");
  World wanted;
  wanted.fleets = life_.engine().handler().world().fleets;
  fleet::State& planned = wanted.fleets[FleetName(spec.name())];
  planned.name = FleetName(spec.name());
  planned.spec = std::move(spec);
  planned.fleet_version = std::max<std::int64_t>(planned.fleet_version, 1);
  planned.down_requested = false;
  account::ObserveOffers observed;
  for (const OfferQuery& query : MarketQueries(wanted, name)) {
    CO_ASSIGN_OR_RETURN(std::vector<Offer> offers,
                        co_await life_.provider().SearchOffers(
                            query, std::min(deadline, rt_.Now() + absl::Seconds(20))));
    std::move(offers.begin(), offers.end(), std::back_inserter(observed.offers));
  }
  observed.found = static_cast<int>(observed.offers.size());
  observed.query_digest = "plan";
  account::Command command = std::move(observed);
  Origin origin;
  origin.actor = "poller:market";
  const StatusOr<Outcome> outcome =
      co_await life_.engine().handler().Account(name, std::move(command), std::move(origin));
  co_return outcome.status();
}

}  // namespace muster::storm
