// Where a server is in its life, in words, and what comes next. All of it follows from the state.
#include <algorithm>

#include "commands/server/prepared.h"

namespace muster::server {
namespace {

constexpr std::array<std::string_view, kSteps> kNames = {
    "", "rescue", "inspect", "prepare", "boot", "register", "validate", "unregister"};
constexpr std::array<std::string_view, kSteps> kRunning = {
    "",        "going into rescue", "being inspected", "being installed",
    "booting", "registering",       "validating",      "unregistering"};

std::string OrderText(const State& state) {
  switch (state.order_phase) {
    case OrderPhase::kNone:
      return "unknown";
    case OrderPhase::kPlanned:
      return "planned";
    case OrderPhase::kRequested:
      return "ordering";
    case OrderPhase::kUnclear:
      return "order unclear";
    case OrderPhase::kAccepted:
      return "ordered";
    case OrderPhase::kRefused:
      return "order refused";
    case OrderPhase::kNotFound:
      return "not ordered";
    case OrderPhase::kInDoubt:
      return "order in doubt";
    case OrderPhase::kDelivered:
      return "delivered";
  }
  return "";
}

std::string SystemText(const State& state) {
  if (state.InService()) return "in service";
  if (state.Registered()) return "registered";
  if (state.system == System::kInstalled) return "reachable";
  if (state.system == System::kUnknown) return "delivered";
  if (Prepared(state)) return "root prepared";
  return state.inspection.has_value() ? "inspected" : "in rescue";
}

}  // namespace

bool Prepared(const State& state) {
  const std::uint64_t up =
      std::max(state.delivered.position, state.At(eventpb::RESCUE).done.position);
  return state.system == System::kRescue && state.At(eventpb::PREPARE).done.position > up;
}

bool State::MayCost() const {
  if (ended_already()) return false;
  switch (order_phase) {
    case OrderPhase::kNone:
    case OrderPhase::kPlanned:
    case OrderPhase::kRefused:
    case OrderPhase::kNotFound:
      return false;
    case OrderPhase::kRequested:
    case OrderPhase::kUnclear:
    case OrderPhase::kAccepted:
    case OrderPhase::kInDoubt:
    case OrderPhase::kDelivered:
      return true;
  }
  return true;
}

Step FailedStep(const State& state) {
  Step failed = eventpb::SERVER_STEP_UNSPECIFIED;
  std::uint64_t newest = 0;
  for (int i = 1; i < kSteps; ++i) {
    const StepState& step = state.At(static_cast<Step>(i));
    const std::uint64_t at =
        std::max({step.requested.position, step.done.position, step.failed.position});
    if (at < newest) continue;
    newest = at;
    failed = step.Failed() ? static_cast<Step>(i) : eventpb::SERVER_STEP_UNSPECIFIED;
  }
  return failed;
}

std::string_view StepName(Step step) {
  const int index = static_cast<int>(step);
  return index > 0 && index < kSteps ? kNames[static_cast<std::size_t>(index)] : "";
}

std::optional<Step> StepFromName(std::string_view name) {
  for (int i = 1; i < kSteps; ++i) {
    if (kNames[static_cast<std::size_t>(i)] == name) return static_cast<Step>(i);
  }
  return std::nullopt;
}

std::string StateText(const State& state) {
  if (state.ended_already()) return "ended";
  if (state.order_phase != OrderPhase::kDelivered) return OrderText(state);
  if (state.Leaving()) return "being given back";
  if (state.running != eventpb::SERVER_STEP_UNSPECIFIED) {
    return std::string(kRunning[static_cast<std::size_t>(state.running)]);
  }
  const Step failed = FailedStep(state);
  if (failed != eventpb::SERVER_STEP_UNSPECIFIED) return Cat(StepName(failed), " failed");
  const std::string text = SystemText(state);
  if (!state.cancel_set.empty()) return Cat(text, ", cancelled for ", state.cancel_set);
  return text;
}

Step NextStep(const State& state) {
  const bool idle = state.order_phase == OrderPhase::kDelivered && !state.ended_already() &&
                    state.running == eventpb::SERVER_STEP_UNSPECIFIED;
  if (!idle || state.Leaving()) {
    return eventpb::SERVER_STEP_UNSPECIFIED;
  }
  if (state.InService()) return eventpb::SERVER_STEP_UNSPECIFIED;
  switch (state.system) {
    case System::kUnknown:
      return eventpb::RESCUE;
    case System::kRescue:
      if (!state.inspection.has_value()) return eventpb::INSPECT;
      return Prepared(state) ? eventpb::BOOT : eventpb::PREPARE;
    case System::kInstalled:
      return state.machine_line.empty() ? eventpb::REGISTER : eventpb::VALIDATE;
  }
  return eventpb::SERVER_STEP_UNSPECIFIED;
}

bool NeedsOperator(const State& state) {
  if (state.ended_already() || state.Leaving()) return false;
  if (state.order_phase == OrderPhase::kInDoubt || state.overdue.needs_operator()) return true;
  const Step failed = FailedStep(state);
  return failed != eventpb::SERVER_STEP_UNSPECIFIED && !state.At(failed).transient;
}

std::string NextText(const State& state) {
  const std::string& name = state.name.str();
  if (state.ended_already()) return "";
  if (state.Leaving()) return "";
  if (!state.overdue.what().empty()) return state.overdue.next();
  if (state.order_phase == OrderPhase::kInDoubt) {
    return Cat(
        "look at the account in the provider's web page: was a server bought? then muster "
        "server settle ",
        name);
  }
  if (state.order_phase == OrderPhase::kRefused || state.order_phase == OrderPhase::kNotFound) {
    return "muster server up -f BUILDER.yaml orders again";
  }
  if (!state.cancel_detail.empty()) return Cat("muster server cancel ", name, " --show");
  if (state.running != eventpb::SERVER_STEP_UNSPECIFIED) return "";
  const Step failed = FailedStep(state);
  if (failed != eventpb::SERVER_STEP_UNSPECIFIED && !state.At(failed).next.empty()) {
    return state.At(failed).next;
  }
  const Step next = NextStep(state);
  if (next == eventpb::SERVER_STEP_UNSPECIFIED) return "";
  return Cat("muster server up ", name);
}

}  // namespace muster::server
