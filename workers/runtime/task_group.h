// TaskGroup: coroutines that are stopped together and waited for together.
//
//   group.Spawn("poll", Poll());            // inside: while (co_await group.Sleep(interval)) ...
//   group.Stop();                           // every Sleep ends at once with false
//   co_await group.Drained();               // none is left
//
// The group must outlive its coroutines: drain it, or end the Runtime first. Reactor thread.
#pragma once

#include <memory>
#include <string>

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
  // Returns when no coroutine of the group runs any more. REQUIRES: not awaited inside the group
  Task<void> Drained();

 private:
  // Shared with the frames, which a Runtime may destroy after the group.
  struct Core;
  static Task<void> Run(std::shared_ptr<Core> core, Task<void> task);

  Runtime& rt_;
  std::shared_ptr<Core> core_;
};

}  // namespace muster
