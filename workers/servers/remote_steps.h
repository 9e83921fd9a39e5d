// RemoteSteps: what is done inside the rescue system: INSPECT and PREPARE, and the plans of PREPARE
// and BOOT, which are functions of the log's state. Internal to workers/servers. Reactor thread.
#pragma once

#include "workers/servers/boot_steps.h"
#include "workers/servers/remote/install.h"

namespace muster {

// Errors as remote::PlanPrepare; kFailedPrecondition too when nothing was inspected.
StatusOr<remote::InstallPlan> PlanOfPrepare(const ServerContext& context,
                                            const server::State& state);
StatusOr<remote::InstallPlan> PlanOfBoot(const ServerContext& context, const server::State& state);

// Runs `commands` with the server's own secrets; what failed becomes a step's end.
Task<StepEnd> RunPlanned(ServerContext& context, ServerId id, SshSession& session,
                         std::vector<remote::RemoteCommand> commands);

Task<StepEnd> RunInspect(ServerContext& context, ServerId id);
// Wipes the disks that the step's intent names, and no others: the plan made now must still be the
// one that was agreed to.
Task<StepEnd> RunPrepare(ServerContext& context, ServerId id);

}  // namespace muster
