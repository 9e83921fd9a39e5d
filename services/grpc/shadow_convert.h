// From a shadow's book to the report that clients see. Pure.
#pragma once

#include "commands/world.h"
#include "muster/api/v1/shadow.pb.h"

namespace muster::grpc_api {

namespace api = ::muster::api::v1;

// Of a running one as of `now`; of one that has ended, as it ended. REQUIRES: `world` has `shadow`.
api::Shadow ToShadow(const World& world, const shadow::State& shadow, absl::Time now);

}  // namespace muster::grpc_api
