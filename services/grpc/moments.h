// Moments: which moment a question is about, and what was known then. For every API that answers
// about the past.
//
// References must outlive it. Reactor thread.
#pragma once

#include <memory>
#include <optional>

#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"
#include "muster/api/v1/query.pb.h"
#include "queries/projector.h"

namespace muster::grpc_api {

namespace api = ::muster::api::v1;

inline bool IsNow(const api::AsOf& as_of) {
  return as_of.moment_case() == api::AsOf::MOMENT_NOT_SET;
}

// A moment of the past, as asked for in any of its three ways.
struct Moment {
  Position position = 0;
  std::optional<absl::Time> time;  // when it was named by its time
};

// The live models, or those of a past moment; with the time the answer is about.
struct View {
  std::unique_ptr<const queries::ReadModels> past;
  const queries::ReadModels* models = nullptr;
  absl::Time now;
};

class Moments {
 public:
  Moments(Runtime& rt, const EventStore& store, queries::Projector& projector);

  // Unset: where the live models are.
  //   kInvalidArgument  position 0, or no span
  //   kOutOfRange       past the head of the log, or in the future
  StatusOr<Moment> Of(const api::AsOf& as_of) const;
  // When that was: of a position, when it was recorded. Errors as Of.
  StatusOr<absl::Time> TimeOf(const api::AsOf& as_of) const;
  // Errors as Of, and as EventStore where the past is read.
  Task<StatusOr<View>> At(api::AsOf as_of) const;

 private:
  Runtime& rt_;
  const EventStore& store_;
  queries::Projector& projector_;
};

}  // namespace muster::grpc_api
