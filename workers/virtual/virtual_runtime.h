// VirtualRuntime: time moves only when nothing can run, so hours pass in milliseconds, always the
// same way from one seed.
//
//   VirtualRuntime rt(/*seed=*/1);
//   rt.Spawn("test", Body());
//   rt.RunFor(absl::Hours(3));
//
// Single-threaded, but Post may be called from any thread (RunUntilIdle picks it up).
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
// clang-format off
#include <version>  // first: asio asks it what the standard library has
// clang-format on

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/base/parking_runtime.h"

namespace muster {

class VirtualRuntime final : public ParkingRuntime {
 public:
  // Who goes on first when several coroutines can: who became ready first, as OsRuntime has it, or
  // one drawn from the seed, so that nothing comes to rely on the former. What was posted keeps its
  // own order in both.
  enum class Order { kArrival, kSeeded };

  explicit VirtualRuntime(std::uint64_t seed,
                          absl::Time start = absl::FromUnixSeconds(1'790'000'000));
  ~VirtualRuntime() override;

  absl::Time Now() const override;
  absl::Time Steady() const override { return now_; }
  void Spawn(std::string name, Task<void> task) override;
  void Post(std::function<void()> work) override;
  Rng& rng() override { return rng_; }

  void SetOrder(Order order) { order_ = order; }

  // Runs everything due up to now + span, moving time from wake-up to wake-up.
  void RunFor(absl::Duration span);
  // As RunFor, but stops as soon as `done` says so; false when the span ended first. `done` is
  // asked whenever nothing can run.
  bool RunUntil(const std::function<bool()>& done, absl::Duration span_max);
  // As RunFor, but stops after `steps` steps, with whatever can run then left standing: a step
  // takes one coroutine from where it waited to where it waits next.
  void RunSteps(std::uint64_t steps, absl::Duration span_max);
  // Runs what can run without time moving.
  void RunUntilIdle();
  // From within a step: the Run... under way returns before the next one.
  void Halt() { steps_left_ = 0; }
  std::uint64_t steps() const { return steps_; }

  // Destroys every task where it waits, as a crash would; what they refer to must still live. The
  // runtime is as new afterwards, but for its time and its chance.
  void DestroyTasks();

  // What Now() would be had nobody set the clock: never steps.
  absl::Time TrueNow() const { return now_; }
  // Makes the wall clock step (forwards or backwards) without anything waking up at once. As with
  // the real clock, a step backwards does not prolong the sleep of those who sleep already.
  void StepClock(absl::Duration step);
  // The machine sleeps for `span`: the world goes on, nothing here does, and both clocks know.
  void Suspend(absl::Duration span) { now_ += span; }

  // Runs `task` to its end and returns its value. Fails the program after an hour of virtual time.
  template <class T>
  T Run(Task<T> task) {
    std::optional<T> result;
    Spawn("run", [](Task<T> inner, std::optional<T>* out) -> Task<void> {
      *out = co_await std::move(inner);
    }(std::move(task), &result));
    RunUntil([&] { return result.has_value(); }, absl::Hours(1));
    return std::move(result).value();
  }

 private:
  struct Ready {
    std::unique_ptr<Resumption> resumption;
    bool posted = false;
  };

  void Arrive(Waiter& waiter, std::unique_ptr<Resumption> resumption, absl::Time wake) override;
  void MakeReady(std::unique_ptr<Resumption> resumption) override;
  std::optional<Ready> TakeReady();
  // Runs what is ready; false when that was halted.
  bool Drain();
  bool Advance(const std::function<bool()>& done, absl::Duration span_max);

  std::unique_ptr<asio::io_context> io_ = std::make_unique<asio::io_context>();
  absl::Time now_;
  absl::Duration ahead_;  // of the wall clock, by all steps so far
  Rng rng_, order_rng_;
  Order order_ = Order::kArrival;
  std::uint64_t steps_ = 0;
  std::uint64_t steps_left_ = 0;  // of the Run... under way
  bool closing_ = false;

  absl::Mutex mutex_;
  std::deque<Ready> ready_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster
