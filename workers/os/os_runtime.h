// OsRuntime: the Runtime of the daemon: the real clock, real chance, one reactor thread.
//
//   OsRuntime rt;
//   rt.OnSignal(SIGTERM, [&] { rt.Stop(); });
//   rt.Spawn("main", Main(rt));
//   rt.Run();           // the calling thread is the reactor until Stop
//   rt.DestroyTasks();  // while what the tasks refer to still lives
//
// Reactor thread, except Now, Post, Stop and lag. Owns the frames of all spawned tasks.
#pragma once

// clang-format off
#include <version>  // first: asio asks it what the standard library has
// clang-format on

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "eventstore/base/check.h"
#include "eventstore/base/parking_runtime.h"
#include "workers/os/reactor_lag.h"

namespace muster {

class OsRuntime final : public ParkingRuntime {
 public:
  struct Options {
    // Now() runs this much faster than the real clock, and sleeps shrink by it. For demonstrations.
    double speed = 1;
    // Of rng(); from the operating system when absent.
    std::optional<std::uint64_t> seed;
    // The longest the reactor sleeps without looking at the wall clock again.
    absl::Duration recheck = absl::Milliseconds(250);
    // The wall clock; absl::Now when empty. Tests make it step.
    std::function<absl::Time()> wall_clock;
  };

  OsRuntime();
  explicit OsRuntime(Options options);
  ~OsRuntime() override;
  OsRuntime(const OsRuntime&) = delete;
  OsRuntime& operator=(const OsRuntime&) = delete;

  // The wall clock, scaled by `speed`. Follows steps of the real clock within `recheck` while the
  // reactor runs (at speed 1): after a step forwards, whoever is due wakes at once; after a step
  // backwards every sleeper still wakes after the real span it asked for, when Now() may read less
  // than its `wake`. A clock set back an hour must not stop all pollers for an hour.
  absl::Time Now() const override;
  // Scaled by `speed`, counted from the wall clock at the start.
  absl::Time Steady() const override;
  void Spawn(std::string name, Task<void> task) override;
  void Post(std::function<void()> work) override;
  Rng& rng() override { return rng_; }

  // Makes the calling thread the reactor until Stop. May be called again afterwards.
  void Run();
  // Makes Run return soon; tasks stay as they are. Any thread.
  void Stop();
  // Runs the reactor for `span` of this runtime's time.
  void RunFor(absl::Duration span);
  // Runs `task` to its end on the calling thread and returns its value. Not from inside a task.
  template <class T>
  T BlockOn(Task<T> task) {
    std::optional<T> result;
    Spawn("block-on", Keep(std::move(task), &result));
    while (!result.has_value()) RunOne();
    return *std::move(result);
  }
  // Destroys the frames of all tasks, wherever they wait, innermost first. Afterwards Spawn and
  // Post drop what they are given. Called by the destructor too, but whoever owns what the tasks
  // refer to calls it earlier. REQUIRES: Run is not running.
  void DestroyTasks();

  // Calls `callback` on the reactor for each delivery of `signal_number` while the reactor runs.
  void OnSignal(int signal_number, std::function<void()> callback);

  const ReactorLag& lag() const { return lag_; }
  // `span` of this runtime's time as real time, for timers that are not ours (curl's).
  absl::Duration RealSpan(absl::Duration span) const { return span / options_.speed; }
  // For workers/os only.
  asio::io_context& context() { return io_; }

 private:
  template <class T>
  static Task<void> Keep(Task<T> task, std::optional<T>* out) {
    *out = co_await std::move(task);
  }

  absl::Duration step() const {
    return absl::Nanoseconds(step_ns_.load(std::memory_order_relaxed));
  }
  void FollowWallClock();
  Task<void> Enter(Task<void> task);
  void Arrive(Waiter& waiter, std::unique_ptr<Resumption> resumption, absl::Time wake) override;
  void MakeReady(std::unique_ptr<Resumption> resumption) override;
  void Drain();
  void PostDrain();
  void NoteLag();
  void Tick();
  void ArmTick();
  void RunOne();
  void Listen(asio::signal_set& signals, std::function<void()> callback);

  const Options options_;
  const absl::Time start_wall_;
  const absl::Duration start_steady_;
  std::atomic<std::int64_t> step_ns_{0};  // how far the wall clock stepped from Steady()
  Rng rng_;
  ReactorLag lag_;
  bool closing_ = false;
  bool draining_ = false;  // a Drain is posted
  asio::io_context io_;
  asio::steady_timer tick_{io_};
  std::map<int, std::unique_ptr<asio::signal_set>> signals_;
  std::deque<std::unique_ptr<Resumption>> ready_;
};

}  // namespace muster
