#include "workers/servers/server_effects.h"

#include <set>
#include <utility>

#include "workers/servers/boot_steps.h"
#include "workers/servers/builder_steps.h"
#include "workers/servers/give_back.h"
#include "workers/servers/order.h"
#include "workers/servers/remote_steps.h"
#include "workers/servers/server_watch.h"
#include "workers/servers/vitals_poller.h"

namespace muster {

using server::OrderPhase;

class ServerEffects::Impl {
 public:
  Impl(ServerPorts ports, ServerOptions options)
      : context(std::move(ports), std::move(options)),
        plans(context),
        watch(context),
        vitals(context) {}
  ~Impl() { Unlisten(); }

  void Start();
  void Unlisten() {
    if (listening != 0) context.ports.handler.Unlisten(listening);
    listening = 0;
  }
  void On(const Written& written);
  void Resume(const ServerId& id, const server::State& state);
  void BeginStep(const ServerId& id, std::string cause);
  Task<void> RunStep(ServerId id, std::string cause);
  Task<StepEnd> Carry(ServerId id, server::Step step);

  ServerContext context;
  ServerPlans plans;
  ServerWatch watch;
  VitalsPoller vitals;
  std::set<ServerId> stepping;
  int listening = 0;
};

void ServerEffects::Impl::Start() {
  listening = context.ports.handler.Listen([this](const Written& written) { On(written); });
  for (const auto& [id, state] : context.world().servers) {
    if (state.provider == context.provider()) Resume(id, state);
  }
  context.group.Spawn("server list", watch.Run());
  context.group.Spawn("server vitals", vitals.Run());
  KeepMachinesFile(context);
}

void ServerEffects::Impl::Resume(const ServerId& id, const server::State& state) {
  if (state.ended_already()) return;
  if (state.order_phase == OrderPhase::kRequested || state.order_phase == OrderPhase::kUnclear) {
    context.group.Spawn("order", ResumeOrder(context, id));
  }
  if (state.order_phase == OrderPhase::kAccepted) {
    context.group.Spawn("delivery", AwaitDelivery(context, id));
  }
  if (state.running != eventpb::SERVER_STEP_UNSPECIFIED) BeginStep(id, "");
  if (!state.cancel_wanted.empty()) {
    context.group.Spawn("cancel", CancelServer(context, id, ""));
  }
  if (state.revoke_wanted) context.group.Spawn("revoke", RevokeCancellation(context, id, ""));
}

void ServerEffects::Impl::On(const Written& written) {
  constexpr std::string_view kPrefix = "server/";
  const std::string_view stream = written.stream.str();
  if (context.group.stopping() || !stream.starts_with(kPrefix)) return;
  const ServerId id(stream.substr(kPrefix.size()));
  const server::State* state = context.Find(id);
  if (state == nullptr || state->provider != context.provider()) return;
  const eventpb::EventBody& body = written.body;
  const std::string& cause = written.id.str();
  if (body.has_server_order_requested()) {
    context.group.Spawn("order", PlaceOrder(context, id, cause));
  } else if (body.has_server_order_accepted()) {
    context.group.Spawn("delivery", AwaitDelivery(context, id));
  } else if (body.has_server_step_requested()) {
    BeginStep(id, cause);
  } else if (body.has_server_cancel_requested()) {
    context.group.Spawn("cancel", CancelServer(context, id, cause));
    context.group.Nudge();
  } else if (body.has_server_revoke_requested()) {
    context.group.Spawn("revoke", RevokeCancellation(context, id, cause));
  } else if (body.has_server_ended() && !state->order_key_md5.empty()) {
    context.group.Spawn("tidy", TidyUp(context, id));
  }
  KeepMachinesFile(context);
}

void ServerEffects::Impl::BeginStep(const ServerId& id, std::string cause) {
  if (!stepping.insert(id).second) return;
  context.group.Spawn("step", RunStep(id, std::move(cause)));
}

Task<StepEnd> ServerEffects::Impl::Carry(ServerId id, server::Step step) {
  switch (step) {
    case eventpb::RESCUE:
      co_return co_await RunRescue(context, id);
    case eventpb::INSPECT:
      co_return co_await RunInspect(context, id);
    case eventpb::PREPARE:
      co_return co_await RunPrepare(context, id);
    case eventpb::BOOT:
      co_return co_await RunBoot(context, id);
    case eventpb::REGISTER:
      co_return co_await RunRegister(context, id);
    case eventpb::VALIDATE:
      co_return co_await RunValidate(context, id);
    case eventpb::UNREGISTER:
      co_return co_await RunUnregister(context, id);
    default:
      co_return FailStep(Unimplemented("this muster does not know the step"), false,
                         "a newer muster wrote this log");
  }
}

// What is cut short by a stop has no outcome: the next start takes it up.
Task<void> ServerEffects::Impl::RunStep(ServerId id, std::string cause) {
  const server::Step step = context.Find(id)->running;
  const int attempt = context.Find(id)->intent.attempt();
  const StepEnd end = co_await Carry(id, step);
  stepping.erase(id);
  const server::State* state = context.Find(id);
  const bool wanted = state->running == step && state->intent.attempt() == attempt;
  if (!wanted || (context.group.stopping() && !end.status.ok())) co_return;
  if (end.status.ok()) {
    (void)co_await context.Tell(id, end.done, std::move(cause));
    co_return;
  }
  server::StepFailed failed{context.ports.secrets.Mask(Message(end.status)), end.transient,
                            end.next};
  (void)co_await context.Tell(id, std::move(failed), std::move(cause));
}

ServerEffects::ServerEffects(ServerPorts ports, ServerOptions options)
    : impl_(std::make_unique<Impl>(std::move(ports), std::move(options))) {}
ServerEffects::~ServerEffects() = default;

void ServerEffects::Start() { impl_->Start(); }

Task<void> ServerEffects::Stop() {
  impl_->Unlisten();
  impl_->context.group.Stop();
  co_await impl_->context.group.Drained();
}

ServerPlans& ServerEffects::plans() { return impl_->plans; }
int ServerEffects::in_flight() const { return impl_->context.group.running(); }
std::optional<ServerDoing> ServerEffects::DoingWith(const ServerId& id) const {
  return impl_->context.doing.Of(id, impl_->context.ports.rt.Steady());
}

}  // namespace muster
