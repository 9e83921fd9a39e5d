#include "tests/stage/server_hands.h"

#include <utility>

#include "workers/providers/hetzner/hetzner_provider.h"
#include "workers/providers/hetzner/limits.h"
#include "workers/servers/server_plans.h"

namespace muster {
namespace {

ServerPorts PortsOf(VirtualRuntime& rt, ServerOutside& outside, Handler& handler,
                    ServerProvider& provider, Secrets& secrets) {
  return {.rt = rt,
          .handler = handler,
          .provider = provider,
          .ssh = outside.machines,
          .keys = outside.keys,
          .secrets = secrets,
          .programs = outside.nix,
          .files = outside.files,
          .open_file = [&outside](const std::string& path) { return outside.OpenImage(path); }};
}

}  // namespace

ServerHands::ServerHands(VirtualRuntime& rt, ServerOutside& outside, Handler& handler)
    : rt_(rt),
      outside_(outside),
      handler_(handler),
      http_(rt, outside.service),
      limiter_(MakeRateLimiter(rt, hetzner::DefaultRateLimits())) {
  secrets_.Set("env:ROBOT", kRobotPassword);
  HetznerOptions wire;
  wire.base_url = "http://robot.internal";
  wire.user = ServerOutside::Calm().user;
  wire.password_ref = "env:ROBOT";
  provider_ = MakeHetznerProvider(std::move(wire), rt, http_, *limiter_, secrets_);
  ServerOptions options;
  options.machines_file = kMachinesFile;
  options.nix.folder = "/usr/bin";
  effects_ = std::make_unique<ServerEffects>(PortsOf(rt, outside, handler, *provider_, secrets_),
                                             std::move(options));
}

const server::State& ServerHands::At(std::string_view name) const {
  static const server::State none;
  const server::State* state = world().FindServerNamed(name);
  return state != nullptr ? *state : none;
}

Task<Status> ServerHands::Ask(ServerId id, server::Command command) {
  const StatusOr<Outcome> outcome =
      co_await handler_.Server(id, std::move(command), Origin{.actor = "operator:stage"});
  co_return outcome.status();
}

Task<Status> ServerHands::Order(specpb::ServerSpec spec) {
  CO_ASSIGN_OR_RETURN(ServerPlan plan, co_await effects_->plans().Order(std::move(spec)));
  if (!plan.replaces.empty()) {
    server::SettleOrder settle{"ordered anew"};
    CO_RETURN_IF_ERROR(co_await Ask(plan.replaces, std::move(settle)));
  }
  if (auto* order = std::get_if<server::Order>(&plan.command)) {
    plan.server = ServerId(rt_.rng().Token(5));
    const SshKeyPair key = *outside_.keys.GetOrMake(OrderKeyName(plan.server));
    const SshKeyPair host = *outside_.keys.GetOrMake(HostKeyName(plan.server));
    order->planned.set_order_public_key(key.public_key);
    order->planned.set_order_key_md5(KeyMd5(key.public_key));
    order->planned.set_host_public_key(host.public_key);
    order->requested.set_key_md5(KeyMd5(key.public_key));
  }
  co_return co_await Ask(plan.server, std::move(plan.command));
}

Task<Status> ServerHands::Step(server::Step step, std::string name) {
  const ServerId id = At(name).id;
  CO_ASSIGN_OR_RETURN(ServerPlan plan, co_await effects_->plans().Step(id, step));
  std::get<server::RequestStep>(plan.command).confirmed_name = name;
  co_return co_await Ask(id, std::move(plan.command));
}

Task<Status> ServerHands::Cancel(std::string date, std::string name) {
  const ServerId id = At(name).id;
  CO_ASSIGN_OR_RETURN(ServerPlan plan,
                      co_await effects_->plans().Cancel(id, std::move(date), "done with it"));
  std::get<server::RequestCancel>(plan.command).confirmed_name = name;
  co_return co_await Ask(id, std::move(plan.command));
}

Task<Status> ServerHands::Revoke(std::string name) {
  const ServerId id = At(name).id;
  CO_ASSIGN_OR_RETURN(ServerPlan plan, co_await effects_->plans().Revoke(id));
  co_return co_await Ask(id, std::move(plan.command));
}

Task<Status> ServerHands::Settle(std::string name) {
  const server::State& state = At(name);
  if (outside_.Bought(state.order_key_md5) > 0) co_return FailedPrecondition("it was bought");
  const ServerId id = state.id;
  co_return co_await Ask(id, server::SettleOrder{"nothing was bought"});
}

}  // namespace muster
