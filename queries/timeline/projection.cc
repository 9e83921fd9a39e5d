#include "queries/timeline/projection.h"

#include <algorithm>

#include "queries/packing.h"
#include "queries/timeline/describe.h"
#include "queries/visit.h"

namespace muster::queries {
namespace {

constexpr std::int64_t kLayout = 2;
constexpr int kPageDefault = 100;
constexpr int kPageMax = 1000;

const Positions& FindIn(const absl::flat_hash_map<std::string, Positions>& index,
                        std::string_view key) {
  static const auto* const none = new Positions;
  const auto it = index.find(ToAbsl(key));
  return it == index.end() ? *none : it->second;
}

template <class Map>
void Append(Map& index, std::string_view key, Position position) {
  auto it = index.find(ToAbsl(key));
  if (it == index.end()) it = index.try_emplace(std::string(key)).first;
  if (it->second.empty() || it->second.back() != position) it->second.push_back(position);
}

// Walks the positions of a page: all up to `head`, or those of an index.
class Cursor {
 public:
  Cursor(const Positions* index, Position head, const EventQuery& query)
      : index_(index), head_(head), back_(query.newest_first) {
    if (back_) {
      const Position before = query.after == 0 ? head + 1 : query.after;
      next_ = index == nullptr ? std::min(before - 1, head) : Count(before - 1);
    } else {
      next_ = index == nullptr ? query.after + 1 : Count(query.after);
    }
  }
  // 0 = no more.
  Position Take() {
    if (index_ == nullptr) {
      if (next_ == 0 || next_ > head_) return 0;
      return back_ ? next_-- : next_++;
    }
    if (back_) return next_ == 0 ? 0 : (*index_)[--next_];
    return next_ < index_->size() ? (*index_)[next_++] : 0;
  }

 private:
  // How many of the index are at or before `position`.
  std::size_t Count(Position position) const {
    return std::upper_bound(index_->begin(), index_->end(), position) - index_->begin();
  }
  const Positions* index_;
  Position head_;
  bool back_;
  std::size_t next_ = 0;
};

}  // namespace

StatusOr<RecordedEvent> ReadEvent(const EventStore& store, Position position) {
  RecordedEvent found;
  if (position == 0) return NotFound("position 0 is before the first event");
  MUSTER_RETURN_IF_ERROR(store.ReadAll(position - 1, 1, [&](const RecordedEvent& event) {
    found = event;
    return false;
  }));
  if (found.position != position) return NotFound(Cat("nothing is at position ", position));
  return found;
}

void TimelineProjection::OfWorker(std::string_view worker, const RecordedEvent& recorded,
                                  const eventpb::EventBody& body) {
  const Position position = recorded.position;
  if (body.has_launch_requested()) {
    fleet_of_[std::string(worker)] = body.launch_requested().fleet();
    const std::string& replaces = body.launch_requested().replaces();
    if (!replaces.empty()) Append(mentions_, replaces, position);
  } else if (body.has_worker_adopted()) {
    fleet_of_[std::string(worker)] = body.worker_adopted().fleet();
  }
  const auto fleet = fleet_of_.find(ToAbsl(worker));
  if (fleet != fleet_of_.end()) Append(fleets_, fleet->second, position);
}

void TimelineProjection::Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const Position position = recorded.position;
  Append(streams_, recorded.stream.str(), position);
  const std::string& request = recorded.event.correlation;
  if (request.starts_with("request/")) Append(mentions_, request, position);
  const std::string_view worker = NameInStream(recorded.stream, "worker/");
  if (!worker.empty()) return OfWorker(worker, recorded, body);
  const std::string_view fleet = NameInStream(recorded.stream, "fleet/");
  if (!fleet.empty()) return Append(fleets_, fleet, position);
  const std::string_view shadow = NameInStream(recorded.stream, "shadow/");
  const Overloaded fold{[&](const eventpb::HostStruck& e) {
                          if (!e.worker().empty()) Append(mentions_, e.worker(), position);
                          if (!e.fleet().empty()) Append(fleets_, e.fleet(), position);
                        },
                        // What came of a shadow stands in its own stream alone.
                        [&](const eventpb::ShadowStarted&) { Append(fleets_, shadow, position); },
                        [&](const eventpb::ShadowEnded&) { Append(fleets_, shadow, position); },
                        [&](const eventpb::OrphanFound& e) {
                          if (!e.fleet().empty()) Append(fleets_, e.fleet(), position);
                        },
                        [&](const eventpb::OrphanResolved& e) {
                          if (!e.worker().empty()) Append(mentions_, e.worker(), position);
                        },
                        [](const auto&) {}};
  VisitEvent(body, fold);
}

const Positions& TimelineProjection::OfStream(std::string_view stream) const {
  return FindIn(streams_, stream);
}
const Positions& TimelineProjection::OfFleet(std::string_view fleet) const {
  return FindIn(fleets_, fleet);
}
const Positions& TimelineProjection::Mentions(std::string_view worker) const {
  return FindIn(mentions_, worker);
}

std::string TimelineProjection::FleetOf(const StreamId& stream) const {
  const std::string_view fleet = NameInStream(stream, "fleet/");
  if (!fleet.empty()) return std::string(fleet);
  const auto it = fleet_of_.find(ToAbsl(NameInStream(stream, "worker/")));
  return it == fleet_of_.end() ? "" : it->second;
}

// nullptr = the whole log.
const Positions* TimelineProjection::Candidates(const EventQuery& query) const {
  if (!query.stream.empty()) return &OfStream(query.stream.str());
  if (!query.fleet.empty()) return &OfFleet(query.fleet.str());
  return nullptr;
}

StatusOr<EventPage> TimelineProjection::Page(const EventStore& store, Position head,
                                             const EventQuery& query) const {
  const Positions* of_fleet = nullptr;  // a second condition beside the stream
  if (!query.stream.empty() && !query.fleet.empty()) of_fleet = &OfFleet(query.fleet.str());
  const std::size_t size =
      query.page_size <= 0 ? kPageDefault : std::min(query.page_size, kPageMax);
  Cursor cursor(Candidates(query), head, query);
  EventPage page;
  Position last = 0;
  for (int looked_at = 0;; ++looked_at) {
    const Position position = cursor.Take();
    if (position == 0) return page;
    if (page.events.size() == size || looked_at == query.look_max) {
      page.next_after = last;
      return page;
    }
    last = position;
    if (of_fleet != nullptr && !std::binary_search(of_fleet->begin(), of_fleet->end(), position)) {
      continue;
    }
    MUSTER_ASSIGN_OR_RETURN(RecordedEvent event, ReadEvent(store, position));
    const auto& types = query.types;
    if (!types.empty() && std::find(types.begin(), types.end(), event.event.type) == types.end()) {
      continue;
    }
    MUSTER_ASSIGN_OR_RETURN(const eventpb::EventBody body,
                            DecodeEvent(event.event.type, event.event.payload));
    page.events.push_back({std::move(event), Describe(body)});
  }
}

std::string TimelineProjection::Save() const { return PackModel(kLayout, *this); }
bool TimelineProjection::Load(std::string_view bytes) { return UnpackModel(kLayout, bytes, *this); }

}  // namespace muster::queries
