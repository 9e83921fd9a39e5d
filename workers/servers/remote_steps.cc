#include "workers/servers/remote_steps.h"

#include <utility>

#include "workers/servers/remote/inspect.h"

namespace muster {
namespace {

constexpr int kRescueHost = 2;
constexpr int kInstalledHost = 1;

StatusOr<remote::InstallFacts> FactsOf(const server::State& state) {
  if (!state.inspection.has_value()) {
    return FailedPrecondition("its rescue system was not inspected yet");
  }
  return remote::InstallFacts{.host_public_key = state.host_public_key,
                              .ipv4 = state.ipv4,
                              .ipv6 = remote::Ipv6Address(state.ipv6_net, kInstalledHost)};
}

// Muster itself is let in by the key of the order: to boot it, to look after it.
specpb::ServerSpec SpecOf(const server::State& state) {
  specpb::ServerSpec spec = state.spec;
  spec.mutable_access()->add_authorized_keys(state.order_public_key);
  return spec;
}

remote::RemotePorts PortsOf(ServerContext& context, const ServerId& id) {
  Secrets& secrets = context.ports.secrets;
  KeyStore& keys = context.ports.keys;
  return {.rt = context.ports.rt,
          .mask = [&secrets](std::string_view text) { return secrets.Mask(text); },
          .secret = [&keys, &secrets, id](const std::string& name) -> StatusOr<std::string> {
            if (name != "host_key") return NotFound(Cat("there is no secret '", name, "'"));
            MUSTER_ASSIGN_OR_RETURN(SshKeyPair pair, keys.Get(HostKeyName(id)));
            secrets.Learn(pair.private_key);
            return std::move(pair.private_key);
          },
          .open = context.ports.open_file};
}

StepEnd EndOf(const Status& status, const server::State& state) {
  const std::string& name = state.name.str();
  switch (status.code()) {
    case StatusCode::kPermissionDenied:
      return FailStep(status, false, "another host key answers: look before anything else");
    case StatusCode::kFailedPrecondition:
      return FailStep(status, false, Cat("muster server inspect ", name, ", then plan again"));
    case StatusCode::kUnavailable:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kUnknown:
      return FailStep(status, true,
                      Cat("muster server up ", name, " goes on from where it stands"));
    default:
      return FailStep(status, false, Cat("mend the cause, then muster server up ", name));
  }
}

// Tells what is run, for as long as it is.
class Shown {
 public:
  Shown(ServerContext& context, const ServerId& id) : context_(context), id_(id) {}
  Shown(const Shown&) = delete;
  ~Shown() { context_.doing.End(id_); }
  std::function<void(const remote::RemoteProgress&)> Teller() {
    return [this, step = context_.Find(id_)->running](const remote::RemoteProgress& progress) {
      context_.doing.Tell(id_, step, progress, context_.ports.rt.Steady());
    };
  }

 private:
  ServerContext& context_;
  const ServerId id_;
};

Task<StatusOr<std::unique_ptr<SshSession>>> Enter(ServerContext& context, ServerId id) {
  HostKeyPin pin = RescuePin(*context.Find(id));
  const absl::Time until = context.Now() + 4 * context.options.ssh_connect;
  StatusOr<std::unique_ptr<SshSession>> session =
      co_await context.Connect(id, std::move(pin), kRescueHost, until);
  co_return session;
}

std::string Words(const eventpb::Inspection& seen) {
  return Cat(seen.cpu(), ", ", seen.threads(), " threads, ", seen.memory_kb() >> 20, " GiB, ",
             seen.disks_size(), " disks", seen.gpus_size() > 0 ? Cat(", ", seen.gpus(0)) : "");
}

}  // namespace

StatusOr<remote::InstallPlan> PlanOfPrepare(const ServerContext&, const server::State& state) {
  MUSTER_ASSIGN_OR_RETURN(const remote::InstallFacts facts, FactsOf(state));
  return remote::PlanPrepare(SpecOf(state), *state.inspection, facts);
}

StatusOr<remote::InstallPlan> PlanOfBoot(const ServerContext&, const server::State& state) {
  MUSTER_ASSIGN_OR_RETURN(const remote::InstallFacts facts, FactsOf(state));
  return remote::PlanBoot(SpecOf(state), *state.inspection, facts);
}

Task<StepEnd> RunPlanned(ServerContext& context, ServerId id, SshSession& session,
                         std::vector<remote::RemoteCommand> commands) {
  const remote::RemotePorts ports = PortsOf(context, id);
  Shown shown(context, id);
  const StatusOr<std::vector<remote::RemoteOutcome>> ran =
      co_await remote::RunCommands(session, std::move(commands), ports, shown.Teller());
  const server::State* state = context.Find(id);
  if (!ran.ok()) co_return EndOf(ran.status(), *state);
  co_return StepEnd{};
}

Task<StepEnd> RunInspect(ServerContext& context, ServerId id) {
  const StatusOr<std::unique_ptr<SshSession>> session = co_await Enter(context, id);
  if (!session.ok()) co_return EndOf(session.status(), *context.Find(id));
  const remote::RemotePorts ports = PortsOf(context, id);
  Shown shown(context, id);
  const StatusOr<std::vector<remote::RemoteOutcome>> told =
      co_await remote::RunCommands(**session, remote::InspectCommands(), ports, shown.Teller());
  if (!told.ok()) co_return EndOf(told.status(), *context.Find(id));
  StatusOr<eventpb::Inspection> seen = remote::ReadInspection(*told);
  if (!seen.ok()) co_return EndOf(seen.status(), *context.Find(id));
  StepEnd end;
  end.done.done.set_text(Words(*seen));
  *end.done.done.mutable_inspection() = *std::move(seen);
  co_return end;
}

Task<StepEnd> RunPrepare(ServerContext& context, ServerId id) {
  const server::State* state = context.Find(id);
  const StatusOr<remote::InstallPlan> plan = PlanOfPrepare(context, *state);
  if (!plan.ok()) co_return EndOf(plan.status(), *state);
  if (plan->id != state->intent.plan_id()) {
    co_return FailStep(
        Aborted(Cat("the plan is ", plan->id, " now, agreed was ", state->intent.plan_id())), false,
        Cat("muster server install ", state->name.str(), " shows it anew"));
  }
  const StatusOr<std::unique_ptr<SshSession>> session = co_await Enter(context, id);
  if (!session.ok()) co_return EndOf(session.status(), *context.Find(id));
  StepEnd end = co_await RunPlanned(context, id, **session, plan->commands);
  if (!end.status.ok()) co_return end;
  state = context.Find(id);
  end.done.done.set_image_sha256(state->spec.install().image_sha256());
  end.done.done.set_text(Cat(plan->disks_lost.size(), " disks prepared, the system is in place"));
  co_return end;
}

}  // namespace muster
