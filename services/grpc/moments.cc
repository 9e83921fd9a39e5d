#include "services/grpc/moments.h"

#include <algorithm>

#include "eventstore/base/strings.h"
#include "services/grpc/convert.h"
#include "services/grpc/errors.h"

namespace muster::grpc_api {

Moments::Moments(Runtime& rt, const EventStore& store, queries::Projector& projector)
    : rt_(rt), store_(store), projector_(projector) {}

StatusOr<Moment> Moments::Of(const api::AsOf& as_of) const {
  Moment moment;
  const absl::Time now = rt_.Now();
  switch (as_of.moment_case()) {
    case api::AsOf::kPosition:
      moment.position = as_of.position();
      if (moment.position == 0) {
        return Refusal(StatusCode::kInvalidArgument, "INVALID_ARGUMENT",
                       "position 0 is before the first event: expected 1 or more");
      }
      if (moment.position > store_.Head()) {
        return Refusal(StatusCode::kOutOfRange, "POSITION_PAST_HEAD",
                       Cat("position ", moment.position, " is past the end of the log: ",
                           "nothing is recorded after ", store_.Head()));
      }
      return moment;
    case api::AsOf::kTime:
      moment.time = FromTimestamp(as_of.time());
      break;
    case api::AsOf::kSecondsAgo:
      if (as_of.seconds_ago() < 0) {
        return BadRequest({{"as_of.seconds_ago", "expected 0 or more"}});
      }
      moment.time = now - absl::Seconds(as_of.seconds_ago());
      break;
    case api::AsOf::MOMENT_NOT_SET:
      moment.position = projector_.position();
      return moment;
  }
  if (*moment.time > now) {
    return Refusal(StatusCode::kOutOfRange, "TIME_IN_THE_FUTURE",
                   Cat(FormatUtc(*moment.time), " is yet to come: here it is ", FormatUtc(now)));
  }
  moment.time = std::max(*moment.time, absl::UnixEpoch());  // nothing was recorded before
  MUSTER_ASSIGN_OR_RETURN(moment.position, projector_.PositionAt(*moment.time));
  return moment;
}

Task<StatusOr<View>> Moments::At(api::AsOf as_of) const {
  View view;
  if (IsNow(as_of)) {
    view.models = &projector_.models();
    view.now = rt_.Now();
    co_return view;
  }
  CO_ASSIGN_OR_RETURN(const Moment moment, Of(as_of));
  CO_ASSIGN_OR_RETURN(view.past, co_await projector_.AsOf(moment.position));
  view.now = moment.time.value_or(view.past->recorded_at());
  view.models = view.past.get();
  co_return view;
}

StatusOr<absl::Time> Moments::TimeOf(const api::AsOf& as_of) const {
  MUSTER_ASSIGN_OR_RETURN(const Moment moment, Of(as_of));
  if (moment.time.has_value()) return *moment.time;
  absl::Time time = rt_.Now();
  MUSTER_RETURN_IF_ERROR(store_.ReadAll(moment.position - 1, 1, [&](const RecordedEvent& recorded) {
    time = recorded.recorded_at;
    return false;
  }));
  return time;
}

}  // namespace muster::grpc_api
