// Errors as clients get them: a code, a sentence, and google.rpc details a program can act on.
//
// A Status made here carries its details as payloads; plain ones get a default reason from their
// code. Pure, thread-safe.
#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eventstore/base/status.h"

namespace muster::grpc_api {

// An error with google.rpc.ErrorInfo (domain "muster"). `reason` is a stable UPPER_CASE word;
// metadata key "next" is shown by the CLI as what to do about it.
Status Refusal(StatusCode code, std::string_view reason, std::string_view message,
               const std::map<std::string, std::string>& metadata = {});

// Adds google.rpc.PreconditionFailure: the guards that refused, each with its numbers.
void AddViolations(Status& status, std::string_view type,
                   const std::vector<std::string>& descriptions);

// kInvalidArgument with google.rpc.BadRequest: field path and what was expected.
Status BadRequest(const std::vector<std::pair<std::string, std::string>>& fields);

// The stable reason carried by `status`, or the default one of its code; "" for OK.
std::string ReasonOf(const Status& status);

grpc::Status ToGrpc(const Status& status);

}  // namespace muster::grpc_api
