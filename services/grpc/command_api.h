// CommandApi: every write of muster.api.v1.CommandService, as coroutines on the reactor.
//
// Each goes the same way: a repeated request_id gets its first answer; the change is previewed by
// the policy's own code; validate_only stops there; else it is decided by the Handler and what was
// answered is kept with the request_id. Transport-free. References must outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "commands/fleet/plan/preview.h"
#include "commands/handler/handler.h"
#include "commands/handler/policy_driver.h"
#include "eventstore/base/runtime.h"
#include "muster/api/v1/command.pb.h"
#include "services/grpc/bridge.h"
#include "services/grpc/request_book.h"
#include "workers/ports/key_store.h"
#include "workers/ports/provider.h"

namespace muster {
class ServerPlans;
struct ServerPlan;
}  // namespace muster

namespace muster::grpc_api {

namespace api = ::muster::api::v1;

struct CommandHooks {
  fleet::PlanOptions plan;
  // The providers this daemon has; a fleet of another one is refused.
  std::vector<ProviderName> providers;
  // Searches the market for all fleets and this one until the deadline at the latest, and records
  // what was seen.
  std::function<Task<Status>(specpb::FleetSpec, absl::Time deadline)> search_market;
  // Field and problem of each secret reference of the fleet that does not resolve here.
  std::function<std::vector<std::pair<std::string, std::string>>(const specpb::FleetSpec&)>
      missing_secrets;
  // A fresh complete list of an account's instances, for adoption.
  std::function<Task<StatusOr<std::vector<Instance>>>(ProviderName, absl::Time deadline)>
      list_instances;
  // Makes a backup beside the reactor; null where the store has none (in memory).
  std::function<Task<StatusOr<api::BackupStoreResponse>>()> backup;
  // Sends a test message; null = nobody is told anything.
  std::function<Task<StatusOr<api::TestNotifyTargetResponse>>(std::string target)> test_notify;
  // Whose payloads may be redacted; null = none.
  EventStore* store = nullptr;
  // A text with every known secret painted over; may be empty. What it would change is refused.
  MaskFn mask;
  // Writes down what a running shadow counted since it last did; may be empty.
  std::function<Task<void>(FleetName)> flush_shadow;
  // Plans changes of a provider's dedicated servers; may be empty, nullptr where it has none.
  std::function<ServerPlans*(const ProviderName&)> servers;
  KeyStore* server_keys = nullptr;
  // Returns once the read models show `position`, so that who wrote reads what was written.
  std::function<Task<void>(std::uint64_t position)> written;
};

class CommandApi {
 public:
  CommandApi(Runtime& rt, Handler& handler, PolicyDriver& policy, CommandHooks hooks);

  Task<StatusOr<api::Operation>> ApplyFleet(api::ApplyFleetRequest request, Caller caller);
  Task<StatusOr<api::Operation>> ScaleFleet(api::ScaleFleetRequest request, Caller caller);
  Task<StatusOr<api::Operation>> DownFleet(api::DownFleetRequest request, Caller caller);
  Task<StatusOr<api::Operation>> ReplaceWorker(api::ReplaceWorkerRequest request, Caller caller);
  Task<StatusOr<api::Operation>> DestroyWorker(api::DestroyWorkerRequest request, Caller caller);
  Task<StatusOr<api::Operation>> AdoptInstances(api::AdoptInstancesRequest request, Caller caller);
  Task<StatusOr<api::PardonHostResponse>> PardonHost(api::PardonHostRequest request, Caller caller);
  Task<StatusOr<api::ImportBadHostsResponse>> ImportBadHosts(api::ImportBadHostsRequest request,
                                                             Caller caller);
  Task<StatusOr<api::BackupStoreResponse>> BackupStore(api::BackupStoreRequest request,
                                                       Caller caller);
  Task<StatusOr<api::RedactPayloadResponse>> RedactPayload(api::RedactPayloadRequest request,
                                                           Caller caller);
  Task<StatusOr<api::Shadow>> StartShadow(api::StartShadowRequest request, Caller caller);
  Task<StatusOr<api::Operation>> PromoteShadow(api::PromoteShadowRequest request, Caller caller);
  Task<StatusOr<api::Shadow>> StopShadow(api::StopShadowRequest request, Caller caller);
  Task<StatusOr<api::ServerChange>> OrderServer(api::OrderServerRequest request, Caller caller);
  Task<StatusOr<api::ServerChange>> StepServer(api::StepServerRequest request, Caller caller);
  Task<StatusOr<api::ServerChange>> CancelServer(api::CancelServerRequest request, Caller caller);
  Task<StatusOr<api::ServerChange>> RevokeServerCancellation(
      api::RevokeServerCancellationRequest request, Caller caller);
  Task<StatusOr<api::ServerChange>> SettleServer(api::SettleServerRequest request, Caller caller);
  Task<StatusOr<api::TestNotifyTargetResponse>> TestNotifyTarget(
      api::TestNotifyTargetRequest request, Caller caller);

 private:
  // What an operation is about: a fleet or a worker, and the fleet it belongs to.
  struct Target {
    std::string subject;
    std::string fleet;
  };

  // Every field and reference of a complete spec; BadRequest naming all that is wrong.
  Status CheckSpec(const specpb::FleetSpec& spec) const;
  // Makes sure that the offers known are fresh and of a search that fits `spec`.
  Task<Status> LookAtMarket(specpb::FleetSpec spec, absl::Time deadline);
  StatusOr<api::Plan> Preview(const fleet::Change& change) const;
  // The second half of every change: with validate_only the plan, else `act`, which returns the
  // position of what it wrote, and the kept answer.
  Task<StatusOr<api::Operation>> Execute(Request request, Target target, api::Plan plan,
                                         std::function<Task<StatusOr<std::uint64_t>>()> act,
                                         std::string progress);
  api::Operation Answer(const Request& request, Target target, api::Plan plan,
                        std::uint64_t position, std::string progress) const;

  Task<StatusOr<std::uint64_t>> TellFleet(FleetName name, fleet::Command command, Origin origin);
  Task<StatusOr<std::uint64_t>> TellWorker(WorkerId id, worker::Command command, Origin origin);
  Task<StatusOr<std::uint64_t>> TellShadow(FleetName name, shadow::Command command, Origin origin);
  Task<StatusOr<std::uint64_t>> EndShadow(FleetName name, shadow::End end, Origin origin);
  api::Shadow ShadowNow(const FleetName& name) const;
  Status CheckCandidate(const specpb::FleetSpec& spec) const;
  Task<StatusOr<std::uint64_t>> Destroy(WorkerId id, api::DestroyWorkerRequest message,
                                        Origin origin);
  StatusOr<const server::State*> OpenServer(const std::string& name) const;
  StatusOr<ServerPlans*> PlansOf(const ProviderName& provider) const;
  Status MakeServerKeys(ServerPlan& plan);
  api::ServerChange ChangeOf(const ServerPlan& plan) const;
  Task<StatusOr<api::ServerChange>> ExecuteServer(Request request, ServerPlan plan);
  // What runs under the label of a fleet that is not there yet, which the log cannot know.
  struct Strays {
    std::vector<account::Orphan> found;
    std::vector<std::string> notes;  // each of them for people, with age and cost
  };
  Task<Strays> StraysOf(specpb::FleetSpec spec, absl::Time deadline);
  Task<StatusOr<std::vector<Instance>>> Adoptable(absl::Time deadline, const fleet::State& fleet,
                                                  const api::AdoptInstancesRequest& request);
  struct Adopted;  // what came of several
  Task<void> AdoptOne(worker::Adopt adopt, Origin origin, std::shared_ptr<Adopted> done);
  Task<StatusOr<std::uint64_t>> AdoptAll(FleetName fleet, std::vector<Instance> instances,
                                         Origin origin);

  Runtime& rt_;
  Handler& handler_;
  PolicyDriver& policy_;
  const CommandHooks hooks_;
  RequestBook book_;
  // What the last search for a plan was for, and when its offers were seen.
  std::string searched_for_;
  absl::Time searched_offers_at_ = absl::InfinitePast();
};

// The error of a fleet that there is none of.
Status NoFleet(const std::string& name);
// When an answer to `caller` must be made, so that it arrives before they stop waiting.
absl::Time AnswerBy(const Caller& caller, absl::Time now);

}  // namespace muster::grpc_api
