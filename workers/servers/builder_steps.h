// BuilderSteps: what makes an installed server a builder of Nix: REGISTER, VALIDATE, UNREGISTER,
// and the machines file that follows from them. Internal to workers/servers. Reactor thread.
#pragma once

#include "workers/servers/boot_steps.h"

namespace muster {

// The line as its file, its address and the key it has proved make it.
StatusOr<std::string> LineOf(const ServerContext& context, const server::State& state);

Task<StepEnd> RunRegister(ServerContext& context, ServerId id);
// A fresh build through the line that was written, announced in the log under an id of its own. A
// failure takes the line out of the file.
Task<StepEnd> RunValidate(ServerContext& context, ServerId id, std::string cause);
Task<StepEnd> RunUnregister(ServerContext& context, ServerId id);

// Writes the machines file anew when it does not say what the log says. What cannot be written is
// logged, and written with the next change or start.
void KeepMachinesFile(ServerContext& context);

}  // namespace muster
