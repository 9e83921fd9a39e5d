// What operators ask for, sent and not waited for. What comes of it is counted in the report.
#pragma once

#include <utility>

#include "services/grpc/command_api.h"
#include "tests/storm/happenings.h"

namespace muster::storm {

inline grpc_api::Caller Somebody() { return {"operator:storm"}; }

template <class T>
Task<void> Await(Task<StatusOr<T>> call, StormReport* report) {
  const StatusOr<T> answer = co_await std::move(call);
  if (!answer.ok()) ++report->refused;
}

template <class T>
void Request(const Stage& stage, Task<StatusOr<T>> call) {
  ++stage.report.requests;
  stage.rt.Spawn("operator", Await<T>(std::move(call), &stage.report));
}

}  // namespace muster::storm
