#include "commands/replay/other_world.h"

#include <algorithm>

#include "commands/fleet/plan/label.h"
#include "commands/worker/assess.h"
#include "eventstore/base/overloaded.h"
#include "eventstore/events/host_events.h"
#include "eventstore/events/values.h"

namespace muster::replay {
namespace {

// Well within the time for which a look counts as fresh.
constexpr absl::Duration kLookEvery = absl::Minutes(4);

std::string_view NameIn(const StreamId& stream, std::string_view kind) {
  const std::string_view text = stream.str();
  if (text.size() <= kind.size() || !text.starts_with(kind)) return {};
  return text.substr(kind.size());
}

eventpb::InstanceObserved SightOf(const worker::Observed& seen) {
  eventpb::InstanceObserved sight;
  sight.set_actual_status(std::string(ActualStatusName(seen.actual)));
  sight.set_intended_raw(seen.intended_raw);
  sight.set_status_message(seen.status_message);
  // Its price stays: nothing is said of it, so that nothing is rounded at each look.
  sight.set_ssh_host(seen.ssh_host);
  sight.set_ssh_port(seen.ssh_port);
  return sight;
}

eventpb::LogObserved LogOf(const worker::Observed& seen) {
  eventpb::LogObserved log;
  log.set_phase(std::string(worker::LogPhaseName(seen.phase)));
  log.set_counter(seen.counter);
  log.set_total(seen.total);
  log.set_step(seen.step);
  log.set_rate_per_s(seen.rate_per_s);
  log.set_busy(seen.busy);
  log.set_error(seen.error);
  log.set_error_rule(seen.error_rule);
  log.set_error_fault(seen.error_fault);
  log.set_broken(seen.broken);
  log.set_no_container(seen.no_container);
  log.set_container_id(seen.container_id);
  log.set_agreeing_polls(2);
  return log;
}

const worker::Observed* SeenOf(const worker::State& state) {
  if (const worker::Live* live = state.live()) return &live->seen;
  const auto* leaving = std::get_if<worker::Destroying>(&state.phase);
  return leaving == nullptr ? nullptr : &leaving->seen;
}

}  // namespace

// ---- sums -------------------------------------------------------------------------------------

void Counter::Close(Tally& tally, const worker::State& state, absl::Time at) const {
  const worker::Observed* seen = SeenOf(state);
  if (seen == nullptr) return;
  // What nobody watched is rented all the same: since it was accepted.
  const worker::Live* live = state.live();
  const absl::Time accepted = live != nullptr ? live->accepted.at : state.identity.begun.at;
  tally.rented += std::max(absl::ZeroDuration(), at - std::max(accepted, from_));
  if (!seen->first_progress.seen()) return;
  const double rate = seen->rate_samples > 0 && seen->rate_mean_per_s > 0
                          ? seen->rate_mean_per_s
                          : state.identity.offered.expected_rate_per_s;
  const absl::Duration worked = seen->progress.at - std::max(seen->first_progress.at, from_);
  tally.work += rate * std::max(0.0, absl::ToDoubleSeconds(worked));
}

void Counter::Before(const World& world, const StreamId& stream, const eventpb::EventBody& body,
                     absl::Time at) {
  const WorkerId id(NameIn(stream, "worker/"));
  if (id.empty()) return;
  if (body.has_launch_requested()) {
    if (Counts(FleetName(body.launch_requested().fleet()))) ++tally_.launches;
    return;
  }
  const worker::State* state = world.FindWorker(id);
  if (state == nullptr || !Counts(state->identity.fleet)) return;
  if (body.has_worker_condemned() && state->live() != nullptr) ++tally_.ended;
  if (body.has_worker_ended() && state->open()) Close(tally_, *state, at);
}

Tally Counter::Until(const World& world, absl::Time end) const {
  Tally tally = tally_;
  for (const auto& [id, state] : world.WorkersInOrder()) {
    if (state->open() && Counts(state->identity.fleet)) Close(tally, *state, end);
  }
  return tally;
}

// ---- following the log ------------------------------------------------------------------------

OtherWorld::OtherWorld(World start, std::optional<Trial> trial, const Habits& habits,
                       Counter counter)
    : world_(std::move(start)),
      trial_(std::move(trial)),
      habits_(habits),
      counter_(std::move(counter)),
      position_(world_.head) {
  if (!trial_.has_value()) return;
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
  const WorkerId worker(NameIn(recorded.stream, "worker/"));
  if (!NameIn(recorded.stream, "fleet/").empty()) return FollowFleet(recorded);
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
    if (ours || made_.contains(worker)) return FollowWorker(recorded, worker);
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
  if (!diverged_ || !body.has_clock_stepped()) return;
  const absl::Duration by = absl::Microseconds(body.clock_stepped().by_us());
  for (auto& [id, made] : made_) {
    for (absl::Time* at : {&made.accept_at, &made.up_at, &made.work_at, &made.look_at,
                           &made.taken_at, &made.ended_at}) {
      *at += by;
    }
  }
}

void OtherWorld::FollowFleet(const Recorded& recorded) {
  const eventpb::EventBody& body = recorded.body;
  const FleetName name(NameIn(recorded.stream, "fleet/"));
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
  if (made_.contains(id)) return;
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
    if (!leaving) Keep(id, recorded.occurred_at);
    return;
  }
  if (body.has_destroy_requested() && !leaving) return;
  Fold(recorded.stream, body, recorded.occurred_at);
}

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
  ++made_up_;
  const MachineId machine(intent.offer().machine());
  Made made;
  made.accepted = made.up = made.works = false;
  made.accept_at = at + habits_.Of(Habits::Span::kAccept, trial_->fleet, machine);
  made.up_at = made.accept_at + habits_.Of(Habits::Span::kUp, trial_->fleet, machine);
  made.work_at = std::max(
      made.up_at, made.accept_at + habits_.Of(Habits::Span::kProgress, trial_->fleet, machine));
  made.look_at = absl::InfiniteFuture();
  made.sight.set_actual_status("loading");
  made.sight.set_intended_raw("running");
  made.sight.set_price_micro_usd_per_hour(intent.offer().price_micro_usd_per_hour());
  made.sight.set_price_known(true);
  made.log.set_counter(-1);
  made.log.set_total(-1);
  made.log.set_step(-1);
  made.log.set_rate_per_s(-1);
  made.log.set_agreeing_polls(2);
  made_.emplace(id, std::move(made));
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
  if (alike == nullptr && !take.condemn) Keep(id, at);
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
  const auto made = made_.find(act.worker);
  if (made != made_.end()) made->second.sight.set_actual_status("running");
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
  const auto known = made_.find(id);
  if (known == made_.end() && alike != nullptr) return;  // the log tells how it goes
  ++ended_here_;
  Made& made = made_[id];
  made.leaving = true;
  made.taken_at = at + habits_.Of(Habits::Span::kDestroyTaken, trial_->fleet, machine);
  made.ended_at =
      std::max(made.taken_at, at + habits_.Of(Habits::Span::kDestroyed, trial_->fleet, machine));
}

// ---- what the log does not tell ---------------------------------------------------------------

void OtherWorld::Keep(const WorkerId& id, absl::Time at) {
  const worker::State* state = world_.FindWorker(id);
  const worker::Live* live = state == nullptr ? nullptr : state->live();
  if (live == nullptr) return;
  ++kept_;
  Made made;
  made.sight = SightOf(live->seen);
  if (state->identity.adopted && !live->seen.instance.seen()) {
    made.sight.set_actual_status("running");
  }
  made.has_log = live->seen.log.seen();
  made.log = LogOf(live->seen);
  const fleet::State* fleet = world_.FindFleet(trial_->fleet);
  worker::Surroundings around;
  around.spec = &fleet->spec;
  made.grows = live->seen.first_progress.seen() &&
               worker::Assess(*state, around, at).health == eventpb::WorkerHealthChanged::HEALTHY;
  made.look_at = at + LookEvery();
  made_.insert_or_assign(id, std::move(made));
}

absl::Duration OtherWorld::LookEvery() const {
  return std::min(kLookEvery, worker::ClocksOf(trial_->spec.timers()).no_progress / 3);
}

absl::Time OtherWorld::Made::Next() const {
  if (leaving) return taken ? ended_at : taken_at;
  if (!accepted) return accept_at;
  if (!up) return std::min(up_at, look_at);
  if (!works) return std::min(work_at, look_at);
  return look_at;
}

absl::Time OtherWorld::next() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [id, made] : made_) next = std::min(next, made.Next());
  return next;
}

void OtherWorld::Advance(absl::Time at) {
  while (true) {
    auto first = made_.end();
    for (auto it = made_.begin(); it != made_.end(); ++it) {
      if (first == made_.end() || it->second.Next() < first->second.Next()) first = it;
    }
    if (first == made_.end() || first->second.Next() > at) return;
    const WorkerId id = first->first;
    const absl::Time now = first->second.Next();
    Step(id, first->second, now);
    const worker::State* state = world_.FindWorker(id);
    if (state == nullptr || !state->open()) made_.erase(id);
  }
}

void OtherWorld::Look(const WorkerId& id, Made& made, absl::Time at) {
  const StreamId stream = WorkerStream(id);
  Fold(stream, Wrap(made.sight), at);
  made.sight.set_price_known(false);  // once is enough: each time would round
  if (made.has_log) {
    if (made.grows) {
      made.log.set_counter(std::max<std::int64_t>(made.log.counter(), 0) + 1);
    }
    made.log.set_first_seen_us(ToStoredTime(at));
    Fold(stream, Wrap(made.log), at);
  }
  made.look_at = at + LookEvery();
}

void OtherWorld::Step(const WorkerId& id, Made& made, absl::Time at) {
  const StreamId stream = WorkerStream(id);
  if (made.leaving && !made.taken) {
    made.taken = true;
    eventpb::DestroyAnswered answered;
    answered.set_answer(eventpb::DestroyAnswered::ACCEPTED);
    answered.set_attempt(1);
    return Fold(stream, Wrap(answered), at);
  }
  if (made.leaving) {
    eventpb::WorkerEnded ended;
    ended.set_how(eventpb::WorkerEnded::DESTROYED);
    return Fold(stream, Wrap(ended), at);
  }
  if (!made.accepted) {
    made.accepted = true;
    eventpb::LaunchAccepted accepted;
    accepted.set_instance(id.str());
    accepted.set_how(eventpb::LaunchAccepted::ANSWER);
    Fold(stream, Wrap(accepted), at);
  } else if (!made.up && made.up_at <= at) {
    made.up = made.has_log = true;
    made.sight.set_actual_status("running");
    made.log.set_phase("started");
  } else if (made.up && !made.works && made.work_at <= at) {
    made.works = made.grows = true;
    const worker::State* state = world_.FindWorker(id);
    made.log.set_phase("producing");
    made.log.set_rate_per_s(state->identity.offered.expected_rate_per_s);
  }
  Look(id, made, at);
}

}  // namespace muster::replay
