// TaskGroup: coroutines that are stopped together and waited for together.
//
//   group.Spawn("poll", Poll());            // inside: while (co_await group.Sleep(interval)) ...
//   group.Stop();                           // every Sleep ends at once with false
//   co_await group.Drained();               // none is left
//
// The group must outlive its coroutines, save those that are away: drain it, or end the Runtime
// first. Reactor thread.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "eventstore/base/runtime.h"

namespace muster {

class TaskGroup {
 public:
  explicit TaskGroup(Runtime& rt);

  // Runs `task` beside the caller; a stopping group takes no more and drops it unstarted.
  void Spawn(std::string name, Task<void> task);
  // True after `span`; false as soon as the group stops. Wakes early, with true, on Nudge.
  Task<bool> Sleep(absl::Duration span);
  // Ends every Sleep of now with true: there is news worth looking at before time.
  void Nudge();
  void Stop();
  bool stopping() const;
  int running() const;
  // Awaits `call`, which changes nothing and may hang, so Drained does not wait for it. Who comes
  // back to a group that is stopping ends at once and touches nothing that it does not keep alive.
  template <class T>
  Task<T> Away(Task<T> call) {
    const Absence absence(core_);
    T result = co_await std::move(call);
    co_return result;
  }
  // Returns when no coroutine of the group runs any more, save those that are away; these end when
  // their calls do, or with the Runtime's tasks. REQUIRES: not awaited inside the group
  Task<void> Drained();

 private:
  // Shared with the frames, which a Runtime may destroy after the group.
  struct Core;
  class Absence {
   public:
    explicit Absence(std::shared_ptr<Core> core);
    Absence(const Absence&) = delete;
    ~Absence();

   private:
    const std::shared_ptr<Core> core_;
  };
  static Task<void> Run(std::shared_ptr<Core> core, Task<void> task);

  Runtime& rt_;
  std::shared_ptr<Core> core_;
};

}  // namespace muster
