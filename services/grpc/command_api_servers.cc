// CommandApi: dedicated servers. Every change is planned first; what is carried out is that plan,
// or nothing.
#include "services/files/server_check.h"
#include "services/grpc/command_api.h"
#include "workers/servers/server_plans.h"

namespace muster::grpc_api {
namespace {

Status NoServer(const std::string& name) {
  return Refusal(StatusCode::kNotFound, "SERVER_NOT_FOUND", Cat("there is no server '", name, "'"),
                 {{"server", name}, {"next", "muster server list"}});
}

Status NoServersHere(const std::string& provider) {
  return Refusal(
      StatusCode::kFailedPrecondition, "PROVIDER_UNKNOWN",
      Cat("this musterd orders no servers at '", provider, "'"),
      {{"provider", provider}, {"next", Cat("add providers.", provider, " to its configuration")}});
}

api::ServerPlan ToApi(const ServerPlan& plan) {
  api::ServerPlan out;
  out.set_plan_id(plan.id);
  for (const auto& line : plan.checks) out.add_checks(line);
  for (const auto& line : plan.actions) out.add_actions(line);
  for (const auto& line : plan.costs) out.add_costs(line);
  for (const auto& line : plan.warnings) out.add_warnings(line);
  for (const eventpb::DiskSeen& disk : plan.disks_lost) {
    api::ServerDisk* lost = out.add_disks_lost();
    lost->set_path(disk.path());
    lost->set_identity(disk.identity());
    lost->set_model(disk.model());
    lost->set_bytes(disk.bytes());
    lost->set_holds(disk.holds());
  }
  out.set_needs_name(plan.needs_name);
  return out;
}

// Enough to go on by; GetServer has the rest.
api::Server Brief(const server::State& state) {
  api::Server out;
  out.set_id(state.id.str());
  out.set_name(state.name.str());
  out.set_provider(state.provider.str());
  out.set_state(server::StateText(state));
  out.set_next_step(std::string(server::StepName(server::NextStep(state))));
  out.set_running_step(std::string(server::StepName(state.running)));
  out.set_next(server::NextText(state));
  out.set_needs_operator(server::NeedsOperator(state));
  out.set_position(state.last_position);
  return out;
}

// Stale: the world is not any more as it was when somebody said yes.
Status CheckPlan(const ServerPlan& plan, const std::string& agreed, const std::string& typed,
                 const std::string& name) {
  if (!agreed.empty() && agreed != plan.id) {
    return Refusal(StatusCode::kAborted, "PLAN_STALE",
                   Cat("the plan is ", plan.id, " by now, agreed was ", agreed),
                   {{"plan_id", plan.id}, {"next", "look at the new plan"}});
  }
  if (plan.needs_name && typed != name) {
    return Refusal(
        StatusCode::kFailedPrecondition, "NAME_NOT_CONFIRMED",
        Cat("this destroys what cannot be brought back: confirm with the server's name, ", name),
        {{"server", name}, {"next", Cat("--confirm ", name)}});
  }
  return absl::OkStatus();
}

// The spec with its defaults, or every field that is wrong.
StatusOr<specpb::ServerSpec> CheckedServerSpec(specpb::ServerSpec spec) {
  FillServerDefaults(spec);
  std::vector<std::pair<std::string, std::string>> wrong;
  for (const Violation& violation : ValidateServerSpec(spec)) {
    wrong.emplace_back(Cat("spec.", violation.field), violation.description);
  }
  if (!wrong.empty()) return BadRequest(wrong);
  return spec;
}

}  // namespace

StatusOr<const server::State*> CommandApi::OpenServer(const std::string& name) const {
  const server::State* state = handler_.world().FindServerNamed(name);
  if (state == nullptr || state->order_phase == server::OrderPhase::kNone) return NoServer(name);
  return state;
}

StatusOr<ServerPlans*> CommandApi::PlansOf(const ProviderName& provider) const {
  ServerPlans* plans = hooks_.servers ? hooks_.servers(provider) : nullptr;
  if (plans == nullptr) return NoServersHere(provider.str());
  return plans;
}

api::ServerChange CommandApi::ChangeOf(const ServerPlan& plan) const {
  api::ServerChange change;
  *change.mutable_plan() = ToApi(plan);
  const server::State* state = handler_.world().FindServer(plan.server);
  if (state != nullptr) *change.mutable_server() = Brief(*state);
  return change;
}

Task<StatusOr<api::ServerChange>> CommandApi::ExecuteServer(Request request, ServerPlan plan) {
  CO_ASSIGN_OR_RETURN(const Outcome outcome,
                      co_await handler_.Server(plan.server, plan.command, request.origin));
  co_return co_await book_.Finish(request, ChangeOf(plan), outcome.position);
}

// The keys are made before the intent that names them; of a refused order they are left over, and
// taken up by the next one of the same server only.
Status CommandApi::MakeServerKeys(ServerPlan& plan) {
  auto* order = std::get_if<server::Order>(&plan.command);
  if (order == nullptr) return absl::OkStatus();  // ordered again, with the keys it has
  plan.server = ServerId(rt_.rng().Token(5));
  if (hooks_.server_keys == nullptr) return Unimplemented("this musterd keeps no keys");
  MUSTER_ASSIGN_OR_RETURN(const SshKeyPair order_key,
                          hooks_.server_keys->GetOrMake(OrderKeyName(plan.server)));
  MUSTER_ASSIGN_OR_RETURN(const SshKeyPair host_key,
                          hooks_.server_keys->GetOrMake(HostKeyName(plan.server)));
  order->planned.set_order_public_key(order_key.public_key);
  order->planned.set_order_key_md5(KeyMd5(order_key.public_key));
  order->planned.set_host_public_key(host_key.public_key);
  order->requested.set_key_md5(KeyMd5(order_key.public_key));
  return absl::OkStatus();
}

Task<StatusOr<api::ServerChange>> CommandApi::OrderServer(api::OrderServerRequest message,
                                                          Caller caller) {
  const Request request = book_.Begin("server-order", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::ServerChange>(request));
  if (first.has_value()) co_return *first;
  CO_ASSIGN_OR_RETURN(const specpb::ServerSpec spec, CheckedServerSpec(message.spec()));
  CO_ASSIGN_OR_RETURN(ServerPlans* const plans, PlansOf(ProviderName(spec.provider())));
  CO_ASSIGN_OR_RETURN(ServerPlan plan, co_await plans->Order(spec));
  if (request.validate_only) co_return ChangeOf(plan);
  CO_RETURN_IF_ERROR(CheckPlan(plan, message.plan_id(), "", spec.name()));
  CO_RETURN_IF_ERROR(MakeServerKeys(plan));
  co_return co_await ExecuteServer(request, std::move(plan));
}

Task<StatusOr<api::ServerChange>> CommandApi::StepServer(api::StepServerRequest message,
                                                         Caller caller) {
  const Request request = book_.Begin("server-step", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::ServerChange>(request));
  if (first.has_value()) co_return *first;
  CO_ASSIGN_OR_RETURN(const server::State* const state, OpenServer(message.server()));
  const std::optional<server::Step> step = server::StepFromName(message.step());
  if (!step.has_value()) {
    co_return BadRequest({{"step", Cat("there is no step '", message.step(), "'")}});
  }
  const std::string name = state->name.str();
  CO_ASSIGN_OR_RETURN(ServerPlans* const plans, PlansOf(state->provider));
  CO_ASSIGN_OR_RETURN(ServerPlan plan, co_await plans->Step(state->id, *step));
  auto& command = std::get<server::RequestStep>(plan.command);
  // The dry run is refused where the step would be.
  const std::string typed = request.validate_only ? name : message.confirm_name();
  command.confirmed_name = typed;
  const server::State* now = handler_.world().FindServer(plan.server);
  CO_RETURN_IF_ERROR(server::Decide(*now, plan.command, {rt_.Now()}).status());
  if (request.validate_only) co_return ChangeOf(plan);
  CO_RETURN_IF_ERROR(CheckPlan(plan, message.plan_id(), message.confirm_name(), name));
  co_return co_await ExecuteServer(request, std::move(plan));
}

Task<StatusOr<api::ServerChange>> CommandApi::CancelServer(api::CancelServerRequest message,
                                                           Caller caller) {
  const Request request = book_.Begin("server-cancel", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::ServerChange>(request));
  if (first.has_value()) co_return *first;
  CO_ASSIGN_OR_RETURN(const server::State* const state, OpenServer(message.server()));
  absl::CivilDay day;
  const bool dated = absl::ParseCivilTime(message.date(), &day);
  if (message.date() != "now" && !dated) {
    co_return BadRequest({{"date", Cat("'", Ellipsize(message.date(), 40),
                                       "' is no date: now or YYYY-MM-DD was expected")}});
  }
  const std::string name = state->name.str();
  CO_ASSIGN_OR_RETURN(ServerPlans* const plans, PlansOf(state->provider));
  CO_ASSIGN_OR_RETURN(ServerPlan plan,
                      co_await plans->Cancel(state->id, message.date(), message.reason()));
  auto& command = std::get<server::RequestCancel>(plan.command);
  command.confirmed_name = request.validate_only ? name : message.confirm_name();
  const server::State* now = handler_.world().FindServer(plan.server);
  CO_RETURN_IF_ERROR(server::Decide(*now, plan.command, {rt_.Now()}).status());
  if (request.validate_only) co_return ChangeOf(plan);
  CO_RETURN_IF_ERROR(CheckPlan(plan, message.plan_id(), message.confirm_name(), name));
  co_return co_await ExecuteServer(request, std::move(plan));
}

Task<StatusOr<api::ServerChange>> CommandApi::RevokeServerCancellation(
    api::RevokeServerCancellationRequest message, Caller caller) {
  const Request request = book_.Begin("server-revoke", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::ServerChange>(request));
  if (first.has_value()) co_return *first;
  CO_ASSIGN_OR_RETURN(const server::State* const state, OpenServer(message.server()));
  CO_ASSIGN_OR_RETURN(ServerPlans* const plans, PlansOf(state->provider));
  CO_ASSIGN_OR_RETURN(ServerPlan plan, co_await plans->Revoke(state->id));
  const server::State* now = handler_.world().FindServer(plan.server);
  CO_RETURN_IF_ERROR(server::Decide(*now, plan.command, {rt_.Now()}).status());
  if (request.validate_only) co_return ChangeOf(plan);
  co_return co_await ExecuteServer(request, std::move(plan));
}

Task<StatusOr<api::ServerChange>> CommandApi::SettleServer(api::SettleServerRequest message,
                                                           Caller caller) {
  const Request request = book_.Begin("server-settle", message, caller);
  CO_ASSIGN_OR_RETURN(const auto first, book_.Repeated<api::ServerChange>(request));
  if (first.has_value()) co_return *first;
  CO_ASSIGN_OR_RETURN(const server::State* const state, OpenServer(message.server()));
  ServerPlan plan;
  plan.server = state->id;
  plan.actions.push_back("nobody is called; the log says that nothing was ordered");
  plan.warnings.push_back("only when the account in the provider's web page shows no such server");
  plan.command = server::SettleOrder{message.reason()};
  CO_RETURN_IF_ERROR(server::Decide(*state, plan.command, {rt_.Now()}).status());
  if (request.validate_only) co_return ChangeOf(plan);
  co_return co_await ExecuteServer(request, std::move(plan));
}

}  // namespace muster::grpc_api
