// QueryApi: every question of muster.api.v1.QueryService, as coroutines on the reactor.
//
// Transport-free: the gRPC service (services.h) and tests under virtual time call the same
// functions. Answers come from the read models, or for the past from the log; only ListOffers of
// now and ReadLogs(refresh) ask the provider, through the hooks. References must outlive it.
// Reactor thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "commands/fleet/plan/options.h"
#include "commands/shadow/driver.h"
#include "commands/world.h"
#include "eventstore/base/runtime.h"
#include "eventstore/base/server.h"
#include "eventstore/event_store.h"
#include "muster/api/v1/query.pb.h"
#include "queries/projector.h"
#include "services/grpc/bridge.h"
#include "services/grpc/moments.h"
#include "services/grpc/server_convert.h"
#include "workers/pollers/observation.h"
#include "workers/pollers/tail_keeper.h"

namespace muster::grpc_api {

struct QueryHooks {
  // Searches the market of a fleet now; each offer with its verdict.
  std::function<Task<StatusOr<api::ListOffersResponse>>(api::ListOffersRequest)> list_offers;
  // What a provider of dedicated servers offers now; may be empty.
  std::function<Task<StatusOr<std::vector<ServerOffer>>>(ProviderName, ServerChannel)>
      search_servers;
  // Fetches a live worker's log now.
  std::function<Task<StatusOr<LogTail>>(WorkerId, int lines)> fetch_log;
  // When the pollers last looked, by provider. Facts that stay as they are are not written down
  // again each time, so the log alone makes them look older than they are.
  std::function<std::map<ProviderName, Freshness>()> freshness;
  // Checks of what is outside the read models: store, providers, secrets.
  std::function<Task<std::vector<api::Check>>()> diagnose;
  // Who is told what happens; may be empty.
  std::function<std::vector<api::NotifyTarget>()> notify_targets;
  // What the policy decides by now, and its limits: for questions of why it did not.
  std::function<const World&()> world;
  fleet::PlanOptions plan;
  // What a running shadow counted and the log does not have yet; may be empty.
  std::function<shadow::Driver::Counts(const FleetName&)> shadow_counts;
  // Where a server's sshd is reached, where that is not its own address; may be empty.
  std::function<ServerPlace(const server::State&)> server_place;
  // What is run on a server just now; may be empty.
  std::function<std::optional<ServerDoing>(const server::State&)> server_doing;
  // For the state check of builders; may be nullptr, and then there is none.
  TextFiles* files = nullptr;
  std::string machines_file;  // "" = none is kept
};

class QueryApi {
 public:
  QueryApi(Runtime& rt, const EventStore& store, queries::Projector& projector, TailKeeper& tails,
           QueryHooks hooks);

  Task<StatusOr<api::Fleet>> GetFleet(api::GetFleetRequest request);
  Task<StatusOr<api::ListFleetsResponse>> ListFleets(api::ListFleetsRequest request);
  Task<StatusOr<api::Worker>> GetWorker(api::GetWorkerRequest request);
  Task<StatusOr<api::ListWorkersResponse>> ListWorkers(api::ListWorkersRequest request);
  Task<StatusOr<api::ListHostsResponse>> ListHosts(api::ListHostsRequest request);
  Task<StatusOr<api::ExportBadHostsResponse>> ExportBadHosts(api::ExportBadHostsRequest request);
  Task<StatusOr<api::ExportMarketResponse>> ExportMarket(api::ExportMarketRequest request);
  Task<StatusOr<api::FindServersResponse>> FindServers(api::FindServersRequest request);
  Task<StatusOr<api::ListAccountsResponse>> ListAccounts(api::ListAccountsRequest request);
  Task<StatusOr<api::ListOffersResponse>> ListOffers(api::ListOffersRequest request);
  Task<StatusOr<api::GetEfficiencyResponse>> GetEfficiency(api::GetEfficiencyRequest request);
  Task<StatusOr<api::GetCostResponse>> GetCost(api::GetCostRequest request);
  Task<StatusOr<api::ListEventsResponse>> ListEvents(api::ListEventsRequest request);
  Task<StatusOr<api::ExplainResponse>> Explain(api::ExplainRequest request);
  Task<StatusOr<api::DiffResponse>> Diff(api::DiffRequest request);
  Task<StatusOr<api::ListShadowsResponse>> ListShadows(api::ListShadowsRequest request);
  Task<StatusOr<api::Server>> GetServer(api::GetServerRequest request);
  Task<StatusOr<api::ListServersResponse>> ListServers(api::ListServersRequest request);
  Task<StatusOr<api::ExportMachinesResponse>> ExportMachines(api::ExportMachinesRequest request);
  Task<StatusOr<api::CheckBuildersResponse>> CheckBuilders(api::CheckBuildersRequest request);
  Task<StatusOr<api::ReplayResponse>> Replay(api::ReplayRequest request);
  Task<StatusOr<api::Operation>> GetOperation(api::GetOperationRequest request);
  Task<StatusOr<api::DiagnoseResponse>> Diagnose(api::DiagnoseRequest request);
  Task<StatusOr<api::ListNotifyTargetsResponse>> ListNotifyTargets(
      api::ListNotifyTargetsRequest request);

  // These go on until the client goes or what is watched has ended.
  Task<Status> WatchFleets(api::WatchFleetsRequest request,
                           Stream<api::ListFleetsResponse>& stream);
  Task<Status> WatchEvents(api::WatchEventsRequest request, Stream<api::Event>& stream);
  Task<Status> WatchOperation(api::GetOperationRequest request, Stream<api::Operation>& stream);
  Task<Status> ReadLogs(api::ReadLogsRequest request, Stream<api::LogChunk>& stream);
  Task<Status> PackBundle(api::PackBundleRequest request, Stream<api::BundleChunk>& stream);

 private:
  // ListOffers with `as_of` set: by what was recorded then.
  Task<StatusOr<api::ListOffersResponse>> OffersThen(api::ListOffersRequest request);
  // The live World, or that of a past moment. The live one changes while anything is awaited.
  struct WorldView {
    std::shared_ptr<const World> past;
    const World* world = nullptr;
    absl::Time now;
  };
  Task<StatusOr<WorldView>> WorldOf(api::AsOf as_of);
  ServerPlace PlaceOf(const server::State& state) const;
  // As `view` has it; live also with what is run on it.
  api::Server ShownIn(const WorldView& view, const server::State& state) const;
  // Explain with `why_not` set.
  Task<StatusOr<api::ExplainResponse>> WhyNot(api::ExplainRequest request);
  api::ListFleetsResponse Fleets(const queries::ReadModels& models, absl::Time now,
                                 const std::string& only, bool include_ended) const;
  void Freshen(const queries::FleetStatus& fleet, api::Fleet& out) const;
  void Freshen(api::Account& out) const;
  Task<Status> Follow(WorkerId worker, std::string shown, Stream<api::LogChunk>& stream);

  Runtime& rt_;
  const EventStore& store_;
  queries::Projector& projector_;
  TailKeeper& tails_;
  const QueryHooks hooks_;
  const Moments moments_;
  const absl::Time started_;
  const std::shared_ptr<int> replays_ = std::make_shared<int>(0);  // under way
};

}  // namespace muster::grpc_api
