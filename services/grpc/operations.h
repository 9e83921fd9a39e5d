// Operations: long work by a name that says what to look for in the log.
//
// "operations/apply.zeb.48211" is the FleetApplied at position 48211 and everything that follows
// from it. Nothing is kept for an operation: how far it is follows from the read models, so it can
// be asked for after a restart, from any server, for ever. Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "eventstore/event_store.h"
#include "muster/api/v1/types.pb.h"
#include "queries/read_models.h"

namespace muster::grpc_api {

namespace api = ::muster::api::v1;

struct OperationId {
  std::string method;   // "apply", "scale", "down", "replace", "destroy", "adopt"
  std::string subject;  // fleet, or worker for replace and destroy
  Position position = 0;
};
std::string NameOf(const OperationId& id);
// kInvalidArgument  not a name of ours
StatusOr<OperationId> ParseOperation(std::string_view name);

// How far `id` is now.
// kNotFound  no such fleet or worker
StatusOr<api::Operation> Look(const OperationId& id, const queries::ReadModels& models,
                              absl::Time now);

}  // namespace muster::grpc_api
