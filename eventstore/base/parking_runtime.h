// ParkingRuntime: the part of a Runtime that keeps the coroutines that wait: for a time, for a
// Signal, or for whichever comes first. Runtimes derive from it and say when each goes on; on what
// thread, and by which clock, is theirs.
//
// A frame that waits holds its own place here and takes it off every list when it is destroyed,
// woken or not. Reactor thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "eventstore/base/runtime.h"

namespace muster {

class ParkingRuntime : public Runtime {
 public:
  Task<void> SleepUntil(absl::Time wake) final;
  std::unique_ptr<Signal> MakeSignal() final;

 protected:
  // Something that can go on. Destroying that of a coroutine without Resume destroys its frames.
  struct Resumption {
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
  struct Waiter;
  using Sleepers = std::multimap<absl::Time, Waiter*>;

  // A coroutine is about to wait until `wake` by Now(): Hold it, or make it ready at once.
  // Dropping `resumption` destroys the frames of the coroutine, `waiter` among them.
  virtual void Arrive(Waiter& waiter, std::unique_ptr<Resumption> resumption, absl::Time wake) = 0;
  virtual void MakeReady(std::unique_ptr<Resumption> resumption) = 0;

  // `wake` is by the clock that never steps; InfiniteFuture: until a Signal.
  void Hold(Waiter& waiter, std::unique_ptr<Resumption> resumption, absl::Time wake);
  // REQUIRES: there is a sleeper
  void WakeEarliest();
  // Lets every sleeper wake so much earlier.
  void BringForward(absl::Duration span);
  // Destroys the frames of all that wait. Some may arrive meanwhile.
  void DropParked();

  bool any_parked() const { return parked_ != nullptr; }
  // Those with a deadline, by the clock that never steps, then in order of arrival.
  const Sleepers& sleepers() const { return sleepers_; }

 private:
  friend class ParkingSignal;
  Task<void> Park(Waiter& waiter, absl::Time wake);
  void Wake(Waiter& waiter);

  Waiter* parked_ = nullptr;  // head of the list of all that wait
  Sleepers sleepers_;
};

}  // namespace muster
