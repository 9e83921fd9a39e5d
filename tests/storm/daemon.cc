#include "tests/storm/daemon.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "workers/pollers/market_poller.h"
#include "workers/providers/vast/limits.h"
#include "workers/providers/vast/vast_provider.h"

namespace muster::storm {

SimReply MarketServer::Handle(const HttpRequest& request, absl::Time now) {
  SimReply reply = sim_.Handle(request, TrueTime(now));
  if (on_rent && request.url.find("/asks/") != std::string::npos) on_rent();
  return reply;
}

Daemon::Daemon(VirtualRuntime& rt, SimServer& server, std::shared_ptr<MemoryLog> log)
    : rt_(rt),
      store_(rt, std::move(log)),
      http_(rt, server),
      secrets_({{"env:VAST_API_KEY", kApiKey}, {"env:HF_TOKEN", kHfToken}}),
      tails_(rt, {}) {
  limiter_ = MakeRateLimiter(rt, vast::DefaultRateLimits());
  VastOptions options;
  options.base_url = kOrigin;
  options.log_hosts = {kOrigin};
  provider_ = MakeVastProvider(options, rt, http_, *limiter_, secrets_);
  engine_ =
      std::make_unique<Engine>(Engine::Ports{rt, store_, http_, secrets_, tails_}, EngineOptions{});
  engine_->AddProvider(*provider_);
}

Task<Status> Daemon::Start() {
  CO_RETURN_IF_ERROR(co_await engine_->Start());
  projector_ = std::make_unique<queries::Projector>(rt_, store_);
  CO_RETURN_IF_ERROR(co_await projector_->Start());
  api_ =
      std::make_unique<grpc_api::CommandApi>(rt_, engine_->handler(), engine_->policy(), Hooks());
  co_return absl::OkStatus();
}

grpc_api::CommandHooks Daemon::Hooks() {
  grpc_api::CommandHooks hooks;
  hooks.providers = {ProviderName("vast")};
  hooks.search_market = [this](specpb::FleetSpec spec) { return SearchMarket(std::move(spec)); };
  hooks.written = [this](std::uint64_t position) -> Task<void> {
    co_await projector_->WaitPast(position == 0 ? 0 : position - 1, rt_.Now() + absl::Seconds(10));
  };
  return hooks;
}

Task<Status> Daemon::SearchMarket(specpb::FleetSpec spec) {
  const ProviderName name("vast");
  World wanted;
  wanted.fleets = engine_->handler().world().fleets;
  fleet::State& planned = wanted.fleets[FleetName(spec.name())];
  planned.name = FleetName(spec.name());
  planned.spec = std::move(spec);
  planned.fleet_version = std::max<std::int64_t>(planned.fleet_version, 1);
  planned.down_requested = false;
  account::ObserveOffers observed;
  for (const OfferQuery& query : MarketQueries(wanted, name)) {
    CO_ASSIGN_OR_RETURN(std::vector<Offer> offers,
                        co_await provider_->SearchOffers(query, rt_.Now() + absl::Seconds(20)));
    std::move(offers.begin(), offers.end(), std::back_inserter(observed.offers));
  }
  observed.found = static_cast<int>(observed.offers.size());
  observed.query_digest = "plan";
  account::Command command = std::move(observed);
  Origin origin;
  origin.actor = "poller:market";
  const StatusOr<Outcome> outcome =
      co_await engine_->handler().Account(name, std::move(command), std::move(origin));
  co_return outcome.status();
}

}  // namespace muster::storm
