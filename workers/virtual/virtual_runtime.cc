#include "workers/virtual/virtual_runtime.h"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <limits>
#include <utility>
#include <vector>

namespace muster {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

}  // namespace

// Something that can go on. Destroying that of a coroutine without Resume destroys its frames.
struct VirtualRuntime::Resumption {
  virtual ~Resumption() = default;
  virtual void Resume() = 0;

  template <class F>
  static std::unique_ptr<Resumption> Of(F f) {
    struct Holder final : Resumption {
      explicit Holder(F held) : value(std::move(held)) {}
      void Resume() override { std::move(value)(); }
      F value;
    };
    return std::make_unique<Holder>(std::move(f));
  }
};

// Lives in the frame of the coroutine that waits, so it takes itself off every list when that
// frame is destroyed, woken or not.
struct VirtualRuntime::Waiter {
  explicit Waiter(VirtualRuntime& runtime) : rt(runtime) {}
  Waiter(const Waiter&) = delete;
  ~Waiter() { Unpark(); }

  void Unpark() {
    if (!parked) return;
    parked = false;
    (previous != nullptr ? previous->next : rt.parked_) = next;
    if (next != nullptr) next->previous = previous;
    if (sleeper.has_value()) rt.sleepers_.erase(*sleeper);
    sleeper.reset();
  }

  VirtualRuntime& rt;
  std::unique_ptr<Resumption> resumption;
  bool parked = false;
  Waiter* previous = nullptr;
  Waiter* next = nullptr;
  std::optional<Sleepers::iterator> sleeper;
};

// The list of waiters is shared with their frames: either side may go first.
class VirtualSignal final : public Signal {
 public:
  explicit VirtualSignal(VirtualRuntime& rt) : rt_(rt) {}

  void NotifyAll() override {
    std::vector<Listed*> waiting;
    waiting.swap(list_->waiting);
    for (Listed* listed : waiting) {
      listed->notified = true;
      rt_.Wake(listed->waiter);
    }
  }

  Task<bool> WaitUntil(absl::Time deadline) override {
    VirtualRuntime& rt = rt_;
    Listed listed(rt, list_);
    co_await rt.Park(listed.waiter, deadline);
    co_return listed.notified;
  }

 private:
  struct Listed;
  struct List {
    std::vector<Listed*> waiting;
  };
  struct Listed {
    Listed(VirtualRuntime& rt, std::shared_ptr<List> in) : waiter(rt), list(std::move(in)) {
      list->waiting.push_back(this);
    }
    ~Listed() {
      if (!notified) std::erase(list->waiting, this);
    }
    VirtualRuntime::Waiter waiter;
    std::shared_ptr<List> list;
    bool notified = false;
  };

  VirtualRuntime& rt_;
  std::shared_ptr<List> list_ = std::make_shared<List>();
};

VirtualRuntime::VirtualRuntime(std::uint64_t seed, absl::Time start)
    : now_(start), rng_(seed), order_rng_(seed ^ 0x0bde7ULL) {}

VirtualRuntime::~VirtualRuntime() { DestroyTasks(); }

absl::Time VirtualRuntime::Now() const { return now_ + ahead_; }

void VirtualRuntime::StepClock(absl::Duration step) {
  ahead_ += step;
  if (step <= absl::ZeroDuration()) return;  // sleepers keep the span they asked for
  Sleepers earlier;
  for (const auto& [wake, waiter] : sleepers_) {
    waiter->sleeper = earlier.emplace(wake - step, waiter);
  }
  sleepers_.swap(earlier);
}

Task<void> VirtualRuntime::Park(Waiter& waiter, absl::Time wake) {
  auto park = [this, &waiter, wake](auto handler) {
    auto resumption = Resumption::Of(std::move(handler));
    if (closing_) return;  // drops the handler, and the frames with it
    waiter.resumption = std::move(resumption);
    waiter.parked = true;
    waiter.next = std::exchange(parked_, &waiter);
    if (waiter.next != nullptr) waiter.next->previous = &waiter;
    if (wake == absl::InfiniteFuture()) return;
    waiter.sleeper = sleepers_.emplace(wake - ahead_, &waiter);
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(park, asio::use_awaitable);
}

void VirtualRuntime::Wake(Waiter& waiter) {
  if (!waiter.parked) return;  // its deadline came in this very turn
  waiter.Unpark();
  MakeReady(std::move(waiter.resumption));
}

void VirtualRuntime::MakeReady(std::unique_ptr<Resumption> resumption, bool posted) {
  absl::MutexLock lock(&mutex_);
  ready_.push_back({std::move(resumption), posted});
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

Task<void> VirtualRuntime::SleepUntil(absl::Time wake) {
  Waiter waiter(*this);
  co_await Park(waiter, wake);
}

void VirtualRuntime::Spawn(std::string, Task<void> task) {
  if (closing_) return;
  MakeReady(Resumption::Of([this, task = std::move(task)]() mutable {
    asio::co_spawn(*io_, std::move(task), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
  }));
}

void VirtualRuntime::Post(std::function<void()> work) {
  MakeReady(Resumption::Of(std::move(work)), /*posted=*/true);
}

std::unique_ptr<Signal> VirtualRuntime::MakeSignal() {
  return std::make_unique<VirtualSignal>(*this);
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
    if (sleepers_.empty() || sleepers_.begin()->first > end) break;
    now_ = std::max(now_, sleepers_.begin()->first);
    Wake(*sleepers_.begin()->second);
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
    while (parked_ != nullptr) {
      Waiter& waiter = *parked_;
      waiter.Unpark();
      const std::unique_ptr<Resumption> dropped = std::move(waiter.resumption);
    }
    while (TakeReady().has_value()) {
    }
    io_->restart();
    any = io_->poll() > 0 || parked_ != nullptr;
    absl::MutexLock lock(&mutex_);
    any = any || !ready_.empty();
  }
  io_ = std::make_unique<asio::io_context>();
  closing_ = false;
}

}  // namespace muster
