#include "commands/fleet/state.h"
#include "commands/rules.h"
#include "eventstore/events/fleet_events.h"

namespace muster::fleet {
namespace {

void Apply(State& state, const eventpb::FleetApplied& e, const Stamp& recorded) {
  state.spec = e.spec();
  state.fleet_version = e.fleet_version();
  state.spec_digest = e.spec_digest();
  state.down_requested = false;
  state.ended = false;
  state.applied = recorded;
  state.preflight.clear();
  state.failing = {};
}

void Check(State& state, const eventpb::PreflightChecked& e, const Stamp& recorded) {
  if (e.fleet_version() != state.fleet_version) return;
  state.preflight[e.name()] = {e.result(), e.detail(), recorded};
}

}  // namespace

bool IsFailure(std::string_view rule) {
  return rule != rules::kOverCost && rule != rules::kOperator && rule != rules::kQuotaRollout &&
         rule != rules::kUpgrade;
}

std::string State::PolicyVersion() const { return Cat(name.str(), "@v", fleet_version); }

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded) {
  ++state.version;
  state.last_position = recorded.position;
  // The kinds of other streams are ignored, as everything that makes no sense here.
  if (body.has_fleet_applied()) Apply(state, body.fleet_applied(), recorded);
  if (body.has_fleet_scaled()) {
    state.spec.set_workers(body.fleet_scaled().workers());
    state.scaled = recorded;
  }
  if (body.has_fleet_down_requested()) {
    state.down_requested = true;
    state.down = recorded;
  }
  if (body.has_fleet_ended()) {
    state.ended = true;
    state.waits.clear();
  }
  if (body.has_fleet_wait_changed()) {
    const auto& waits = body.fleet_wait_changed().waits();
    state.waits.assign(waits.begin(), waits.end());
    state.waits_changed = recorded;
  }
  if (body.has_preflight_checked()) Check(state, body.preflight_checked(), recorded);
  if (body.has_quota_interval_changed()) {
    state.upload_interval_s = body.quota_interval_changed().interval_s();
  }
  if (body.has_strikes_suspended()) {
    state.strikes_suspended = true;
    state.suspended_cause = body.strikes_suspended().cause();
    state.suspended = recorded;
  }
  if (body.has_strikes_resumed()) {
    state.strikes_suspended = false;
    state.suspended_cause.clear();
    state.suspended = {};
  }
  if (body.has_fleet_health_changed()) {
    state.wanted_seen = body.fleet_health_changed().wanted();
    state.have_seen = body.fleet_health_changed().have();
    state.healthy_seen = body.fleet_health_changed().healthy();
  }
}

}  // namespace muster::fleet
