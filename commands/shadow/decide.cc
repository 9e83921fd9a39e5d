#include "commands/shadow/commands.h"
#include "eventstore/events/fleet_events.h"

namespace muster::shadow {
namespace {

using Result = StatusOr<Events>;

Result On(const State& state, const Start& command, const DecideContext&) {
  if (state.running) {
    return FailedPrecondition(Cat("a shadow of fleet ", state.fleet.str(), " runs since ",
                                  FormatUtc(state.started.at),
                                  ": end it (muster shadow stop) or promote it first"));
  }
  eventpb::ShadowStarted started;
  *started.mutable_candidate() = command.candidate;
  started.set_candidate_digest(SpecDigest(command.candidate));
  started.set_fleet_version(command.fleet_version);
  started.set_live_digest(command.live_digest);
  started.set_live_spent_micro_usd(command.live_spent.micros);
  return Events{Wrap(started)};
}

Result On(const State& state, const End& command, const DecideContext&) {
  if (!state.running) return NotFound(Cat("no shadow of fleet ", state.fleet.str(), " runs"));
  eventpb::ShadowEnded ended;
  ended.set_how(command.how);
  ended.set_reason(StoredText(command.reason));
  return Events{Wrap(ended)};
}

Result On(const State& state, const Record& command, const DecideContext&) {
  if (!state.running || state.started.position != command.started) return Events{};
  return command.events;
}

}  // namespace

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context) {
  return std::visit([&](const auto& c) { return On(state, c, context); }, command);
}

}  // namespace muster::shadow
