// What the policy and the effects ask of a worker. What the pollers saw is in observe.cc.
#include "commands/worker/decide.h"

#include <cmath>
#include <utility>

#include "commands/worker/commands.h"
#include "eventstore/base/canary.h"
#include "eventstore/base/overloaded.h"
#include "eventstore/events/worker_events.h"

namespace muster::worker {

Status Refusal(const State& state, std::string_view why) {
  if (!state.exists()) return NotFound(Cat("there is no worker ", state.identity.id.str()));
  return FailedPrecondition(
      Cat("worker ", state.identity.id.str(), " is ", PhaseName(state.phase), ": ", why));
}

eventpb::EventBody EndOf(const State& state, eventpb::WorkerEnded::How how,
                         std::string_view confirmed_by, absl::Time at) {
  eventpb::WorkerEnded ended;
  ended.set_how(how);
  ended.set_confirmed_by(confirmed_by.data(), confirmed_by.size());
  ended.set_spent_micro_usd(state.SpentAt(at).micros);
  return Wrap(ended);
}

namespace {

using Result = StatusOr<Events>;

template <class Phase>
bool Is(const State& state, const Phase&) {
  return std::holds_alternative<Phase>(state.phase);
}

// Rule 4: no decision without the rule that it was drawn from.
Status CheckEvidence(const eventpb::Evidence& evidence, std::string_view what) {
  if (evidence.rule().empty()) return InvalidArgument(Cat(what, " without evidence: no rule"));
  return absl::OkStatus();
}

Status CheckOffer(const eventpb::OfferTaken& offer) {
  if (offer.price_micro_usd_per_hour() < 0) return InvalidArgument("the price is negative");
  if (!std::isfinite(offer.expected_rate_per_s())) {
    return InvalidArgument("the expected rate is not a number");
  }
  return absl::OkStatus();
}

Status CheckIntent(const State& state, const eventpb::LaunchRequested& intent) {
  if (intent.fleet().empty() || intent.provider().empty()) {
    return InvalidArgument("a launch needs a fleet and a provider");
  }
  if (intent.token().empty() || intent.offer().offer().empty()) {
    return InvalidArgument("a launch needs a token and an offer");
  }
  const WorkerId& id = state.identity.id;
  if (!id.empty() && intent.token() != id.str()) {
    return InvalidArgument(Cat("the token ", intent.token(), " is not the worker ", id.str()));
  }
  // Without its mark an unclear launch could never be found again.
  if (!intent.label().ends_with(intent.token())) {
    return InvalidArgument(Cat("the label ", intent.label(), " does not end in the token"));
  }
  MUSTER_RETURN_IF_ERROR(CheckOffer(intent.offer()));
  return CheckEvidence(intent.evidence(), "a launch");
}

Result On(const State& state, const RequestLaunch& command, const DecideContext&) {
  MUSTER_RETURN_IF_ERROR(CheckIntent(state, command.intent));
  if (!state.exists()) return Events{Wrap(command.intent)};
  const Identity& me = state.identity;
  if (!me.adopted && me.fleet.str() == command.intent.fleet() &&
      me.offered.offer.str() == command.intent.offer().offer()) {
    return Events{};
  }
  return Refusal(state, "the id is taken");
}

Result On(const State& state, const Adopt& command, const DecideContext&) {
  const eventpb::WorkerAdopted& adoption = command.adoption;
  if (adoption.fleet().empty() || adoption.provider().empty() || adoption.instance().empty()) {
    return InvalidArgument("an adoption needs a fleet, a provider and an instance");
  }
  MUSTER_RETURN_IF_ERROR(CheckOffer(adoption.offer()));
  if (!state.exists()) return Events{Wrap(adoption)};
  if (state.identity.adopted && state.instance.str() == adoption.instance()) return Events{};
  return Refusal(state, "the id is taken");
}

Result On(const State& state, const Condemn& command, const DecideContext&) {
  const eventpb::WorkerCondemned& verdict = command.verdict;
  MUSTER_RETURN_IF_ERROR(CheckEvidence(verdict.evidence(), "a condemnation"));
  if (!std::isfinite(verdict.strike_weight()) || verdict.strike_weight() < 0) {
    return InvalidArgument("the strike's weight is not a number >= 0");
  }
  if (Is(state, Destroying{})) return Events{};
  const Live* live = state.live();
  if (live == nullptr) {
    return Refusal(state, Is(state, Launching{}) ? "the launch is to be settled first"
                                                 : "there is nothing to destroy");
  }
  if (command.judged_to > 0 && live->seen.newest() > command.judged_to) {
    return Refusal(state, "it was looked at since it was judged");
  }
  eventpb::DestroyRequested destroy;
  destroy.set_instance(live->instance.str());
  *destroy.mutable_evidence() = verdict.evidence();
  destroy.set_attempt(1);
  return Events{Wrap(verdict), Wrap(destroy)};
}

Result On(const State& state, const RequestStart& command, const DecideContext&) {
  MUSTER_RETURN_IF_ERROR(CheckEvidence(command.evidence, "a start"));
  const Live* live = state.live();
  if (live == nullptr) return Refusal(state, "only a live worker can be started");
  if (live->start_requested.seen()) return Events{};
  eventpb::StartRequested start;
  start.set_instance(live->instance.str());
  *start.mutable_evidence() = command.evidence;
  return Events{Wrap(start)};
}

Result On(const State& state, const StartAnswer& command, const DecideContext&) {
  if (!state.exists() || Is(state, Launching{})) return Refusal(state, "no start was asked for");
  const Live* live = state.live();
  if (live == nullptr || !live->start_requested.seen()) return Events{};
  eventpb::StartAnswered answered;
  answered.set_accepted(command.accepted);
  answered.set_detail(StoredText(command.detail));
  return Events{Wrap(answered)};
}

Result On(const State& state, const ReportHealth& command, const DecideContext&) {
  if (command.change.health() == eventpb::WorkerHealthChanged::HEALTH_UNSPECIFIED) {
    return InvalidArgument("no health is named");
  }
  const Live* live = state.live();
  if (live == nullptr) return Refusal(state, "its phase says how it is");
  if (live->health == command.change.health()) return Events{};
  return Events{Wrap(command.change)};
}

Result On(const State& state, const LaunchAnswered& command, const DecideContext&) {
  if (command.instance.empty()) return InvalidArgument("the answer names no instance");
  if (Is(state, Launching{})) {
    eventpb::LaunchAccepted accepted;
    accepted.set_instance(command.instance.str());
    accepted.set_how(command.how);
    return Events{Wrap(accepted)};
  }
  if (state.exists() && state.instance == command.instance) return Events{};
  // Either a second rental for one token, or one that came to light after it was given up.
  return Refusal(state, Cat("instance ", command.instance.str(), " is not accounted for"));
}

Result On(const State& state, const LaunchRefused& command, const DecideContext& context) {
  if (command.reason == eventpb::LaunchRejected::REASON_UNSPECIFIED) {
    return InvalidArgument("the refusal has no reason");
  }
  if (const auto* ended = std::get_if<Ended>(&state.phase)) {
    if (ended->rejected == command.reason) return Events{};
  }
  const auto* launching = std::get_if<Launching>(&state.phase);
  if (launching == nullptr) return Refusal(state, "the launch is settled already");
  if (launching->unclear > 0) {
    return Refusal(state, "an earlier answer was unclear: only look-ups can settle it");
  }
  eventpb::LaunchRejected rejected;
  rejected.set_reason(command.reason);
  rejected.set_detail(StoredText(command.detail));
  return Events{Wrap(rejected),
                EndOf(state, eventpb::WorkerEnded::NEVER_BEGAN, "definite refusal", context.now)};
}

Result On(const State& state, const LaunchLost& command, const DecideContext& context) {
  const auto* launching = std::get_if<Launching>(&state.phase);
  if (launching == nullptr) return Refusal(state, "the launch is settled already");
  if (launching->unclear > 0 && !Due(launching->last_unclear, context.now, kRefresh)) {
    return Events{};
  }
  eventpb::LaunchUnclear unclear;
  unclear.set_detail(StoredText(command.detail));
  unclear.set_attempt(launching->unclear + 1);
  return Events{Wrap(unclear)};
}

Result On(const State& state, const LaunchSettledAbsent& command, const DecideContext& context) {
  if (command.lookups < 2) return InvalidArgument("one look-up does not settle a launch");
  if (const auto* ended = std::get_if<Ended>(&state.phase)) {
    if (ended->how == eventpb::WorkerEnded::NEVER_BEGAN) return Events{};
  }
  if (!Is(state, Launching{})) return Refusal(state, "the launch is settled already");
  eventpb::LaunchNotFound lost;
  lost.set_lookups(command.lookups);
  lost.set_waited_s(absl::ToInt64Seconds(std::max(command.waited, absl::ZeroDuration())));
  return Events{Wrap(lost), EndOf(state, eventpb::WorkerEnded::NEVER_BEGAN,
                                  Cat(command.lookups, " complete lists"), context.now)};
}

Result On(const State& state, const DestroyAnswer& command,
          [[maybe_unused]] const DecideContext& context) {
  if (command.answer == eventpb::DestroyAnswered::ANSWER_UNSPECIFIED) {
    return InvalidArgument("the answer says nothing");
  }
  if (Is(state, Ended{})) return Events{};  // lists were faster
  const auto* destroying = std::get_if<Destroying>(&state.phase);
  if (destroying == nullptr) return Refusal(state, "no destruction was asked for");
  if (!destroying->in_flight) {
    if (destroying->answer == command.answer) return Events{};
    return Refusal(state, "no destroy call is in flight");
  }
  eventpb::DestroyAnswered answered;
  answered.set_answer(command.answer);
  answered.set_detail(StoredText(command.detail));
  answered.set_attempt(destroying->attempts + 1);
  if (MUSTER_CANARY("destroy-unconfirmed")) {
    return Events{Wrap(answered), EndOf(state, eventpb::WorkerEnded::DESTROYED, "", context.now)};
  }
  return Events{Wrap(answered)};
}

Result On(const State& state, const RetryDestroy&, const DecideContext&) {
  const auto* destroying = std::get_if<Destroying>(&state.phase);
  if (destroying == nullptr) return Refusal(state, "no destruction was asked for");
  if (destroying->in_flight) return Refusal(state, "a destroy call is in flight");
  eventpb::DestroyRequested destroy;
  destroy.set_instance(destroying->instance.str());
  destroy.set_attempt(destroying->attempts + 1);
  *destroy.mutable_evidence() =
      MakeEvidence(destroying->rule, Cat("attempt ", destroying->attempts, " did not end it"), {},
                   {destroying->requested.position, destroying->last_answer.position});
  return Events{Wrap(destroy)};
}

}  // namespace

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context) {
  return std::visit(Overloaded{[&](const ObserveInstance& c) { return Observe(state, c, context); },
                               [&](const ObserveAbsence& c) { return Observe(state, c, context); },
                               [&](const ObserveLog& c) { return Observe(state, c, context); },
                               [&](const ObserveFailure& c) { return Observe(state, c, context); },
                               [&](const auto& c) { return On(state, c, context); }},
                    command);
}

}  // namespace muster::worker
