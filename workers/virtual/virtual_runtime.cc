#include "workers/virtual/virtual_runtime.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <map>

namespace muster {

// Each waiter parks on a timer of its own that is cancelled either by NotifyAll or by the clock.
class VirtualSignal final : public Signal {
 public:
  explicit VirtualSignal(VirtualRuntime& rt) : rt_(rt) {}
  void NotifyAll() override {
    // In order of arrival, so that one seed gives one run wherever the heap puts the waiters.
    std::map<std::uint64_t, std::shared_ptr<Waiter>> woken;
    woken.swap(waiters_);
    for (const auto& [ticket, waiter] : woken) {
      waiter->notified = true;
      waiter->timer->cancel();
    }
  }
  Task<bool> WaitUntil(absl::Time deadline) override {
    auto waiter = std::make_shared<Waiter>();
    waiter->timer = std::make_shared<asio::steady_timer>(*rt_.io_);
    const std::uint64_t ticket = next_++;
    waiters_.emplace(ticket, waiter);
    VirtualRuntime& rt = rt_;
    co_await rt.Park(deadline, waiter->timer);
    // `this` may be gone once notified; only a waiter that timed out is still registered.
    if (!waiter->notified) waiters_.erase(ticket);
    co_return waiter->notified;
  }

 private:
  struct Waiter {
    std::shared_ptr<asio::steady_timer> timer;
    bool notified = false;
  };
  VirtualRuntime& rt_;
  std::map<std::uint64_t, std::shared_ptr<Waiter>> waiters_;
  std::uint64_t next_ = 0;
};

VirtualRuntime::VirtualRuntime(std::uint64_t seed, absl::Time start) : now_(start), rng_(seed) {}
VirtualRuntime::~VirtualRuntime() { sleepers_.clear(); }

Task<void> VirtualRuntime::Park(absl::Time wake, std::shared_ptr<Timer> timer) {
  timer->expires_at(Timer::time_point::max());
  auto sleeper = sleepers_.end();
  if (wake != absl::InfiniteFuture()) sleeper = sleepers_.emplace(wake, timer);
  const bool listed = sleeper != sleepers_.end();
  asio::error_code ignored;  // always operation_aborted
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (!listed || sleepers_.empty()) co_return;
  // Woken by a signal, not by the clock: leave the list of sleepers.
  const auto [first, last] = sleepers_.equal_range(wake);
  for (auto it = first; it != last; ++it) {
    if (it->second == timer) {
      sleepers_.erase(it);
      co_return;
    }
  }
  std::erase_if(sleepers_, [&](const auto& entry) { return entry.second == timer; });  // stepped
}

void VirtualRuntime::StepClock(absl::Duration step) {
  skew_ += step;
  if (step >= absl::ZeroDuration()) return;
  std::multimap<absl::Time, std::shared_ptr<Timer>> moved;
  for (auto& [wake, timer] : sleepers_) moved.emplace(wake + step, std::move(timer));
  sleepers_ = std::move(moved);
}

Task<void> VirtualRuntime::SleepUntil(absl::Time wake) {
  auto timer = std::make_shared<Timer>(*io_);
  co_await Park(wake, std::move(timer));
}

void VirtualRuntime::Spawn(std::string, Task<void> task) {
  asio::co_spawn(*io_, std::move(task), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
}

void VirtualRuntime::Post(std::function<void()> work) { asio::post(*io_, std::move(work)); }

std::unique_ptr<Signal> VirtualRuntime::MakeSignal() {
  return std::make_unique<VirtualSignal>(*this);
}

void VirtualRuntime::RunUntilIdle() {
  io_->restart();
  io_->poll();
}

bool VirtualRuntime::RunUntil(const std::function<bool()>& done, absl::Duration span_max) {
  const absl::Time end = now_ + span_max;
  while (true) {
    RunUntilIdle();
    if (done()) return true;
    if (sleepers_.empty() || sleepers_.begin()->first - skew_ > end) break;
    const auto next = sleepers_.begin();
    now_ = std::max(now_, next->first - skew_);
    const std::shared_ptr<Timer> timer = next->second;
    sleepers_.erase(next);
    timer->cancel();
  }
  now_ = std::max(now_, end);
  return done();
}

void VirtualRuntime::DestroyTasks() {
  sleepers_.clear();
  // What frames do while they go (notify, post) meets the new context and comes to nothing there.
  std::unique_ptr<asio::io_context> old = std::exchange(io_, std::make_unique<asio::io_context>());
  old.reset();
  sleepers_.clear();
  io_ = std::make_unique<asio::io_context>();
}

void VirtualRuntime::RunFor(absl::Duration span) {
  RunUntil([] { return false; }, span);
}

}  // namespace muster
