#include "workers/effects/effect_context.h"

#include <utility>

#include "workers/runtime/tell.h"

namespace muster {

Task<Status> EffectContext::Tell(WorkerId worker, worker::Command command, std::string cause) {
  return TellUntilTaken(group, [this, worker = std::move(worker), command = std::move(command),
                                cause = std::move(cause)] {
    Origin origin{.actor = "effects"};
    origin.cause = cause;
    return link.handler.Worker(worker, command, std::move(origin));
  });
}

}  // namespace muster
