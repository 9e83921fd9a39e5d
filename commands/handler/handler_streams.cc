// Which state each stream is decided on, and what no single stream can know.
#include "commands/handler/handler.h"
#include "commands/handler/log_fold.h"

namespace muster {
namespace {

// When the world did what an observation tells of; InfinitePast for everything else.
absl::Time OccurredAt(const worker::Command& command) {
  return std::visit(
      [](const auto& c) {
        if constexpr (requires { c.at; }) {
          return c.at;
        } else {
          return absl::InfinitePast();
        }
      },
      command);
}

// The instance that `command` would make its worker's; empty for all others.
InstanceId Claimed(const worker::Command& command) {
  if (const auto* adopt = std::get_if<worker::Adopt>(&command)) {
    return InstanceId(adopt->adoption.instance());
  }
  if (const auto* answered = std::get_if<worker::LaunchAnswered>(&command)) {
    return answered->instance;
  }
  return {};
}

}  // namespace

StatusOr<const worker::State*> Handler::StateOf(const WorkerId& id, worker::State* kept) const {
  if (const worker::State* known = world_.FindWorker(id)) return known;
  *kept = {};
  kept->identity.id = id;
  const StreamId stream = WorkerStream(id);
  if (store_.StreamVersion(stream) == 0) return kept;
  Status decoded;
  MUSTER_RETURN_IF_ERROR(store_.ReadStream(stream, 0, [&](const RecordedEvent& recorded) {
    const StatusOr<Written> written = ToWritten(recorded);
    decoded = written.status();
    if (!decoded.ok()) return false;
    worker::Evolve(*kept, written->body, Stamp{recorded.position, recorded.event.occurred_at});
    return true;
  }));
  MUSTER_RETURN_IF_ERROR(decoded);
  kept->identity.id = id;
  return kept;
}

Status Handler::CheckAcross(const WorkerId& id, const worker::Command& command) const {
  if (const auto* launch = std::get_if<worker::RequestLaunch>(&command)) {
    const fleet::State* fleet = world_.FindFleet(FleetName(launch->intent.fleet()));
    if (fleet == nullptr || fleet->active()) return absl::OkStatus();
    return FailedPrecondition(Cat("fleet ", fleet->name.str(), " goes down: nothing is launched"));
  }
  const InstanceId claimed = Claimed(command);
  if (claimed.empty()) return absl::OkStatus();
  const auto taken = [&](const WorkerId& owner) {
    return FailedPrecondition(Cat("instance ", claimed.str(), " is that of worker ", owner.str()));
  };
  const auto owner = world_.by_instance.find(claimed);
  if (owner != world_.by_instance.end() && owner->second != id) return taken(owner->second);
  const auto claim = claims_.find(claimed);
  if (claim != claims_.end() && claim->second != id) return taken(claim->second);
  return absl::OkStatus();
}

// One name, one server: the second order under a name would be paid for and overlooked. And one
// offer, one order of ours in flight.
Status Handler::CheckOrder(const ServerId& id, const server::Command& command) const {
  const auto* order = std::get_if<server::Order>(&command);
  if (order == nullptr) return absl::OkStatus();
  const eventpb::ServerOfferTaken& offer = order->requested.offer();
  for (const auto& [other, state] : world_.servers) {
    if (other == id || state.ended_already()) continue;
    if (state.name.str() == order->planned.spec().name()) {
      return FailedPrecondition(
          Cat("there is a server ", state.name.str(), " already (", server::StateText(state), ")"));
    }
    const bool auction = offer.channel() == ServerChannelName(ServerChannel::kAuction);
    if (auction && state.MayCost() && state.offer.offer() == offer.offer()) {
      return FailedPrecondition(
          Cat("offer ", offer.offer(), " is that of server ", state.name.str()));
    }
  }
  return absl::OkStatus();
}

Task<StatusOr<Outcome>> Handler::Worker(WorkerId id, worker::Command command, Origin origin) {
  if (id.empty()) co_return InvalidArgument("no worker is named");
  const absl::Time occurred_at = OccurredAt(command);
  const InstanceId claimed = Claimed(command);
  auto kept = std::make_shared<worker::State>();
  const auto version = [this, id, kept]() -> StatusOr<Version> {
    MUSTER_ASSIGN_OR_RETURN(const worker::State* state, StateOf(id, kept.get()));
    return state->version;
  };
  const auto decide = [this, id, kept, command = std::move(command)](
                          const DecideContext& context) -> StatusOr<Events> {
    MUSTER_ASSIGN_OR_RETURN(const worker::State* state, StateOf(id, kept.get()));
    MUSTER_RETURN_IF_ERROR(CheckAcross(id, command));
    return worker::Decide(*state, command, context);
  };
  Job job{WorkerStream(id), version, decide, occurred_at, std::move(origin)};
  if (!claimed.empty()) claims_.emplace(claimed, id);
  StatusOr<Outcome> outcome = co_await Run(std::move(job));
  const auto claim = claims_.find(claimed);
  if (claim != claims_.end() && claim->second == id) claims_.erase(claim);
  co_return outcome;
}

Task<StatusOr<Outcome>> Handler::Host(ProviderName provider, MachineId machine,
                                      host::Command command, Origin origin) {
  if (provider.empty() || machine.empty()) co_return InvalidArgument("no machine is named");
  host::State none;
  none.provider = provider;
  none.machine = machine;
  const auto state = [this, none]() -> const host::State& {
    const host::State* known = world_.FindHost(none.provider, none.machine);
    return known != nullptr ? *known : none;
  };
  Job job{HostStream(provider, machine), [state] { return state().version; },
          [state, command = std::move(command)](const DecideContext& context) {
            return host::Decide(state(), command, context);
          },
          absl::InfinitePast(), std::move(origin)};
  StatusOr<Outcome> outcome = co_await Run(std::move(job));
  co_return outcome;
}

Task<StatusOr<Outcome>> Handler::Account(ProviderName provider, account::Command command,
                                         Origin origin) {
  if (provider.empty()) co_return InvalidArgument("no account is named");
  account::State none;
  none.provider = provider;
  const auto state = [this, none]() -> const account::State& {
    const account::State* known = world_.FindAccount(none.provider);
    return known != nullptr ? *known : none;
  };
  Job job{AccountStream(provider), [state] { return state().version; },
          [state, command = std::move(command)](const DecideContext& context) {
            return account::Decide(state(), command, context);
          },
          absl::InfinitePast(), std::move(origin)};
  StatusOr<Outcome> outcome = co_await Run(std::move(job));
  co_return outcome;
}

Task<StatusOr<Outcome>> Handler::Fleet(FleetName name, fleet::Command command, Origin origin) {
  if (name.empty()) co_return InvalidArgument("no fleet is named");
  fleet::State none;
  none.name = name;
  const auto state = [this, none]() -> const fleet::State& {
    const fleet::State* known = world_.FindFleet(none.name);
    return known != nullptr ? *known : none;
  };
  const auto decide = [this, state, command = std::move(command)](
                          const DecideContext& context) -> StatusOr<Events> {
    const fleet::State& now = state();
    if (std::holds_alternative<fleet::End>(command) && world_.open_by_fleet.contains(now.name)) {
      return FailedPrecondition(Cat("fleet ", now.name.str(), " still has workers"));
    }
    return fleet::Decide(now, command, context);
  };
  Job job{FleetStream(name), [state] { return state().version; }, decide, absl::InfinitePast(),
          std::move(origin)};
  StatusOr<Outcome> outcome = co_await Run(std::move(job));
  co_return outcome;
}

Task<StatusOr<Outcome>> Handler::Server(ServerId id, server::Command command, Origin origin) {
  if (id.empty()) co_return InvalidArgument("no server is named");
  server::State none;
  none.id = id;
  const auto state = [this, none]() -> const server::State& {
    const server::State* known = world_.FindServer(none.id);
    return known != nullptr ? *known : none;
  };
  const auto decide = [this, state, command = std::move(command)](
                          const DecideContext& context) -> StatusOr<Events> {
    MUSTER_RETURN_IF_ERROR(CheckOrder(state().id, command));
    return server::Decide(state(), command, context);
  };
  Job job{ServerStream(id), [state] { return state().version; }, decide, absl::InfinitePast(),
          std::move(origin)};
  StatusOr<Outcome> outcome = co_await Run(std::move(job));
  co_return outcome;
}

Task<StatusOr<Outcome>> Handler::Shadow(FleetName name, shadow::Command command, Origin origin) {
  if (name.empty()) co_return InvalidArgument("no fleet is named");
  shadow::State none;
  none.fleet = name;
  const auto state = [this, none]() -> const shadow::State& {
    const shadow::State* known = world_.FindShadow(none.fleet);
    return known != nullptr ? *known : none;
  };
  Job job{ShadowStream(name), [state] { return state().version; },
          [state, command = std::move(command)](const DecideContext& context) {
            return shadow::Decide(state(), command, context);
          },
          absl::InfinitePast(), std::move(origin)};
  StatusOr<Outcome> outcome = co_await Run(std::move(job));
  co_return outcome;
}

Task<StatusOr<Outcome>> Handler::Aside(StreamId stream, AsideDecision decide, Origin origin) {
  const auto version = [this, stream]() -> StatusOr<Version> {
    return store_.StreamVersion(stream);
  };
  Job job{stream, version, std::move(decide), absl::InfinitePast(), std::move(origin)};
  StatusOr<Outcome> outcome = co_await Run(std::move(job));
  co_return outcome;
}

}  // namespace muster
