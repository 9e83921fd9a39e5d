#include "services/grpc/operations.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/grpc/errors.h"

namespace muster::grpc_api {
namespace {

constexpr std::string_view kPrefix = "operations/";

bool OfWorker(const OperationId& id) { return id.method == "replace" || id.method == "destroy"; }

void LookAtFleet(const OperationId& id, const queries::FleetStatus& fleet, api::Operation& out) {
  if (id.method == "down") {
    const int left = fleet.have + fleet.destroying;
    out.set_done(fleet.ended);
    out.set_progress(fleet.ended ? Cat("fleet ", id.subject, " has ended")
                                 : Cat(left, " of its workers not yet confirmed gone"));
    return;
  }
  if (id.method == "adopt") {
    out.set_done(true);
    out.set_progress(Cat("fleet ", id.subject, " has ", fleet.have, " workers"));
    return;
  }
  if (fleet.down_requested) {
    out.set_done(true);
    out.set_error(Cat("fleet ", id.subject, " was taken down meanwhile"));
    out.set_progress(out.error());
    return;
  }
  out.set_done(fleet.have == fleet.wanted && fleet.healthy == fleet.wanted &&
               fleet.destroying == 0);
  out.set_progress(Cat(fleet.healthy, " of ", fleet.wanted, " healthy",
                       fleet.state.empty() ? "" : Cat(": ", fleet.state)));
}

}  // namespace

std::string NameOf(const OperationId& id) {
  return Cat(kPrefix, id.method, ".", id.subject, ".", id.position);
}

StatusOr<OperationId> ParseOperation(std::string_view name) {
  OperationId id;
  const std::vector<std::string> parts =
      absl::StrSplit(absl::StripPrefix(ToAbsl(name), ToAbsl(kPrefix)), '.');
  if (parts.size() != 3 || parts[0].empty() || parts[1].empty() ||
      !absl::SimpleAtoi(parts[2], &id.position)) {
    return Refusal(
        StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
        Cat("'", name, "' is no operation: expected operations/METHOD.SUBJECT.POSITION"));
  }
  id.method = parts[0];
  id.subject = parts[1];
  return id;
}

StatusOr<api::Operation> Look(const OperationId& id, const queries::ReadModels& models,
                              absl::Time now) {
  api::Operation out;
  out.set_name(NameOf(id));
  out.set_method(id.method);
  out.set_position(id.position);
  if (OfWorker(id)) {
    MUSTER_ASSIGN_OR_RETURN(const queries::WorkerStatus worker, models.Worker(id.subject, now));
    out.set_fleet(worker.fleet.str());
    out.set_done(worker.phase == "ended");
    out.set_progress(worker.phase == "ended"
                         ? Cat("worker ", id.subject, " is gone (", worker.ended_how, "), spent ",
                               FormatUsd(worker.spent))
                         : Cat("worker ", id.subject, " is ", worker.phase));
    return out;
  }
  MUSTER_ASSIGN_OR_RETURN(const queries::FleetStatus fleet,
                          models.Fleet(FleetName(id.subject), now));
  out.set_fleet(id.subject);
  LookAtFleet(id, fleet, out);
  return out;
}

}  // namespace muster::grpc_api
