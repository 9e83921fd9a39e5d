// Telling the log what came of an intent.
#pragma once

#include "commands/handler/handler.h"
#include "workers/runtime/task_group.h"

namespace muster {

inline constexpr absl::Duration kStoreRetry = absl::Seconds(5);

// Calls `write`, which gives a command to the Handler. The answer that is told exists nowhere else,
// so a store that hiccups is asked again until it takes it or `group` stops (then the intent is
// unclear after a restart). A refusal is final: the stream moved on. Reactor thread.
template <class Write>
Task<Status> TellUntilTaken(TaskGroup& group, Write write) {
  while (true) {
    const StatusOr<Outcome> outcome = co_await write();
    const StatusCode code = outcome.status().code();
    if (code != StatusCode::kUnavailable && code != StatusCode::kResourceExhausted) {
      co_return outcome.status();
    }
    const bool going = co_await group.Sleep(kStoreRetry);
    if (!going) co_return outcome.status();
  }
}

}  // namespace muster
