// BootSteps: the steps that end with another system running: RESCUE and BOOT.
//
// Each is carried out from wherever the log and the machine say that it stands: a reset is never
// asked for while one is on its way, and a system counts as up only once it has proved its key.
// Internal to workers/servers. Reactor thread.
#pragma once

#include "workers/servers/server_context.h"

namespace muster {

// How a step ended; what a step returns to whoever runs it (step_runner.h).
struct StepEnd {
  Status status;           // OK = done
  server::StepDone done;   // when OK
  bool transient = false;  // when not: may be asked for again as it is
  std::string next;        // when not: what can be done
  std::string build;       // when not, of VALIDATE: the build that failed
};
StepEnd FailStep(Status status, bool transient, std::string next);

// The key of the order lets the rescue system's user in; the machine is reset, unless it was
// already since this step was asked for, and is waited for until its new keys are published and one
// of them is proved.
Task<StepEnd> RunRescue(ServerContext& context, ServerId id);

// Boot loaders and checks, then the reboot, then the installed system's own key.
Task<StepEnd> RunBoot(ServerContext& context, ServerId id);

}  // namespace muster
