// What a question about something that is not there is refused with, by all of QueryApi. Pure.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "queries/read_models.h"

namespace muster::grpc_api {

// Not found, with the fleet that was probably meant.
Status NoSuchFleet(const queries::ReadModels& models, const std::string& fleet, absl::Time now);
// OK for a fleet that was ever applied and for "" (all of them). A filter by a fleet that never was
// would answer with nothing, as if all were well.
Status CheckFleet(const queries::ReadModels& models, const std::string& fleet, absl::Time now);
// The trouble of ReadModels::Worker, in the words of the API.
Status WorkerProblem(const std::string& key, const Status& status);

}  // namespace muster::grpc_api
