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
#include <asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
// clang-format off
#include <version>  // first: asio asks it what the standard library has
// clang-format on

#include "eventstore/base/runtime.h"

namespace muster {

class VirtualRuntime final : public Runtime {
 public:
  explicit VirtualRuntime(std::uint64_t seed,
                          absl::Time start = absl::FromUnixSeconds(1'790'000'000));
  ~VirtualRuntime() override;

  absl::Time Now() const override { return now_ + skew_; }
  absl::Time Steady() const override { return now_; }
  Task<void> SleepUntil(absl::Time wake) override;
  void Spawn(std::string name, Task<void> task) override;
  void Post(std::function<void()> work) override;
  std::unique_ptr<Signal> MakeSignal() override;
  Rng& rng() override { return rng_; }

  // Runs everything due up to now + span, moving time from wake-up to wake-up.
  void RunFor(absl::Duration span);
  // As RunFor, but stops as soon as `done` says so; false when the span ended first.
  bool RunUntil(const std::function<bool()>& done, absl::Duration span_max);
  // Runs what can run without time moving.
  void RunUntilIdle();
  // Destroys every task where it waits, as a crash would; what they refer to must still live. The
  // runtime is as new afterwards, but for its time and its chance.
  void DestroyTasks();
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
  friend class VirtualSignal;
  using Timer = asio::steady_timer;
  Task<void> Park(absl::Time wake, std::shared_ptr<Timer> timer);

  std::unique_ptr<asio::io_context> io_ = std::make_unique<asio::io_context>();
  absl::Time now_;
  absl::Duration skew_;
  Rng rng_;
  // Sleepers by wake time, then in order of arrival. Cancelling the timer wakes the sleeper.
  std::multimap<absl::Time, std::shared_ptr<Timer>> sleepers_;
};

}  // namespace muster
