#include <algorithm>

#include "commands/server/commands.h"
#include "commands/server/prepared.h"
#include "eventstore/base/canary.h"
#include "eventstore/events/values.h"

namespace muster::server {
namespace {

using Result = StatusOr<Events>;

template <class... Messages>
Events Of(const Messages&... messages) {
  Events events;
  (events.push_back(Wrap(messages)), ...);
  return events;
}

Status Refused(const State& state, std::string_view what) {
  return FailedPrecondition(Cat("server ", state.name.str(), " (", StateText(state), "): ", what));
}

// An event of its own for the end, with the money it came to.
eventpb::ServerEnded MakeEnded(const State& state, eventpb::ServerEnded::How how,
                               std::string_view confirmed_by, absl::Time now) {
  eventpb::ServerEnded ended;
  ended.set_how(how);
  ended.set_confirmed_by(StoredText(confirmed_by));
  const Money spent = Spent(state, now);
  ended.set_spent_micros(spent.micros);
  ended.set_currency(spent.currency);
  *ended.mutable_evidence() = MakeEvidence(
      "ended", ended.confirmed_by(), {},
      {state.cancel_asked.position, state.seen_at.position, state.order_requested.position});
  return ended;
}

// ---- the order --------------------------------------------------------------------------------

Status CheckRequest(const eventpb::ServerOrderRequested& requested) {
  if (requested.key_md5().empty()) return InvalidArgument("an order needs a key of its own");
  if (requested.plan_id().empty() || requested.evidence().rule().empty()) {
    return InvalidArgument("an order needs the plan that was agreed to");
  }
  if (requested.offer().offer().empty()) return InvalidArgument("an order needs its offer");
  return absl::OkStatus();
}

Result On(const State& state, const Order& command, const DecideContext&) {
  if (state.order_phase != OrderPhase::kNone) return Refused(state, "it has an order already");
  if (command.planned.spec().name().empty() || command.planned.spec().provider().empty()) {
    return InvalidArgument("a server needs a name and a provider");
  }
  if (command.planned.host_public_key().empty()) {
    return InvalidArgument("a server needs the key that it will have to prove");
  }
  if (command.planned.order_key_md5() != command.requested.key_md5()) {
    return InvalidArgument("the order names another key than the plan");
  }
  MUSTER_RETURN_IF_ERROR(CheckRequest(command.requested));
  return Of(command.planned, command.requested);
}

Result On(const State& state, const SettleOrder& command, const DecideContext& context) {
  if (state.ended_already()) return Events{};
  const bool open = state.order_phase == OrderPhase::kInDoubt ||
                    state.order_phase == OrderPhase::kRefused ||
                    state.order_phase == OrderPhase::kNotFound;
  if (!open) return Refused(state, "only an order without a server is settled by hand");
  return Of(MakeEnded(state, eventpb::ServerEnded::NEVER_ORDERED, Cat("operator: ", command.detail),
                      context.now));
}

bool Ordering(const State& state) {
  return state.order_phase == OrderPhase::kRequested || state.order_phase == OrderPhase::kUnclear;
}

Result On(const State& state, const OrderAnswered& command, const DecideContext&) {
  if (command.order.empty()) return InvalidArgument("an accepted order needs its id");
  if (state.order == command.order) return Events{};
  // An order that turns up late is ours all the same.
  const bool late =
      state.order_phase == OrderPhase::kInDoubt || state.order_phase == OrderPhase::kNotFound;
  if (!Ordering(state) && !late) return Refused(state, "no order is under way");
  eventpb::ServerOrderAccepted accepted;
  accepted.set_order(command.order.str());
  accepted.set_how(command.how);
  return Of(accepted);
}

Result On(const State& state, const OrderRefused& command, const DecideContext&) {
  const bool given_up = command.reason == eventpb::ServerOrderRefused::CANCELLED &&
                        state.order_phase == OrderPhase::kAccepted;
  if (!given_up && state.order_phase != OrderPhase::kRequested) {
    return Refused(state, "no order is under way that could be refused");
  }
  eventpb::ServerOrderRefused refused;
  refused.set_reason(command.reason);
  refused.set_detail(StoredText(command.detail));
  return Of(refused);
}

Result On(const State& state, const OrderLost& command, const DecideContext&) {
  if (state.order_phase == OrderPhase::kUnclear) return Events{};
  if (state.order_phase != OrderPhase::kRequested) return Refused(state, "no order is under way");
  eventpb::ServerOrderUnclear unclear;
  unclear.set_detail(StoredText(command.detail));
  return Of(unclear);
}

Result On(const State& state, const OrderSettledAbsent& command, const DecideContext&) {
  if (state.order_phase != OrderPhase::kUnclear) return Refused(state, "no order is unclear");
  if (command.lookups < 1) return InvalidArgument("nobody has looked");
  eventpb::ServerOrderNotFound absent;
  absent.set_lookups(command.lookups);
  absent.set_waited_s(absl::ToInt64Seconds(command.waited));
  absent.set_still_offered(command.still_offered);
  return Of(absent);
}

Result On(const State& state, const Deliver& command, const DecideContext&) {
  if (state.order_phase == OrderPhase::kDelivered) return Events{};
  if (state.order_phase != OrderPhase::kAccepted) return Refused(state, "nothing is ordered");
  if (command.delivered.server().empty()) return InvalidArgument("a delivery needs its server");
  return Of(command.delivered);
}

Result On(const State& state, const Overdue& command, const DecideContext&) {
  if (state.ended_already()) return Events{};
  const bool said = state.overdue.what() == command.overdue.what() &&
                    state.overdue.needs_operator() == command.overdue.needs_operator();
  if (said) return Events{};
  return Of(command.overdue);
}

// ---- the steps --------------------------------------------------------------------------------

bool SameDisk(const eventpb::DiskSeen& a, const eventpb::DiskSeen& b) {
  return a.identity() == b.identity() && a.bytes() == b.bytes();
}

// Nothing is lost but disks that were seen at the inspection, and the name was typed.
Status CheckPrepare(const State& state, const RequestStep& command) {
  if (state.system != System::kRescue || !state.inspection.has_value()) {
    return Refused(state, "disks are prepared in the rescue system, after an inspection of it");
  }
  if (command.confirmed_name != state.name.str()) {
    return Refused(state, "what destroys data needs the server's name typed");
  }
  if (command.disks.empty()) return InvalidArgument("no disk is named");
  const auto& seen = state.inspection->disks();
  for (const eventpb::DiskSeen& disk : command.disks) {
    if (disk.identity().empty()) {
      return Refused(state, Cat("disk ", disk.path(), " has no identity that stays with it"));
    }
    const bool known = std::any_of(seen.begin(), seen.end(),
                                   [&](const auto& each) { return SameDisk(each, disk); });
    if (!known) return Refused(state, Cat("disk ", disk.identity(), " was not seen at inspection"));
  }
  return absl::OkStatus();
}

Status CheckStep(const State& state, const RequestStep& command) {
  switch (command.step) {
    case eventpb::RESCUE:
      return absl::OkStatus();
    case eventpb::INSPECT:
      if (state.system != System::kRescue) return Refused(state, "it is not in the rescue system");
      return absl::OkStatus();
    case eventpb::PREPARE:
      return CheckPrepare(state, command);
    case eventpb::BOOT:
      if (Prepared(state)) return absl::OkStatus();
      return Refused(state, "nothing was installed since its rescue system came up");
    case eventpb::REGISTER:
      if (state.system == System::kInstalled) return absl::OkStatus();
      return Refused(state, "it does not run what was installed");
    case eventpb::VALIDATE:
    case eventpb::UNREGISTER:
      if (!state.machine_line.empty()) return absl::OkStatus();
      return Refused(state, "it is not registered");
    default:
      return InvalidArgument("there is no such step");
  }
}

Result On(const State& state, const RequestStep& command, const DecideContext&) {
  if (command.plan_id.empty() || command.evidence.rule().empty()) {
    return InvalidArgument("a step needs the plan that was agreed to");
  }
  if (state.order_phase != OrderPhase::kDelivered || state.ended_already()) {
    return Refused(state, "there is no server to work on");
  }
  if (state.Leaving() && command.step != eventpb::UNREGISTER)
    return Refused(state, "it is given back");
  if (state.running == command.step && state.intent.plan_id() == command.plan_id) return Events{};
  if (state.running != eventpb::SERVER_STEP_UNSPECIFIED) {
    return Refused(state, Cat("step ", StepName(state.running), " is under way"));
  }
  MUSTER_RETURN_IF_ERROR(CheckStep(state, command));
  eventpb::ServerStepRequested requested;
  requested.set_step(command.step);
  requested.set_attempt(state.At(command.step).attempts + 1);
  requested.set_plan_id(command.plan_id);
  for (const auto& disk : command.disks) *requested.add_disks() = disk;
  for (const auto& key : command.host_keys_before) requested.add_host_keys_before(key);
  *requested.mutable_evidence() = command.evidence;
  return Of(requested);
}

// What is done for the step that runs rests on whoever asked for it.
eventpb::Evidence ForStep(const State& state, std::vector<std::uint64_t> positions) {
  positions.push_back(state.At(state.running).requested.position);
  return MakeEvidence("step", StepName(state.running), {}, std::move(positions));
}

Result On(const State& state, const RequestReset& command, const DecideContext&) {
  const bool boots = state.running == eventpb::RESCUE || state.running == eventpb::BOOT;
  if (!boots) return Refused(state, "no step is under way that resets");
  if (command.kind == ResetKind::kManual) {
    return InvalidArgument("a technician is called by people only");
  }
  eventpb::ServerResetRequested requested;
  requested.set_kind(std::string(ResetKindName(command.kind)));
  requested.set_step(state.running);
  requested.set_attempt(state.intent.attempt());
  if (!MUSTER_CANARY("server-reset-without-cause"))
    *requested.mutable_evidence() = ForStep(state, {});
  return Of(requested);
}

Result On(const State& state, const RequestBuild& command, const DecideContext&) {
  if (state.running != eventpb::VALIDATE) return Refused(state, "no step is under way that builds");
  if (command.build.build().empty()) return InvalidArgument("a build needs an id of its own");
  eventpb::ServerBuildRequested requested = command.build;
  requested.set_step(state.running);
  requested.set_attempt(state.intent.attempt());
  const Stamp& registered = state.At(eventpb::REGISTER).done;
  *requested.mutable_evidence() = ForStep(state, {registered.position});
  return Of(requested);
}

Result On(const State& state, const StepDone& command, const DecideContext&) {
  if (state.running == eventpb::SERVER_STEP_UNSPECIFIED) {
    return Refused(state, "no step is under way");
  }
  if (state.running == eventpb::RESCUE && command.done.host_keys().empty()) {
    return InvalidArgument("a rescue system without a pinned key is none");
  }
  eventpb::ServerStepDone done = command.done;
  done.set_step(state.running);
  done.set_attempt(state.intent.attempt());
  done.set_text(StoredText(done.text()));
  return Of(done);
}

Result On(const State& state, const StepFailed& command, const DecideContext&) {
  if (state.running == eventpb::SERVER_STEP_UNSPECIFIED) {
    return Refused(state, "no step is under way");
  }
  eventpb::ServerStepFailed failed;
  failed.set_step(state.running);
  failed.set_attempt(state.intent.attempt());
  failed.set_detail(StoredText(command.detail));
  failed.set_transient(command.transient);
  failed.set_next(StoredText(command.next));
  failed.set_build(command.build);
  return Of(failed);
}

// ---- giving it back ---------------------------------------------------------------------------

Result On(const State& state, const RequestCancel& command, const DecideContext&) {
  if (command.plan_id.empty() || command.evidence.rule().empty()) {
    return InvalidArgument("a cancellation needs the plan that was agreed to");
  }
  if (command.date.empty()) return InvalidArgument("a cancellation needs a date, or now");
  if (state.number.empty() || state.ended_already()) {
    return Refused(state, "there is no server to give back");
  }
  if (state.cancel_wanted == command.date || state.cancel_set == command.date) return Events{};
  if (!state.cancel_wanted.empty() || state.revoke_wanted) {
    return Refused(state, "a change of its cancellation is under way");
  }
  if (command.date == "now" && command.confirmed_name != state.name.str()) {
    return Refused(state, "what destroys a server needs its name typed");
  }
  eventpb::ServerCancelRequested requested;
  requested.set_date(command.date);
  requested.set_reason(StoredText(command.reason));
  requested.set_plan_id(command.plan_id);
  *requested.mutable_evidence() = command.evidence;
  return Of(requested);
}

Result On(const State& state, const RequestRevoke& command, const DecideContext&) {
  if (state.ended_already() || state.Leaving()) {
    return Refused(state, "what is given back at once cannot be revoked");
  }
  if (state.revoke_wanted) return Events{};
  if (state.cancel_set.empty() || !state.cancel_wanted.empty()) {
    return Refused(state, "no cancellation is set");
  }
  eventpb::ServerRevokeRequested requested;
  *requested.mutable_evidence() = command.evidence;
  return Of(requested);
}

Result On(const State& state, const CancelSet& command, const DecideContext&) {
  if (command.date.empty()) return InvalidArgument("a cancellation has a date");
  if (state.ended_already() || state.cancel_wanted.empty()) return Events{};
  eventpb::ServerCancelSet set;
  set.set_date(command.date);
  return Of(set);
}

Result On(const State& state, const CancelFailed& command, const DecideContext&) {
  const bool asked = command.revoke ? state.revoke_wanted : !state.cancel_wanted.empty();
  if (state.ended_already() || !asked) return Events{};
  eventpb::ServerCancelFailed failed;
  failed.set_revoke(command.revoke);
  failed.set_detail(StoredText(command.detail));
  failed.set_next(StoredText(command.next));
  return Of(failed);
}

Result On(const State& state, const Revoked&, const DecideContext&) {
  if (state.ended_already() || !state.revoke_wanted) return Events{};
  return Of(eventpb::ServerRevoked());
}

constexpr int kAbsentMin = 2;  // complete lists in a row (design, rule 2)

Result On(const State& state, const ConfirmGone& command, const DecideContext& context) {
  if (state.ended_already()) return Events{};
  if (state.number.empty()) return Refused(state, "it was never delivered");
  if (state.absent_lists < kAbsentMin) {
    return Refused(state, Cat("only ", state.absent_lists, " complete lists were without it"));
  }
  const bool asked = !state.cancel_wanted.empty() || !state.cancel_set.empty();
  return Of(MakeEnded(state,
                      asked ? eventpb::ServerEnded::GIVEN_BACK : eventpb::ServerEnded::VANISHED,
                      command.confirmed_by, context.now));
}

// ---- what is seen -----------------------------------------------------------------------------

bool Same(const eventpb::ServerObserved& a, const eventpb::ServerObserved& b) {
  return a.cancelled() == b.cancelled() && a.paid_until() == b.paid_until() &&
         a.state() == b.state() && a.listed() == b.listed();
}

Result On(const State& state, const ObserveServer& command, const DecideContext&) {
  if (state.number.empty() || state.ended_already()) return Events{};
  // Absence is counted, so it is said each time until it is enough.
  const bool counted = !command.seen.listed() && state.absent_lists < kAbsentMin;
  if (state.seen_at.seen() && Same(state.seen, command.seen) && !counted) return Events{};
  return Of(command.seen);
}

constexpr absl::Duration kVitalsEvery = absl::Minutes(5);

Result On(const State& state, const ObserveBuilder& command, const DecideContext& context) {
  if (state.ended_already() || state.system != System::kInstalled) return Events{};
  const bool news = !state.vitals_at.seen() || state.vitals.reached() != command.vitals.reached();
  if (!news && OverAt(state.vitals_at.at, kVitalsEvery, context.now) > context.now) return Events{};
  eventpb::BuilderObserved vitals = command.vitals;
  vitals.set_detail(StoredText(vitals.detail()));
  return Of(vitals);
}

}  // namespace

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context) {
  return std::visit([&](const auto& c) { return On(state, c, context); }, command);
}

Money Spent(const State& state, absl::Time now) {
  const eventpb::ServerPriceTaken& price = state.offer.price();
  Money spent{0, price.currency().empty() ? "EUR" : price.currency()};
  if (!state.delivered.seen()) return spent;
  spent.micros =
      ServerCost(price.micros_per_month(), price.micros_per_hour(), price.setup_micros(),
                 state.delivered.at, std::min(now, state.ended.seen() ? state.ended.at : now));
  return spent;
}

}  // namespace muster::server
