// The events of the log, as lines.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "eventstore/events/codec.h"
#include "services/files/problems.h"
#include "services/grpc/convert.h"
#include "services/grpc/errors.h"
#include "services/grpc/query_api.h"
#include "services/grpc/query_refusals.h"

namespace muster::grpc_api {
namespace {

// Watchers look again at least this often.
constexpr absl::Duration kLookAgain = absl::Seconds(5);
// Events are read back so many at a time: each takes a search in the store.
constexpr int kLookedAtATime = 100;
constexpr int kPageDefault = 100;
constexpr int kPageMax = 1000;
constexpr int kLookedAtMax = 20'000;  // for one page

Status CheckTypes(const google::protobuf::RepeatedPtrField<std::string>& types) {
  static const auto* const known = [] {
    auto* names = new std::vector<std::string>;
    for (const EventKind kind : AllEventKinds()) names->emplace_back(TypeName(kind));
    return names;
  }();
  for (const std::string& type : types) {
    if (std::find(known->begin(), known->end(), type) != known->end()) continue;
    const std::string near = NearestWord(type, *known);
    // Those of the same family, or one of each.
    const std::string family = type.substr(0, type.find('.'));
    std::vector<std::string> kin, families;
    for (const std::string& name : *known) {
      const std::string of = name.substr(0, name.find('.'));
      if (of == family) kin.push_back(name);
      if (families.empty() || families.back() != Cat(of, ".*")) families.push_back(Cat(of, ".*"));
    }
    return Refusal(
        StatusCode::kInvalidArgument, "EVENT_TYPE_UNKNOWN",
        Cat("no event is of type \"", type, "\"",
            near.empty() ? Cat("; there are ", absl::StrJoin(kin.empty() ? families : kin, ", "))
                         : Cat("; did you mean ", near, "?")),
        {{"type", type}});
  }
  return absl::OkStatus();
}

// The stream meant by `asked`: its name, or what a fleet or worker is called.
StatusOr<StreamId> StreamOf(const queries::ReadModels& models, const std::string& asked,
                            absl::Time now) {
  if (asked.empty()) return StreamId();
  queries::EventQuery exact;
  exact.stream = StreamId(asked);
  exact.page_size = 1;
  MUSTER_ASSIGN_OR_RETURN(const queries::EventPage page, models.Events(exact));
  if (!page.events.empty()) return exact.stream;
  if (models.HasFleet(FleetName(asked))) return StreamId(Cat("fleet/", asked));
  const auto worker = models.Worker(asked, now);
  if (worker.ok()) return StreamId(Cat("worker/", worker->id.str()));
  if (worker.status().code() != StatusCode::kNotFound) return WorkerProblem(asked, worker.status());
  return Refusal(StatusCode::kNotFound, "STREAM_NOT_FOUND",
                 Cat("nothing was ever logged of \"", asked, "\": expected worker/ID, fleet/NAME, ",
                     "host/PROVIDER/MACHINE or account/PROVIDER"),
                 {{"stream", asked}});
}

}  // namespace

Task<StatusOr<api::ListEventsResponse>> QueryApi::ListEvents(api::ListEventsRequest request) {
  const queries::ReadModels& models = projector_.models();
  const absl::Time now = rt_.Now();
  CO_RETURN_IF_ERROR(CheckTypes(request.types()));
  CO_RETURN_IF_ERROR(CheckFleet(models, request.fleet(), now));
  CO_ASSIGN_OR_RETURN(const Moment end, moments_.Of(request.as_of()));
  queries::EventQuery query;
  CO_ASSIGN_OR_RETURN(query.stream, StreamOf(models, request.stream(), now));
  query.fleet = FleetName(request.fleet());
  query.after = request.after();
  query.newest_first = request.newest_first();
  query.types.assign(request.types().begin(), request.types().end());
  if (query.newest_first && (query.after == 0 || query.after > end.position)) {
    query.after = end.position + 1;
  }
  const int asked = request.page_size();
  const int size = asked <= 0 ? kPageDefault : std::min(asked, kPageMax);
  query.look_max = kLookedAtATime;
  api::ListEventsResponse out;
  for (int looked_at = 0; looked_at < kLookedAtMax; looked_at += kLookedAtATime) {
    if (looked_at > 0) co_await rt_.SleepFor(absl::ZeroDuration());  // others get their turn
    query.page_size = size - out.events_size();
    CO_ASSIGN_OR_RETURN(const queries::EventPage page, projector_.models().Events(query));
    for (const auto& line : page.events) {
      if (line.recorded.position > end.position) {
        out.set_next_after(0);
        co_return out;
      }
      Fill(line, request.with_payload(), *out.add_events());
    }
    out.set_next_after(page.next_after);
    if (page.next_after == 0 || out.events_size() == size) break;
    query.after = page.next_after;
  }
  co_return out;
}

Task<Status> QueryApi::WatchEvents(api::WatchEventsRequest request, Stream<api::Event>& stream) {
  CO_RETURN_IF_ERROR(CheckTypes(request.types()));
  CO_RETURN_IF_ERROR(CheckFleet(projector_.models(), request.fleet(), rt_.Now()));
  queries::EventQuery query;
  CO_ASSIGN_OR_RETURN(query.stream, StreamOf(projector_.models(), request.stream(), rt_.Now()));
  query.fleet = FleetName(request.fleet());
  query.types.assign(request.types().begin(), request.types().end());
  query.after = request.from_now() ? projector_.position() : request.after();
  query.page_size = query.look_max = kLookedAtATime;
  while (!stream.gone()) {
    // Everything up to `seen` is looked at by the pages below, so the wait starts after it.
    const Position seen = projector_.position();
    const StatusOr<queries::EventPage> page = projector_.models().Events(query);
    if (!page.ok()) co_return page.status();
    for (const queries::EventLine& line : page->events) {
      api::Event event;
      Fill(line, request.with_payload(), event);
      query.after = line.recorded.position;
      const bool sent = co_await stream.Write(std::move(event));
      if (!sent) co_return absl::OkStatus();
    }
    if (page->next_after != 0) {
      query.after = std::max(query.after, page->next_after);
      co_await rt_.SleepFor(absl::ZeroDuration());  // others get their turn
      continue;
    }
    query.after = std::max(query.after, seen);
    while (!stream.gone()) {
      const bool news = co_await projector_.WaitPast(seen, rt_.Now() + kLookAgain);
      if (news) break;
    }
  }
  co_return absl::OkStatus();
}

}  // namespace muster::grpc_api
