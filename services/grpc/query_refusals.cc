#include "services/grpc/query_refusals.h"

#include <vector>

#include "services/files/problems.h"
#include "services/grpc/errors.h"

namespace muster::grpc_api {

Status NoSuchFleet(const queries::ReadModels& models, const std::string& fleet, absl::Time now) {
  std::vector<std::string> names;
  for (const queries::FleetStatus& each : models.Fleets(now, /*include_ended=*/true)) {
    names.push_back(each.name.str());
  }
  const std::string near = NearestWord(fleet, names);
  return Refusal(StatusCode::kNotFound, "FLEET_NOT_FOUND",
                 Cat("there is no fleet \"", fleet, "\"",
                     near.empty() ? "" : Cat("; did you mean ", near, "?")),
                 {{"fleet", fleet}, {"next", "muster status --all lists the fleets there are"}});
}

Status CheckFleet(const queries::ReadModels& models, const std::string& fleet, absl::Time now) {
  if (fleet.empty() || models.HasFleet(FleetName(fleet))) return absl::OkStatus();
  return NoSuchFleet(models, fleet, now);
}

Status WorkerProblem(const std::string& key, const Status& status) {
  const bool several = status.code() == StatusCode::kFailedPrecondition;
  return Refusal(several ? StatusCode::kInvalidArgument : status.code(),
                 several ? "AMBIGUOUS" : "WORKER_NOT_FOUND", Message(status), {{"worker", key}});
}

}  // namespace muster::grpc_api
