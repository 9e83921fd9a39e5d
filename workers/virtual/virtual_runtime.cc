#include "workers/virtual/virtual_runtime.h"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <exception>
#include <limits>
#include <utility>

namespace muster {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

}  // namespace

VirtualRuntime::VirtualRuntime(std::uint64_t seed, absl::Time start)
    : now_(start), rng_(seed), order_rng_(seed ^ 0x0bde7ULL) {}

VirtualRuntime::~VirtualRuntime() { DestroyTasks(); }

absl::Time VirtualRuntime::Now() const { return now_ + ahead_; }

void VirtualRuntime::StepClock(absl::Duration step) {
  ahead_ += step;
  if (step <= absl::ZeroDuration()) return;  // sleepers keep the span they asked for
  BringForward(step);
}

void VirtualRuntime::Arrive(Waiter& waiter, std::unique_ptr<Resumption> resumption,
                            absl::Time wake) {
  if (!closing_) Hold(waiter, std::move(resumption), wake - ahead_);
}

void VirtualRuntime::MakeReady(std::unique_ptr<Resumption> resumption) {
  absl::MutexLock lock(&mutex_);
  ready_.push_back({.resumption = std::move(resumption)});
}

std::optional<VirtualRuntime::Ready> VirtualRuntime::TakeReady() {
  absl::MutexLock lock(&mutex_);
  if (ready_.empty()) return std::nullopt;
  auto chosen = ready_.begin();
  if (order_ == Order::kSeeded && ready_.size() > 1) {
    chosen += static_cast<std::ptrdiff_t>(order_rng_.Below(ready_.size()));
    if (chosen->posted) {
      chosen = std::find_if(ready_.begin(), ready_.end(), [](const Ready& r) { return r.posted; });
    }
  }
  Ready taken = std::move(*chosen);
  ready_.erase(chosen);
  return taken;
}

void VirtualRuntime::Spawn(std::string, Task<void> task) {
  if (closing_) return;
  MakeReady(Resumption::Of([this, task = std::move(task)]() mutable {
    asio::co_spawn(*io_, std::move(task), [](const std::exception_ptr& error) {
      if (error) std::rethrow_exception(error);
    });
  }));
}

void VirtualRuntime::Post(std::function<void()> work) {
  std::unique_ptr<Resumption> resumption = Resumption::Of(std::move(work));
  absl::MutexLock lock(&mutex_);
  ready_.push_back({.resumption = std::move(resumption), .posted = true});
}

bool VirtualRuntime::Drain() {
  while (steps_left_ > 0) {
    std::optional<Ready> next = TakeReady();
    if (!next.has_value()) return true;
    --steps_left_;
    ++steps_;
    next->resumption->Resume();
    // What asio itself has to do: the first step of a task, and its end.
    io_->restart();
    io_->poll();
  }
  return false;
}

void VirtualRuntime::RunUntilIdle() {
  steps_left_ = kNoLimit;
  Drain();
}

bool VirtualRuntime::Advance(const std::function<bool()>& done, absl::Duration span_max) {
  const absl::Time end = now_ + span_max;
  while (true) {
    if (!Drain()) return done();
    if (done()) return true;
    if (sleepers().empty() || sleepers().begin()->first > end) break;
    now_ = std::max(now_, sleepers().begin()->first);
    WakeEarliest();
  }
  now_ = std::max(now_, end);
  return done();
}

bool VirtualRuntime::RunUntil(const std::function<bool()>& done, absl::Duration span_max) {
  steps_left_ = kNoLimit;
  return Advance(done, span_max);
}

void VirtualRuntime::RunSteps(std::uint64_t steps, absl::Duration span_max) {
  steps_left_ = steps;
  Advance([] { return false; }, span_max);
}

void VirtualRuntime::RunFor(absl::Duration span) {
  RunUntil([] { return false; }, span);
}

void VirtualRuntime::DestroyTasks() {
  closing_ = true;
  // What frames do while they go (notify, post, spawn) comes to nothing, and may drop others.
  bool any = true;
  while (any) {
    DropParked();
    while (TakeReady().has_value()) {
    }
    io_->restart();
    any = io_->poll() > 0 || any_parked();
    absl::MutexLock lock(&mutex_);
    any = any || !ready_.empty();
  }
  io_ = std::make_unique<asio::io_context>();
  closing_ = false;
}

}  // namespace muster
