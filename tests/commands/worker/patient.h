// A live worker, what is observed of it, and what is judged from that.
#pragma once

#include <string>
#include <utility>

#include "commands/worker/assess.h"
#include "tests/commands/given.h"

namespace muster::worker {

inline specpb::FleetSpec TestSpec() {
  specpb::FleetSpec spec;
  spec.mutable_market()->set_price_max_micro_usd_per_hour(90'000);
  *spec.mutable_timers() = TestTimers();
  spec.mutable_timers()->set_offline_s(600);
  return spec;
}

// A live worker (since At(10)) and what is observed of it.
struct Patient {
  State state = LiveWorker();
  specpb::FleetSpec spec = TestSpec();
  Surroundings around;

  void Log(double at, eventpb::LogObserved facts, int agreeing = 2) {
    facts.set_agreeing_polls(agreeing);
    Given(state, {Wrap(facts)}, At(at));
  }
  void See(double at, ActualStatus actual, std::int64_t micros = 90'000) {
    Instance instance = Running();
    instance.actual = actual;
    instance.price = MicroUsdPerHour(micros);
    Given(state, {Wrap(MakeInstanceObserved(instance))}, At(at));
  }
  void Fail(double at, std::string what, int count) {
    eventpb::ObservationFailed failed;
    failed.set_what(std::move(what));
    failed.set_count(count);
    Given(state, {Wrap(failed)}, At(at));
  }
  Assessment Ask(double at) {
    around.spec = &spec;
    around.policy_version = "zeb@v1";
    return Assess(state, around, At(at));
  }
  std::string Rule(double at) {
    const Assessment judged = Ask(at);
    return judged.verdict ? judged.verdict->rule : "";
  }
};

}  // namespace muster::worker
