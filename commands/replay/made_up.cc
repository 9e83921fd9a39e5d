#include "commands/replay/made_up.h"

#include <algorithm>
#include <utility>

#include "commands/worker/assess.h"
#include "eventstore/events/values.h"

namespace muster::replay {
namespace {

// Well within the time for which a look counts as fresh.
constexpr absl::Duration kLookEvery = absl::Minutes(4);
constexpr absl::Duration kLookLeast = absl::Seconds(1);  // whatever a policy says
// Over a longer silence nobody asks (muster did not run, or its clock was another): only what is
// seen at its end matters, and the years of a wrong clock must not be looked through.
constexpr absl::Duration kSilence = absl::Hours(1);

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

// The facts of a log in which nothing was seen yet.
eventpb::LogObserved EmptyLog() {
  eventpb::LogObserved log;
  log.set_counter(-1);
  log.set_total(-1);
  log.set_step(-1);
  log.set_rate_per_s(-1);
  log.set_agreeing_polls(2);
  return log;
}

}  // namespace

MadeUp::MadeUp(const World& world, const FleetName& fleet, const specpb::FleetSpec& spec,
               const Habits& habits, FoldFn fold)
    : world_(world), fleet_(fleet), spec_(spec), habits_(habits), fold_(std::move(fold)) {}

absl::Duration MadeUp::Usually(Habits::Span span, const MachineId& machine) const {
  return habits_.Of(span, fleet_, machine);
}

void MadeUp::Rent(const WorkerId& id, const eventpb::OfferTaken& offer, absl::Time at) {
  ++counts_.rented;
  const MachineId machine(offer.machine());
  Made made;
  made.accepted = made.up = made.works = false;
  made.accept_at = at + Usually(Habits::Span::kAccept, machine);
  made.up_at = made.accept_at + Usually(Habits::Span::kUp, machine);
  made.work_at = std::max(made.up_at, made.accept_at + Usually(Habits::Span::kProgress, machine));
  made.look_at = absl::InfiniteFuture();
  made.sight.set_actual_status("loading");
  made.sight.set_intended_raw("running");
  made.sight.set_price_micro_usd_per_hour(offer.price_micro_usd_per_hour());
  made.sight.set_price_known(true);
  made.log = EmptyLog();
  made_.emplace(id, std::move(made));
}

void MadeUp::Leave(const WorkerId& id, const MachineId& machine, absl::Time at) {
  ++counts_.ended;
  Made& made = made_[id];
  made.leaving = true;
  made.taken_at = at + Usually(Habits::Span::kDestroyTaken, machine);
  made.ended_at = std::max(made.taken_at, at + Usually(Habits::Span::kDestroyed, machine));
}

void MadeUp::Start(const WorkerId& id) {
  const auto made = made_.find(id);
  if (made != made_.end()) made->second.sight.set_actual_status("running");
}

void MadeUp::Shift(absl::Duration by) {
  for (auto& [id, made] : made_) {
    for (absl::Time* at : {&made.accept_at, &made.up_at, &made.work_at, &made.look_at,
                           &made.taken_at, &made.ended_at}) {
      *at += by;
    }
  }
}

void MadeUp::Keep(const WorkerId& id, absl::Time at) {
  const worker::State* state = world_.FindWorker(id);
  const worker::Live* live = state == nullptr ? nullptr : state->live();
  if (live == nullptr) return;
  ++counts_.kept;
  Made made;
  made.sight = SightOf(live->seen);
  if (state->identity.adopted && !live->seen.instance.seen()) {
    made.sight.set_actual_status("running");
  }
  made.has_log = live->seen.log.seen();
  made.log = LogOf(live->seen);
  const fleet::State* fleet = world_.FindFleet(fleet_);
  worker::Surroundings around;
  around.spec = &fleet->spec;
  made.grows = live->seen.first_progress.seen() &&
               worker::Assess(*state, around, at).health == eventpb::WorkerHealthChanged::HEALTHY;
  made.look_at = at + LookEvery();
  made_.insert_or_assign(id, std::move(made));
}

absl::Duration MadeUp::LookEvery() const {
  return std::max(kLookLeast,
                  std::min(kLookEvery, worker::ClocksOf(spec_.timers()).no_progress / 3));
}

absl::Time MadeUp::Made::Next() const {
  if (leaving) return taken ? ended_at : taken_at;
  if (!accepted) return accept_at;
  if (!up) return std::min(up_at, look_at);
  if (!works) return std::min(work_at, look_at);
  return look_at;
}

absl::Time MadeUp::next() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [id, made] : made_) next = std::min(next, made.Next());
  return next;
}

void MadeUp::Advance(absl::Time at) {
  while (true) {
    auto first = made_.end();
    for (auto it = made_.begin(); it != made_.end(); ++it) {
      if (first == made_.end() || it->second.Next() < first->second.Next()) first = it;
    }
    if (first == made_.end() || first->second.Next() > at) return;
    const WorkerId id = first->first;
    const absl::Time now = first->second.Next();
    Step(id, first->second, now);
    absl::Time& look = first->second.look_at;
    if (at - look > kSilence && look > now) look = at - LookEvery();
    const worker::State* state = world_.FindWorker(id);
    if (state == nullptr || !state->open()) made_.erase(id);
  }
}

void MadeUp::Look(const WorkerId& id, Made& made, absl::Time at) {
  fold_(id, Wrap(made.sight), at);
  made.sight.set_price_known(false);  // once is enough: each time would round
  if (made.has_log) {
    if (made.grows) {
      made.log.set_counter(std::max<std::int64_t>(made.log.counter(), 0) + 1);
    }
    made.log.set_first_seen_us(ToStoredTime(at));
    fold_(id, Wrap(made.log), at);
  }
  made.look_at = at + LookEvery();
}

void MadeUp::Step(const WorkerId& id, Made& made, absl::Time at) {
  if (made.leaving && !made.taken) {
    made.taken = true;
    eventpb::DestroyAnswered answered;
    answered.set_answer(eventpb::DestroyAnswered::ACCEPTED);
    answered.set_attempt(1);
    return fold_(id, Wrap(answered), at);
  }
  if (made.leaving) {
    eventpb::WorkerEnded ended;
    ended.set_how(eventpb::WorkerEnded::DESTROYED);
    return fold_(id, Wrap(ended), at);
  }
  if (!made.accepted) {
    made.accepted = true;
    eventpb::LaunchAccepted accepted;
    accepted.set_instance(id.str());
    accepted.set_how(eventpb::LaunchAccepted::ANSWER);
    fold_(id, Wrap(accepted), at);
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
