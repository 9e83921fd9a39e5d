// Runtime: time, chance and concurrency, as seen by everything that is not pure.
//
// Two implementations: OsRuntime (workers/os), and VirtualRuntime (workers/virtual), where time
// moves only when nothing can run, so hours pass in milliseconds from one seed.
//
// All methods are for the reactor thread unless said otherwise.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/rng.h"
#include "eventstore/base/task.h"

namespace muster {

// Signal: wakes the coroutines that wait for it. It has no memory: the waiter checks its own
// condition before and after. Made by Runtime::MakeSignal; must not outlive the Runtime.
class Signal {
 public:
  virtual ~Signal() = default;
  // Wakes all who wait now.
  virtual void NotifyAll() = 0;
  // True when notified, false when `deadline` came first. The Signal may be destroyed by whoever
  // is woken, but not while someone still waits.
  virtual Task<bool> WaitUntil(absl::Time deadline) = 0;
};

class Runtime {
 public:
  virtual ~Runtime() = default;

  // The wall clock. It may step backwards; compare with care, store as evidence. Any thread.
  virtual absl::Time Now() const = 0;
  // Never steps: for spans within this process. Goes on while the machine is suspended. Where it
  // stands says nothing, and nothing of it is stored. Any thread.
  virtual absl::Time Steady() const = 0;
  // Returns at or after `wake`; at once (but after others had a turn) when that has passed.
  virtual Task<void> SleepUntil(absl::Time wake) = 0;
  // Runs `task` beside the caller. `name` is for traces. What the task's frame refers to must
  // outlive it or the Runtime. An exception that leaves the task ends the program.
  virtual void Spawn(std::string name, Task<void> task) = 0;
  // Runs `work` on the reactor thread. Any thread.
  virtual void Post(std::function<void()> work) = 0;
  virtual std::unique_ptr<Signal> MakeSignal() = 0;
  virtual Rng& rng() = 0;

  Task<void> SleepFor(absl::Duration span) { return SleepUntil(Now() + span); }
};

// Promise: one value handed to one waiting coroutine. Set may come before or after Take.
// Both on the reactor thread; from elsewhere go through Runtime::Post.
template <class T>
class Promise {
 public:
  explicit Promise(Runtime& rt) : signal_(rt.MakeSignal()) {}
  void Set(T value) {
    value_ = std::move(value);
    signal_->NotifyAll();
  }
  Task<T> Take() {
    while (!value_.has_value()) co_await signal_->WaitUntil(absl::InfiniteFuture());
    co_return *std::move(value_);
  }

 private:
  std::optional<T> value_;
  std::unique_ptr<Signal> signal_;
};

// AsyncMutex: one coroutine at a time, first come first served.
//   auto lock = co_await mutex.Lock();
class AsyncMutex {
 public:
  explicit AsyncMutex(Runtime& rt) : signal_(rt.MakeSignal()) {}
  class Held {
   public:
    explicit Held(AsyncMutex* mutex) : mutex_(mutex) {}
    Held(Held&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (mutex_ == nullptr) return;
      ++mutex_->serving_;
      mutex_->signal_->NotifyAll();
    }

   private:
    AsyncMutex* mutex_;
  };
  Task<Held> Lock() {
    const std::uint64_t ticket = next_++;
    while (ticket != serving_) co_await signal_->WaitUntil(absl::InfiniteFuture());
    co_return Held(this);
  }

 private:
  std::unique_ptr<Signal> signal_;
  std::uint64_t next_ = 0;
  std::uint64_t serving_ = 0;
};

// Runs all of `tasks` beside each other and returns when the last has ended.
Task<void> WhenAll(Runtime& rt, std::vector<Task<void>> tasks);

}  // namespace muster
