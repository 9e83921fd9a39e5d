// The worker an operator means. Pure.
#pragma once

#include <string_view>

#include "commands/world.h"
#include "eventstore/base/status.h"

namespace muster::grpc_api {

// `key`: id, unique prefix of it, label, instance id, or FLEET/INDEX, among open workers.
//
// kNotFound         nobody is called so (reason WORKER_NOT_FOUND)
// kInvalidArgument  several are (reason AMBIGUOUS); the message names them
StatusOr<WorkerId> LookUpWorker(const World& world, std::string_view key);

}  // namespace muster::grpc_api
