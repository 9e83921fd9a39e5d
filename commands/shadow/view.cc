#include "commands/shadow/view.h"

#include <algorithm>
#include <iterator>

#include "commands/fleet/plan/board.h"
#include "commands/shadow/money.h"
#include "eventstore/events/fleet_events.h"

namespace muster::shadow {
namespace {

using Kind = eventpb::ShadowDisagreed;

// As if it had never been.
void Erase(World& view, const WorkerId& id) {
  const auto found = view.workers.find(id);
  if (found == view.workers.end()) return;
  const worker::State& state = *found->second;
  const auto open = view.open_by_fleet.find(state.identity.fleet);
  if (open != view.open_by_fleet.end()) {
    open->second.erase(id);
    if (open->second.empty()) view.open_by_fleet.erase(open);
  }
  const auto instance = view.by_instance.find(state.instance);
  if (instance != view.by_instance.end() && instance->second == id) {
    view.by_instance.erase(instance);
  }
  for (auto it = view.ended_at.begin(); it != view.ended_at.end();) {
    it = it->second == id ? view.ended_at.erase(it) : std::next(it);
  }
  view.workers.erase(found);
}

// Events as they would have been written, folded by the same code.
class Supposed {
 public:
  Supposed(World& view, const WorkerId& id) : view_(view), stream_(WorkerStream(id)), id_(id) {}

  template <class Event>
  void Fold(const Event& event, const Stamp& stamp) {
    Evolve(view_, stream_, Wrap(event), stamp);
  }
  const worker::State* state() const { return view_.FindWorker(id_); }

 private:
  World& view_;
  const StreamId stream_;
  const WorkerId id_;
};

void AddModelled(World& view, const Entry& entry, std::uint64_t head, absl::Time now) {
  const WorkerId id(entry.what.worker());
  const bool kept = entry.what.kind() == Kind::WOULD_KEEP;
  const Stamp began{entry.what.as_of(), entry.at};
  const Stamp looked{head, now};
  Supposed worker(view, id);
  eventpb::LaunchRequested intent = entry.what.would_launch();
  intent.set_token(id.str());
  intent.set_label(id.str());
  worker.Fold(intent, began);
  eventpb::LaunchAccepted accepted;
  accepted.set_instance(id.str());
  accepted.set_how(eventpb::LaunchAccepted::ANSWER);
  worker.Fold(accepted, began);
  eventpb::LogObserved log;
  log.set_total(-1);
  log.set_step(-1);
  log.set_rate_per_s(intent.offer().expected_rate_per_s());
  log.set_agreeing_polls(2);
  const absl::Time up = kept ? entry.at : entry.at + kModelledBoot;
  if (up <= now) {
    log.set_phase("producing");
    log.set_counter(1);
    worker.Fold(log, {head, up});
    log.set_counter(2);
    worker.Fold(log, looked);
  } else {
    log.set_phase("setup");
    log.set_counter(-1);
    worker.Fold(log, looked);
  }
  eventpb::InstanceObserved listed;
  listed.set_actual_status("running");
  listed.set_price_micro_usd_per_hour(intent.offer().price_micro_usd_per_hour());
  listed.set_price_known(true);
  worker.Fold(listed, looked);
}

// The candidate ended it then; taken as gone at once.
void EndByCandidate(World& view, const Entry& entry) {
  const Stamp then{entry.what.as_of(), entry.at};
  Supposed worker(view, WorkerId(entry.what.worker()));
  if (worker.state() == nullptr || worker.state()->ended()) return;
  worker.Fold(entry.what.would_condemn(), then);
  eventpb::WorkerEnded ended;
  ended.set_how(eventpb::WorkerEnded::DESTROYED);
  worker.Fold(ended, then);
}

void LayOver(World& view, const World& world, const State& shadow, absl::Time now) {
  const auto workers = LiveWorkers(world, shadow);
  for (const auto& [number, entry] : shadow.open) {
    const auto live = workers.find(number);
    const bool known = live != workers.end() && live->second != nullptr;
    switch (entry.what.kind()) {
      case Kind::WOULD_NOT_RENT:
      case Kind::WOULD_RENT_OTHER:
        if (entry.live_open && known) Erase(view, live->second->identity.id);
        break;
      case Kind::WOULD_END:
        EndByCandidate(view, entry);
        break;
      case Kind::WOULD_KEEP:
        if (entry.modelled) Erase(view, WorkerId(entry.what.worker()));
        break;
      default:
        break;
    }
    if (entry.modelled) AddModelled(view, entry, world.head, now);
  }
}

void TakeSpec(World& view, const State& shadow) {
  fleet::State& fleet = view.fleets.at(shadow.fleet);
  const bool same = SpecDigest(fleet.spec) == shadow.candidate_digest;
  fleet.spec = shadow.candidate;
  fleet.waits.clear();  // so that the plan names them all
  if (shadow.last_upgrade.at > fleet.last_upgrade.at) fleet.last_upgrade = shadow.last_upgrade;
  if (same) return;
  // As applying it would do: pauses after failures are over, and its checks are taken as passed.
  fleet.applied = shadow.started;
  if (fleet.failing.last.position <= shadow.started.position) fleet.failing = {};
  for (const specpb::Preflight& check : shadow.candidate.preflight()) {
    fleet.preflight[check.name()] = {eventpb::PreflightChecked::PASSED, "", shadow.started};
  }
}

// Its budgets are held against what it would have spent.
void SettleMoney(World& view, const World& world, const State& shadow, absl::Time now) {
  Spend spent = SpentByFleet(world, shadow.fleet, now);
  spent += Difference(world, shadow, now);
  const std::int64_t day = fleet::UnixDay(now);
  if (const auto open = view.open_by_fleet.find(shadow.fleet); open != view.open_by_fleet.end()) {
    for (const WorkerId& id : open->second) {
      const worker::State* worker = view.FindWorker(id);
      spent -= Spend{worker->SpentAt(now), worker->SpentOnDay(day, now)};
    }
  }
  view.spent_ended_total[shadow.fleet] = std::max(spent.total, MicroUsd());
  view.spent_ended_by_day[shadow.fleet] = {{day, std::max(spent.today, MicroUsd())}};
}

}  // namespace

WorkerId WouldBe(std::int64_t number) { return WorkerId(Cat("would-be-", number)); }

World CandidateWorld(const World& world, const State& shadow, absl::Time now) {
  World view = world.Copy();
  TakeSpec(view, shadow);
  LayOver(view, world, shadow, now);
  SettleMoney(view, world, shadow, now);
  view.head = world.head;
  return view;
}

}  // namespace muster::shadow
