#include "commands/replay/other_world.h"

#include <algorithm>

#include "commands/fleet/plan/label.h"
#include "eventstore/base/overloaded.h"
#include "eventstore/events/host_events.h"
#include "eventstore/events/values.h"

namespace muster::replay {

// ---- following the log ------------------------------------------------------------------------

OtherWorld::OtherWorld(World start, std::optional<Trial> trial, const Habits& habits,
                       Counter counter)
    : world_(std::move(start)),
      trial_(std::move(trial)),
      counter_(std::move(counter)),
      position_(world_.head) {
  if (!trial_.has_value()) return;
  made_up_.emplace(world_, trial_->fleet, trial_->spec, habits,
                   [this](const WorkerId& id, const eventpb::EventBody& body, absl::Time at) {
                     Fold(WorkerStream(id), body, at);
                   });
  const auto found = world_.fleets.find(trial_->fleet);
  if (found == world_.fleets.end() || found->second.fleet_version == 0) return;
  fleet::State& state = found->second;
  const bool scaled = state.scaled.position > state.applied.position;
  const bool stays = scaled && trial_->file_workers == trial_->spec.workers();
  state.spec = TrialSpec(state.spec, stays ? state.spec.workers() : trial_->spec.workers());
}

// Checks that the log never made cannot fail: those of the fleet's own policy stand for them.
specpb::FleetSpec OtherWorld::TrialSpec(const specpb::FleetSpec& live, int workers) const {
  specpb::FleetSpec spec = trial_->spec;
  spec.set_workers(workers);
  *spec.mutable_preflight() = live.preflight();
  return spec;
}

void OtherWorld::Fold(const StreamId& stream, const eventpb::EventBody& body, absl::Time at) {
  counter_.Before(world_, stream, body, at);
  Evolve(world_, stream, body, Stamp{position_, at});
  board_.Touch(stream);
  if (body.has_clock_stepped()) board_.TouchAll();
}

void OtherWorld::Follow(const Recorded& recorded, const World& live) {
  position_ = recorded.position;
  const WorkerId worker(NameIn(recorded.stream, "worker"));
  if (!NameIn(recorded.stream, "fleet").empty()) return FollowFleet(recorded);
  const eventpb::EventBody& body = recorded.body;
  if (trial_.has_value() && body.has_host_struck() &&
      body.host_struck().fleet() == trial_->fleet.str()) {
    if (diverged_) return;  // this world strikes for itself
    const fleet::State* fleet = live.FindFleet(trial_->fleet);
    const std::int64_t span = trial_->spec.strikes().expiry_s();
    if (fleet != nullptr && fleet->spec.strikes().expiry_s() != span) {
      eventpb::EventBody other = body;
      other.mutable_host_struck()->set_expires_us(
          span > 0 ? ToStoredTime(recorded.occurred_at + absl::Seconds(span)) : 0);
      return Fold(recorded.stream, other, recorded.occurred_at);
    }
  }
  if (diverged_ && !worker.empty()) {
    const worker::State* there = live.FindWorker(worker);
    const bool ours = there != nullptr && there->identity.fleet == trial_->fleet;
    if (ours || made_up_->Has(worker)) return FollowWorker(recorded, worker);
  }
  if (diverged_ && body.has_instance_list_observed()) {
    // What was rented live is no stranger, though nobody here knows it.
    eventpb::EventBody other = body;
    auto& added = *other.mutable_instance_list_observed()->mutable_added();
    const auto known_live = [&](const std::string& id) {
      return live.by_instance.contains(InstanceId(id)) &&
             !world_.by_instance.contains(InstanceId(id));
    };
    added.erase(std::remove_if(added.begin(), added.end(), known_live), added.end());
    return Fold(recorded.stream, other, recorded.occurred_at);
  }
  Fold(recorded.stream, body, recorded.occurred_at);
  if (diverged_ && body.has_clock_stepped()) {
    made_up_->Shift(absl::Microseconds(body.clock_stepped().by_us()));
  }
}

void OtherWorld::FollowFleet(const Recorded& recorded) {
  const eventpb::EventBody& body = recorded.body;
  const FleetName name(NameIn(recorded.stream, "fleet"));
  if (!trial_.has_value() || name != trial_->fleet) {
    return Fold(recorded.stream, body, recorded.occurred_at);
  }
  if (body.has_fleet_applied()) {
    eventpb::EventBody other = body;
    *other.mutable_fleet_applied()->mutable_spec() =
        TrialSpec(body.fleet_applied().spec(), trial_->spec.workers());
    return Fold(recorded.stream, other, recorded.occurred_at);
  }
  const bool given =
      body.has_fleet_scaled() || body.has_fleet_down_requested() || body.has_preflight_checked();
  if (!diverged_ || given) Fold(recorded.stream, body, recorded.occurred_at);
}

void OtherWorld::FollowWorker(const Recorded& recorded, const WorkerId& id) {
  if (made_up_->Has(id)) return;
  const eventpb::EventBody& body = recorded.body;
  if (body.has_launch_requested()) return;  // whether it is rented here is decided here
  if (body.has_worker_adopted()) {
    if (!recorded.by_policy) Fold(recorded.stream, body, recorded.occurred_at);
    return;
  }
  const worker::State* mine = world_.FindWorker(id);
  if (mine == nullptr || !mine->open()) return;
  const bool leaving = std::holds_alternative<worker::Destroying>(mine->phase);
  if (body.has_worker_health_changed() || (body.has_start_requested() && recorded.by_policy)) {
    return;
  }
  if (body.has_worker_condemned() && recorded.by_policy) {
    if (!leaving) made_up_->Keep(id, recorded.occurred_at);
    return;
  }
  if (body.has_destroy_requested() && !leaving) return;
  Fold(recorded.stream, body, recorded.occurred_at);
}

void OtherWorld::Advance(absl::Time at) { made_up_->Advance(at); }

absl::Time OtherWorld::next() const { return made_up_->next(); }

// ---- carrying out -----------------------------------------------------------------------------

WorkerId OtherWorld::FreshId() { return WorkerId(Cat("replayed", ++fresh_)); }

const Act* OtherWorld::Alike(const fleet::Decision& decision, const std::vector<Act>& live) const {
  const std::optional<Act> act = ActOf(decision, world_);
  if (!act.has_value()) return nullptr;
  for (const Act& one : live) {
    if (one.line != act->line) continue;
    // One launch of the log stands for one of this world.
    if (one.is_launch && world_.FindWorker(one.worker) != nullptr) continue;
    return &one;
  }
  return nullptr;
}

void OtherWorld::Carry(const fleet::Decision& decision, absl::Time at,
                       const std::vector<Act>& live) {
  const Act* alike = Alike(decision, live);
  std::visit(Overloaded{[&](const fleet::Launch& d) {
                          if (d.intent.fleet() == trial_->fleet.str()) {
                            CarryLaunch(d.intent, alike, at);
                          }
                        },
                        [&](const fleet::TakeIn& d) {
                          if (d.adoption.fleet() == trial_->fleet.str()) {
                            CarryTakeIn(d, alike, at);
                          }
                        },
                        [&](const fleet::ForWorker& d) {
                          const worker::State* state = world_.FindWorker(d.worker);
                          if (state != nullptr && state->identity.fleet == trial_->fleet) {
                            CarryWorker(d, alike, at);
                          }
                        },
                        [&](const fleet::ForFleet& d) {
                          if (d.fleet == trial_->fleet) CarryFleet(d, at);
                        },
                        [](const fleet::ForAccount&) {}},  // its credit is as recorded
             decision.act);
}

void OtherWorld::CarryLaunch(eventpb::LaunchRequested intent, const Act* alike, absl::Time at) {
  const fleet::State* fleet = world_.FindFleet(trial_->fleet);
  const ProviderName provider(intent.provider());
  const WorkerId id = alike != nullptr ? alike->worker : FreshId();
  intent.set_token(id.str());
  intent.set_label(fleet::LabelFor(fleet->spec, intent.index(), id));
  const StreamId stream = WorkerStream(id);
  Fold(stream, Wrap(intent), at);
  if (alike != nullptr) return;  // the log tells what becomes of it
  const account::State* account = world_.FindAccount(provider);
  if (account != nullptr && account->credit_wait) {
    eventpb::LaunchRejected rejected;
    rejected.set_reason(eventpb::LaunchRejected::NO_CREDIT);
    Fold(stream, Wrap(rejected), at);
    eventpb::WorkerEnded ended;
    ended.set_how(eventpb::WorkerEnded::NEVER_BEGAN);
    Fold(stream, Wrap(ended), at);
    return;
  }
  made_up_->Rent(id, intent.offer(), at);
}

void OtherWorld::CarryTakeIn(const fleet::TakeIn& take, const Act* alike, absl::Time at) {
  const bool known = alike != nullptr && world_.FindWorker(alike->worker) == nullptr;
  if (!known) alike = nullptr;
  const WorkerId id = known ? alike->worker : FreshId();
  if (id.empty() || world_.by_instance.contains(InstanceId(take.adoption.instance()))) return;
  Fold(WorkerStream(id), Wrap(take.adoption), at);
  eventpb::OrphanResolved resolved;
  resolved.set_instance(take.adoption.instance());
  resolved.set_how(take.condemn ? eventpb::OrphanResolved::DESTROYED
                                : eventpb::OrphanResolved::ADOPTED);
  resolved.set_worker(id.str());
  Fold(AccountStream(ProviderName(take.adoption.provider())), Wrap(resolved), at);
  if (take.condemn) Condemn(id, worker::Condemn{*take.condemn}, alike, at);
  if (alike == nullptr && !take.condemn) made_up_->Keep(id, at);
}

void OtherWorld::CarryWorker(const fleet::ForWorker& act, const Act* alike, absl::Time at) {
  if (const auto* condemn = std::get_if<worker::Condemn>(&act.command)) {
    return Condemn(act.worker, *condemn, alike, at);
  }
  const worker::State* state = world_.FindWorker(act.worker);
  const StatusOr<Events> events = worker::Decide(*state, act.command, {at});
  if (!events.ok()) return;
  for (const eventpb::EventBody& body : *events) Fold(WorkerStream(act.worker), body, at);
  if (!std::holds_alternative<worker::RequestStart>(act.command) || alike != nullptr) return;
  eventpb::StartAnswered answered;
  answered.set_accepted(true);
  Fold(WorkerStream(act.worker), Wrap(answered), at);
  made_up_->Start(act.worker);
}

void OtherWorld::CarryFleet(const fleet::ForFleet& act, absl::Time at) {
  const fleet::State* state = world_.FindFleet(act.fleet);
  if (std::holds_alternative<fleet::End>(act.command) && world_.open_by_fleet.contains(act.fleet)) {
    return;
  }
  const StatusOr<Events> events = fleet::Decide(*state, act.command, {at});
  if (!events.ok()) return;
  for (const eventpb::EventBody& body : *events) Fold(FleetStream(act.fleet), body, at);
}

void OtherWorld::Strike(const worker::State& worker, const eventpb::WorkerCondemned& verdict,
                        absl::Time at) {
  const worker::Identity& me = worker.identity;
  if (verdict.strike_weight() <= 0 || me.offered.machine.empty()) return;
  const std::int64_t span = trial_->spec.strikes().expiry_s();
  eventpb::HostStruck strike;
  strike.set_worker(me.id.str());
  strike.set_cause(verdict.evidence().rule());
  strike.set_weight(verdict.strike_weight());
  strike.set_expires_us(span > 0 ? ToStoredTime(at + absl::Seconds(span)) : 0);
  strike.set_fleet(me.fleet.str());
  *strike.mutable_evidence() = verdict.evidence();
  Fold(HostStream(me.provider, me.offered.machine), Wrap(strike), at);
}

void OtherWorld::Condemn(const WorkerId& id, const worker::Condemn& command, const Act* alike,
                         absl::Time at) {
  const worker::State* state = world_.FindWorker(id);
  const StatusOr<Events> events = worker::Decide(*state, command, {at});
  if (!events.ok() || events->empty()) return;
  const MachineId machine = state->identity.offered.machine;
  for (const eventpb::EventBody& body : *events) Fold(WorkerStream(id), body, at);
  Strike(*state, command.verdict, at);
  if (!made_up_->Has(id) && alike != nullptr) return;  // the log tells how it goes
  made_up_->Leave(id, machine, at);
}

}  // namespace muster::replay
