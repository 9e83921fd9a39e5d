// Given events, when a command, then events: what the tests of decisions share.
#pragma once

#include <string>
#include <vector>

#include "commands/world.h"
#include "eventstore/events/account_events.h"
#include "eventstore/events/host_events.h"
#include "eventstore/events/worker_events.h"
#include "tests/support/matchers.h"

namespace muster {

// `seconds` after the tests' zero hour, which is not midnight.
inline absl::Time At(double seconds) {
  return absl::FromUnixSeconds(1'790'000'000) + absl::Seconds(seconds);
}

// Folds `events`, all at `at`; positions go on from the state's last one.
template <class State>
State& Given(State& state, const Events& events, absl::Time at) {
  for (const eventpb::EventBody& body : events) {
    Evolve(state, body, Stamp{state.last_position + 1, at});
  }
  return state;
}

// "worker.condemned worker.destroy_requested", "nothing", or "FAILED_PRECONDITION".
inline std::string Kinds(const StatusOr<Events>& events) {
  if (!events.ok()) return absl::StatusCodeToString(events.status().code());
  std::string kinds;
  for (const eventpb::EventBody& body : *events) {
    if (!kinds.empty()) kinds += ' ';
    kinds += TypeName(body.kind_case());
  }
  return kinds.empty() ? "nothing" : kinds;
}

inline eventpb::Evidence Because(std::string_view rule) {
  return MakeEvidence(rule, "as the test says");
}

// ---- one worker -------------------------------------------------------------------------------

inline constexpr MicroUsdPerHour kPrice{90'000};

inline eventpb::LaunchRequested Intent(std::string_view id = "k7f2q") {
  eventpb::LaunchRequested e;
  e.set_fleet("zeb");
  e.set_fleet_version(1);
  e.set_provider("vast");
  e.set_token(std::string(id));
  e.set_label(Cat("zeb-worker-vast-0.", id));
  *e.mutable_offer() = MakeOfferTaken({.id = OfferId("o1"),
                                       .machine = MachineId("5512"),
                                       .gpu = GpuName("RTX 3070"),
                                       .price = kPrice},
                                      2.4, "gpu default", 15);
  *e.mutable_evidence() = Because("replenish");
  return e;
}
inline eventpb::EventBody Accepted(std::string_view instance = "i1") {
  eventpb::LaunchAccepted e;
  e.set_instance(std::string(instance));
  e.set_how(eventpb::LaunchAccepted::ANSWER);
  return Wrap(e);
}
inline eventpb::WorkerCondemned Verdict(std::string_view rule = "no-progress") {
  return MakeWorkerCondemned(Because(rule), specpb::MACHINE, /*replace=*/true, 1);
}
inline eventpb::EventBody DestroyAsked(int attempt = 1) {
  eventpb::DestroyRequested e;
  e.set_instance("i1");
  e.set_attempt(attempt);
  *e.mutable_evidence() = Because("no-progress");
  return Wrap(e);
}
inline eventpb::EventBody DestroyAnsweredWith(eventpb::DestroyAnswered::Answer answer) {
  eventpb::DestroyAnswered e;
  e.set_answer(answer);
  e.set_attempt(1);
  return Wrap(e);
}

inline worker::State NoWorker() {
  worker::State state;
  state.identity.id = WorkerId("k7f2q");
  return state;
}
inline worker::State LaunchingWorker() {
  worker::State state = NoWorker();
  return Given(state, {Wrap(Intent())}, At(0));
}
// Live at At(10).
inline worker::State LiveWorker() {
  worker::State state = LaunchingWorker();
  return Given(state, {Accepted()}, At(10));
}
// Destroying since At(1000), the first call in flight.
inline worker::State DestroyingWorker() {
  worker::State state = LiveWorker();
  return Given(state, {Wrap(Verdict()), DestroyAsked()}, At(1000));
}
inline worker::State EndedWorker() {
  worker::State state = DestroyingWorker();
  eventpb::WorkerEnded e;
  e.set_how(eventpb::WorkerEnded::DESTROYED);
  return Given(state, {Wrap(e)}, At(1100));
}

inline Instance Running() {
  Instance instance;
  instance.id = InstanceId("i1");
  instance.machine = MachineId("5512");
  instance.gpu = GpuName("RTX 3070");
  instance.actual = ActualStatus::kRunning;
  instance.actual_raw = "running";
  instance.intended_raw = "running";
  instance.price = kPrice;
  instance.price_known = true;
  return instance;
}

inline eventpb::LogObserved LogFacts(std::string_view phase, std::int64_t counter = -1) {
  eventpb::LogObserved facts;
  facts.set_phase(std::string(phase));
  facts.set_counter(counter);
  facts.set_total(-1);
  facts.set_step(-1);
  facts.set_rate_per_s(counter >= 0 ? 1.5 : -1);
  return facts;
}

inline specpb::Timers TestTimers() {
  specpb::Timers timers;
  timers.set_boot_s(600);
  timers.set_setup_s(600);
  timers.set_warmup_s(900);
  timers.set_no_progress_s(900);
  timers.set_error_grace_s(300);
  return timers;
}

}  // namespace muster
