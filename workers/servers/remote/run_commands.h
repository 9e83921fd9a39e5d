// RunCommands: carries out a list of RemoteCommands over one SSH session, one after the other.
//
//   co_await RunCommands(*session, plan.commands, ports, [](const RemoteProgress& p) {...});
//
// Reactor thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/runtime.h"
#include "eventstore/base/status.h"
#include "workers/ports/ssh.h"
#include "workers/servers/remote/remote_command.h"

namespace muster::remote {

using RemoteInput = SshInput;

struct RemotePorts {
  Runtime& rt;
  // Paints over what must not be seen (Secrets::Mask).
  std::function<std::string(std::string_view)> mask;
  // The value of an input_secret. Its user makes sure that `mask` knows it.
  std::function<StatusOr<std::string>(const std::string& name)> secret;
  // Opens an input_file (OpenFileInput).
  std::function<StatusOr<RemoteInput>(const std::string& path)> open;
};

struct RemoteProgress {
  std::size_t index = 0;  // of the command, from 0
  std::size_t count = 0;
  std::string name;
  enum class State { kStarted, kMoved, kDone } state = State::kStarted;
  std::int64_t bytes_taken = 0;  // of its input, so far
  std::int64_t bytes_total = 0;  // of its input; 0 = none, or nobody knows
  absl::Duration took;           // kDone
};

// Returns how each ended, in order; fewer than `commands` when one of them said that all was done
// before (kExitDone). `progress` may be null. What `ports` refers to must outlive the task.
//
// kFailedPrecondition  a command refused: the machine is not as the plan says. Nothing of that
//                      command was done, and none after it ran: inspect and plan again
// kAborted             a command failed, as the message says: mend the cause; the plan may be run
//                      again from its start
// kUnavailable, kDeadlineExceeded, kUnknown
//                      as SshSession::Run: connect again and run the plan again from its start;
//                      what still goes on over there is waited for by the commands themselves
// others               from `ports`: nothing was sent of the command that wanted it
Task<StatusOr<std::vector<RemoteOutcome>>> RunCommands(
    SshSession& session, std::vector<RemoteCommand> commands, const RemotePorts& ports,
    std::function<void(const RemoteProgress&)> progress);

}  // namespace muster::remote
