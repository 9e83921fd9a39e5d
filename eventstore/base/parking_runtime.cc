#include "eventstore/base/parking_runtime.h"

#include <asio/use_awaitable.hpp>
#include <vector>

namespace muster {

// Lives in the frame of the coroutine that waits.
struct ParkingRuntime::Waiter {
  explicit Waiter(ParkingRuntime& runtime) : rt(runtime) {}
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

  ParkingRuntime& rt;
  std::unique_ptr<Resumption> resumption;
  bool parked = false;
  Waiter* previous = nullptr;
  Waiter* next = nullptr;
  std::optional<Sleepers::iterator> sleeper;
};

// The list of waiters is shared with their frames: either side may go first.
class ParkingSignal final : public Signal {
 public:
  explicit ParkingSignal(ParkingRuntime& rt) : rt_(rt) {}

  void NotifyAll() override {
    std::vector<Listed*> waiting;
    waiting.swap(list_->waiting);
    for (Listed* listed : waiting) {
      listed->notified = true;
      rt_.Wake(listed->waiter);
    }
  }

  Task<bool> WaitUntil(absl::Time deadline) override {
    ParkingRuntime& rt = rt_;
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
    Listed(ParkingRuntime& rt, std::shared_ptr<List> in) : waiter(rt), list(std::move(in)) {
      list->waiting.push_back(this);
    }
    ~Listed() {
      if (!notified) std::erase(list->waiting, this);
    }
    ParkingRuntime::Waiter waiter;
    std::shared_ptr<List> list;
    bool notified = false;
  };

  ParkingRuntime& rt_;
  std::shared_ptr<List> list_ = std::make_shared<List>();
};

Task<void> ParkingRuntime::SleepUntil(absl::Time wake) {
  Waiter waiter(*this);
  co_await Park(waiter, wake);
}

std::unique_ptr<Signal> ParkingRuntime::MakeSignal() {
  return std::make_unique<ParkingSignal>(*this);
}

Task<void> ParkingRuntime::Park(Waiter& waiter, absl::Time wake) {
  auto park = [this, &waiter, wake](auto handler) {
    Arrive(waiter, Resumption::Of(std::move(handler)), wake);
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(park, asio::use_awaitable);
}

void ParkingRuntime::Hold(Waiter& waiter, std::unique_ptr<Resumption> resumption, absl::Time wake) {
  waiter.resumption = std::move(resumption);
  waiter.parked = true;
  waiter.next = std::exchange(parked_, &waiter);
  if (waiter.next != nullptr) waiter.next->previous = &waiter;
  if (wake != absl::InfiniteFuture()) waiter.sleeper = sleepers_.emplace(wake, &waiter);
}

void ParkingRuntime::Wake(Waiter& waiter) {
  if (!waiter.parked) return;  // its deadline came in this very turn
  waiter.Unpark();
  MakeReady(std::move(waiter.resumption));
}

void ParkingRuntime::WakeEarliest() { Wake(*sleepers_.begin()->second); }

void ParkingRuntime::BringForward(absl::Duration span) {
  Sleepers earlier;
  for (const auto& [wake, waiter] : sleepers_) {
    waiter->sleeper = earlier.emplace(wake - span, waiter);
  }
  sleepers_.swap(earlier);
}

void ParkingRuntime::DropParked() {
  while (parked_ != nullptr) {
    Waiter& waiter = *parked_;
    waiter.Unpark();
    const std::unique_ptr<Resumption> dropped = std::move(waiter.resumption);
  }
}

}  // namespace muster
