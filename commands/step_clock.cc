#include "commands/step_clock.h"

#include <variant>

#include "eventstore/base/overloaded.h"

namespace muster {
namespace {

class Stepper {
 public:
  explicit Stepper(absl::Duration by) : by_(by) {}

  void Step(absl::Time& at) const { at += by_; }  // infinities stay
  void Step(Stamp& stamp) const {
    if (stamp.seen()) Step(stamp.at);
  }

  void Step(worker::Observed& seen) const {
    for (Stamp* stamp :
         {&seen.instance, &seen.status_since, &seen.absent, &seen.watched_since, &seen.coming_since,
          &seen.phase_since, &seen.progress, &seen.first_progress, &seen.error_since,
          &seen.broken_since, &seen.log, &seen.log_failing_since, &seen.log_failed,
          &seen.instance_failing_since, &seen.instance_failed}) {
      Step(*stamp);
    }
    Step(seen.facts_since);
  }
  void Step(worker::Phase& phase) const {
    std::visit(Overloaded{[](worker::NonExistent&) {},
                          [&](worker::Launching& launching) { Step(launching.last_unclear); },
                          [&](worker::Live& live) {
                            for (Stamp* stamp : {&live.accepted, &live.health_since,
                                                 &live.start_requested, &live.last_start}) {
                              Step(*stamp);
                            }
                            Step(live.seen);
                          },
                          [&](worker::Destroying& destroying) {
                            Step(destroying.requested);
                            Step(destroying.last_answer);
                            Step(destroying.seen);
                          },
                          [&](worker::Ended& ended) { Step(ended.at); }},
               phase);
  }
  void Step(worker::State& state) const {
    Step(state.identity.begun);
    Step(state.phase);
    Step(state.priced_since);
  }
  void Step(fleet::State& state) const {
    for (Stamp* stamp : {&state.applied, &state.scaled, &state.down, &state.waits_changed,
                         &state.suspended, &state.last_upgrade, &state.failing.last}) {
      Step(*stamp);
    }
    for (auto& [name, check] : state.preflight) Step(check.at);
  }
  void Step(host::State& state) const {
    for (host::Strike& strike : state.strikes) {
      Step(strike.at);
      Step(strike.expires);
    }
  }
  void Step(shadow::State& state) const {
    Step(state.started);
    Step(state.ended_at);
    Step(state.last_upgrade);
    Step(state.hour_began);
    Step(state.counted_to);
    for (auto& [number, entry] : state.open) Step(entry.at);
  }
  void Step(account::State& state) const {
    for (Stamp* stamp : {&state.credit_seen, &state.credit_wait_since, &state.last_probe,
                         &state.offers_seen, &state.list_seen}) {
      Step(*stamp);
    }
    for (account::Ongoing& trouble : state.troubles) Step(trouble.since);
    for (auto& [id, orphan] : state.orphans) Step(orphan.found);
  }

 private:
  absl::Duration by_;
};

}  // namespace

void StepClock(World& world, absl::Duration by) {
  const Stepper stepper(by);
  for (auto& [id, state] : world.workers) stepper.Step(*state);
  for (auto& [name, state] : world.fleets) stepper.Step(state);
  for (auto& [key, state] : world.hosts) stepper.Step(state);
  for (auto& [name, state] : world.accounts) stepper.Step(state);
  for (auto& [name, state] : world.shadows) stepper.Step(state);
  std::multimap<absl::Time, WorkerId> ended_at;
  for (const auto& [at, id] : world.ended_at) ended_at.emplace(at + by, id);
  world.ended_at = std::move(ended_at);
}

}  // namespace muster
