#include <algorithm>

#include "commands/fleet/commands.h"
#include "eventstore/events/fleet_events.h"

namespace muster::fleet {
namespace {

using Result = StatusOr<Events>;

// The numbers inside a wait move at each check; so often they are worth an event.
constexpr absl::Duration kChatterEvery = absl::Minutes(1);

Status CheckExists(const State& state) {
  if (state.fleet_version == 0) return NotFound(Cat("there is no fleet ", state.name.str()));
  return absl::OkStatus();
}

Status CheckActive(const State& state) {
  MUSTER_RETURN_IF_ERROR(CheckExists(state));
  if (state.active()) return absl::OkStatus();
  return FailedPrecondition(Cat("fleet ", state.name.str(), " is ",
                                state.ended ? "down" : "going down", ": apply it again first"));
}

Result On(const State& state, const Apply& command, const DecideContext&) {
  const specpb::FleetSpec& spec = command.spec;
  if (spec.name().empty() || spec.provider().empty()) {
    return InvalidArgument("a fleet needs a name and a provider");
  }
  if (!state.name.empty() && state.name.str() != spec.name()) {
    return InvalidArgument(Cat("the spec is of fleet ", spec.name(), ", not ", state.name.str()));
  }
  if (spec.workers() < 0) return InvalidArgument(Cat(spec.workers(), " workers cannot be kept"));
  const bool known = state.fleet_version > 0;
  if (known && !state.ended && state.spec.provider() != spec.provider()) {
    return FailedPrecondition(Cat("fleet ", spec.name(), " runs at ", state.spec.provider(),
                                  ": bring it down before it moves to ", spec.provider()));
  }
  // Against what holds now, so that the file's number of workers undoes an earlier scaling.
  if (state.active() && SpecDigest(state.spec) == SpecDigest(spec)) return Events{};
  eventpb::FleetApplied applied;
  *applied.mutable_spec() = spec;
  applied.set_fleet_version(state.fleet_version + 1);
  applied.set_spec_digest(SpecDigest(spec));
  return Events{Wrap(applied)};
}

Result On(const State& state, const Scale& command, const DecideContext&) {
  if (command.workers < 0) {
    return InvalidArgument(Cat(command.workers, " workers cannot be kept"));
  }
  MUSTER_RETURN_IF_ERROR(CheckActive(state));
  if (command.workers == state.spec.workers()) return Events{};
  eventpb::FleetScaled scaled;
  scaled.set_workers(command.workers);
  scaled.set_workers_before(state.spec.workers());
  return Events{Wrap(scaled)};
}

Result On(const State& state, const Down& command, const DecideContext&) {
  MUSTER_RETURN_IF_ERROR(CheckExists(state));
  if (state.down_requested) return Events{};
  eventpb::FleetDownRequested down;
  down.set_reason(StoredText(command.reason));
  return Events{Wrap(down)};
}

bool SameBut(const std::vector<eventpb::Wait>& a, const std::vector<eventpb::Wait>& b,
             bool ignore_numbers) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& x, const auto& y) {
    return x.kind() == y.kind() && x.owner() == y.owner() &&
           (ignore_numbers || (x.detail() == y.detail() && x.until_us() == y.until_us()));
  });
}

// Whether a deadline that people were told has passed and another one is in its place.
bool OutlivedIn(const std::vector<eventpb::Wait>& told, const std::vector<eventpb::Wait>& now_due,
                absl::Time now) {
  const auto holds = [&](const eventpb::Wait& x, const eventpb::Wait& y) {
    const bool passed = x.until_us() != 0 && x.until_us() <= absl::ToUnixMicros(now);
    return !passed || x.until_us() == y.until_us();
  };
  return !std::equal(told.begin(), told.end(), now_due.begin(), now_due.end(), holds);
}

Result On(const State& state, const ChangeWaits& command, const DecideContext& context) {
  MUSTER_RETURN_IF_ERROR(CheckExists(state));
  if (SameBut(state.waits, command.waits, false)) return Events{};
  const absl::Duration age = context.now - state.waits_changed.at;
  if (SameBut(state.waits, command.waits, true) &&
      !OutlivedIn(state.waits, command.waits, context.now) && age >= absl::ZeroDuration() &&
      age < kChatterEvery) {
    return Events{};
  }
  eventpb::FleetWaitChanged changed;
  for (const eventpb::Wait& wait : command.waits) *changed.add_waits() = wait;
  return Events{Wrap(changed)};
}

Result On(const State& state, const RecordPreflight& command, const DecideContext& context) {
  MUSTER_RETURN_IF_ERROR(CheckExists(state));
  const eventpb::PreflightChecked& check = command.check;
  if (check.result() == eventpb::PreflightChecked::RESULT_UNSPECIFIED || check.name().empty()) {
    return InvalidArgument("a check needs its name and its result");
  }
  if (check.fleet_version() != state.fleet_version) {
    return FailedPrecondition(
        Cat("the check was of version ", check.fleet_version(), ", now is ", state.fleet_version));
  }
  const auto known = state.preflight.find(check.name());
  if (known != state.preflight.end() && known->second.result == check.result()) {
    // A check that did not pass is tried again: when it was tried last is worth knowing.
    const absl::Duration age = context.now - known->second.at.at;
    const bool fresh = age >= absl::ZeroDuration() && age < kChatterEvery;
    if (check.result() == eventpb::PreflightChecked::PASSED || fresh) return Events{};
  }
  return Events{Wrap(check)};
}

Result On(const State& state, const ChangeQuotaInterval& command, const DecideContext&) {
  MUSTER_RETURN_IF_ERROR(CheckExists(state));
  if (command.change.interval_s() <= 0) return InvalidArgument("an interval is longer than 0 s");
  if (command.change.interval_s() == state.upload_interval_s) return Events{};
  return Events{Wrap(command.change)};
}

Result On(const State& state, const SuspendStrikes& command, const DecideContext&) {
  MUSTER_RETURN_IF_ERROR(CheckExists(state));
  if (state.strikes_suspended) return Events{};
  if (command.suspension.evidence().rule().empty()) {
    return InvalidArgument("a suspension without evidence: no rule");
  }
  return Events{Wrap(command.suspension)};
}

Result On(const State& state, const ResumeStrikes&, const DecideContext&) {
  MUSTER_RETURN_IF_ERROR(CheckExists(state));
  if (!state.strikes_suspended) return Events{};
  return Events{Wrap(eventpb::StrikesResumed())};
}

Result On(const State& state, const ReportHealth& command, const DecideContext&) {
  MUSTER_RETURN_IF_ERROR(CheckExists(state));
  if (command.wanted == state.wanted_seen && command.have == state.have_seen &&
      command.healthy == state.healthy_seen) {
    return Events{};
  }
  eventpb::FleetHealthChanged changed;
  changed.set_wanted(command.wanted);
  changed.set_have(command.have);
  changed.set_healthy(command.healthy);
  return Events{Wrap(changed)};
}

Result On(const State& state, const End&, const DecideContext&) {
  MUSTER_RETURN_IF_ERROR(CheckExists(state));
  if (state.ended) return Events{};
  if (!state.down_requested) {
    return FailedPrecondition(Cat("fleet ", state.name.str(), " is not going down"));
  }
  return Events{Wrap(eventpb::FleetEnded())};
}

}  // namespace

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context) {
  return std::visit([&](const auto& c) { return On(state, c, context); }, command);
}

}  // namespace muster::fleet
