#include "commands/server/state.h"
#include "eventstore/events/values.h"

namespace muster::server {
namespace {

std::size_t IndexOf(Step step) {
  const int index = static_cast<int>(step);
  return index > 0 && index < kSteps ? static_cast<std::size_t>(index) : 0;
}

void TakeDelivery(State& state, const eventpb::ServerDelivered& e, const Stamp& recorded) {
  state.order_phase = OrderPhase::kDelivered;
  state.delivered = recorded;
  state.number = ServerNumber(e.server());
  state.ipv4 = e.ipv4();
  state.ipv6_net = e.ipv6_net();
  state.rescue_keys.assign(e.host_keys().begin(), e.host_keys().end());
  state.system = state.rescue_keys.empty() ? System::kUnknown : System::kRescue;
  state.overdue.Clear();
}

void BeginStep(State& state, const eventpb::ServerStepRequested& e, const Stamp& recorded) {
  StepState& step = state.steps[IndexOf(e.step())];
  step.requested = recorded;
  step.attempts = e.attempt();
  step.detail.clear();
  step.next.clear();
  state.running = e.step();
  state.intent = e;
  state.reset = {};
  state.overdue.Clear();
}

// From here on nobody knows what runs until the step has ended.
void Reset(State& state, const Stamp& recorded) {
  state.reset = recorded;
  state.system = System::kUnknown;
  if (state.running == eventpb::RESCUE) state.inspection.reset();
}

void EndStep(State& state, Step step, int attempt) {
  if (state.running == step && state.intent.attempt() == attempt) {
    state.running = eventpb::SERVER_STEP_UNSPECIFIED;
  }
}

void FinishStep(State& state, const eventpb::ServerStepDone& e, const Stamp& recorded) {
  StepState& step = state.steps[IndexOf(e.step())];
  step.done = recorded;
  step.detail = e.text();
  EndStep(state, e.step(), e.attempt());
  switch (e.step()) {
    case eventpb::RESCUE:
      state.rescue_keys.assign(e.host_keys().begin(), e.host_keys().end());
      state.system = System::kRescue;
      return;
    case eventpb::INSPECT:
      state.inspection = e.inspection();
      return;
    case eventpb::PREPARE:
      state.image_sha256 = e.image_sha256();
      return;
    case eventpb::BOOT:
      state.system = System::kInstalled;
      return;
    case eventpb::REGISTER:
      state.machine_line = e.machine_line();
      return;
    case eventpb::UNREGISTER:
      state.machine_line.clear();
      return;
    default:  // VALIDATE changes nothing else; steps of a later version are not ours to know
      return;
  }
}

void FailStep(State& state, const eventpb::ServerStepFailed& e, const Stamp& recorded) {
  StepState& step = state.steps[IndexOf(e.step())];
  step.failed = recorded;
  step.detail = e.detail();
  step.transient = e.transient();
  step.next = e.next();
  EndStep(state, e.step(), e.attempt());
}

void TakeOrder(State& state, const eventpb::ServerOrderRequested& e, const Stamp& recorded) {
  state.offer = e.offer();
  state.order_phase = OrderPhase::kRequested;
  state.order_requested = recorded;
  state.order_detail.clear();
  state.overdue.Clear();
}

void Plan(State& state, const eventpb::ServerPlanned& e, const Stamp& recorded) {
  state.spec = e.spec();
  state.name = ServerName(e.spec().name());
  state.provider = ProviderName(e.spec().provider());
  state.order_public_key = e.order_public_key();
  state.order_key_md5 = e.order_key_md5();
  state.host_public_key = e.host_public_key();
  state.order_phase = OrderPhase::kPlanned;
  state.planned = recorded;
}

void EvolveOrder(State& state, const eventpb::EventBody& body, const Stamp& recorded) {
  if (body.has_server_planned()) Plan(state, body.server_planned(), recorded);
  if (body.has_server_order_requested()) {
    TakeOrder(state, body.server_order_requested(), recorded);
  }
  if (body.has_server_order_accepted()) {
    state.order = OrderId(body.server_order_accepted().order());
    state.order_phase = OrderPhase::kAccepted;
    state.order_detail.clear();
  }
  if (body.has_server_order_refused()) {
    state.order_phase = OrderPhase::kRefused;
    state.order_detail = body.server_order_refused().detail();
  }
  if (body.has_server_order_unclear()) {
    state.order_phase = OrderPhase::kUnclear;
    state.order_detail = body.server_order_unclear().detail();
  }
  if (body.has_server_order_not_found()) {
    state.order_phase = body.server_order_not_found().still_offered() ? OrderPhase::kNotFound
                                                                      : OrderPhase::kInDoubt;
  }
  if (body.has_server_delivered()) TakeDelivery(state, body.server_delivered(), recorded);
}

void EvolveCancel(State& state, const eventpb::EventBody& body, const Stamp& recorded) {
  if (body.has_server_cancel_requested()) {
    state.cancel_wanted = body.server_cancel_requested().date();
    state.cancel_asked = recorded;
    state.cancel_detail.clear();
  }
  if (body.has_server_cancel_set()) {
    state.cancel_set = body.server_cancel_set().date();
    state.cancel_wanted.clear();
  }
  if (body.has_server_cancel_failed()) {
    state.cancel_detail = body.server_cancel_failed().detail();
    if (body.server_cancel_failed().revoke()) {
      state.revoke_wanted = false;
    } else {
      state.cancel_wanted.clear();
    }
  }
  if (body.has_server_revoke_requested()) {
    state.revoke_wanted = true;
    state.cancel_asked = recorded;
    state.cancel_detail.clear();
  }
  if (body.has_server_revoked()) {
    state.revoke_wanted = false;
    state.cancel_set.clear();
  }
  if (body.has_server_ended()) {
    state.ended = recorded;
    state.ended_how = body.server_ended().how();
    state.running = eventpb::SERVER_STEP_UNSPECIFIED;
    state.machine_line.clear();
    state.cancel_wanted.clear();
    state.revoke_wanted = false;
  }
}

}  // namespace

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded) {
  ++state.version;
  state.last_position = recorded.position;
  if (state.ended_already()) return;
  // The kinds of other streams are ignored, as everything that makes no sense here.
  EvolveOrder(state, body, recorded);
  if (body.has_server_overdue()) {
    state.overdue = body.server_overdue();
    state.overdue_at = recorded;
  }
  if (body.has_server_step_requested()) BeginStep(state, body.server_step_requested(), recorded);
  if (body.has_server_reset_requested()) Reset(state, recorded);
  if (body.has_server_build_requested()) state.last_build = body.server_build_requested().build();
  if (body.has_server_step_done()) FinishStep(state, body.server_step_done(), recorded);
  if (body.has_server_step_failed()) FailStep(state, body.server_step_failed(), recorded);
  if (body.has_server_observed()) {
    state.seen = body.server_observed();
    state.seen_at = recorded;
    state.absent_lists = state.seen.listed() ? 0 : state.absent_lists + 1;
  }
  if (body.has_builder_observed()) {
    state.vitals = body.builder_observed();
    state.vitals_at = recorded;
  }
  EvolveCancel(state, body, recorded);
}

}  // namespace muster::server
