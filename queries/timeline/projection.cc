#include "queries/timeline/projection.h"

#include <algorithm>
#include <optional>

#include "queries/packing.h"
#include "queries/timeline/describe.h"
#include "queries/visit.h"

namespace muster::queries {
namespace {

constexpr std::int64_t kLayout = 4;
constexpr int kPageDefault = 100;
constexpr int kPageMax = 1000;

// Walks the positions of a page: all up to `head`, or those of an index.
class Cursor {
 public:
  Cursor(std::optional<Positions> index, Position head, const EventQuery& query)
      : index_(index), head_(head), back_(query.newest_first) {
    if (back_) {
      const Position before = query.after == 0 ? head + 1 : query.after;
      next_ = !index.has_value() ? std::min(before - 1, head) : Count(before - 1);
    } else {
      next_ = !index.has_value() ? query.after + 1 : Count(query.after);
    }
  }
  // 0 = no more.
  Position Take() {
    if (!index_.has_value()) {
      if (next_ == 0 || next_ > head_) return 0;
      return back_ ? next_-- : next_++;
    }
    if (back_) return next_ == 0 ? 0 : (*index_)[--next_];
    return next_ < index_->size() ? (*index_)[next_++] : 0;
  }

 private:
  // How many of the index are at or before `position`.
  std::size_t Count(Position position) const {
    return static_cast<std::size_t>(std::upper_bound(index_->begin(), index_->end(), position) -
                                    index_->begin());
  }
  std::optional<Positions> index_;  // none = the whole log
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
    if (!replaces.empty()) Append(index_->mentions, replaces, position);
  } else if (body.has_worker_adopted()) {
    fleet_of_[std::string(worker)] = body.worker_adopted().fleet();
  }
  const auto fleet = fleet_of_.find(ToAbsl(worker));
  if (fleet != fleet_of_.end()) Append(index_->fleets, fleet->second, position);
}

void TimelineProjection::Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const Position position = recorded.position;
  folded_ = position;
  Append(index_->streams, recorded.stream.str(), position);
  const std::string& request = recorded.event.correlation;
  if (request.starts_with("request/")) Append(index_->mentions, request, position);
  const std::string_view worker = NameInStream(recorded.stream, "worker/");
  if (!worker.empty()) return OfWorker(worker, recorded, body);
  const std::string_view fleet = NameInStream(recorded.stream, "fleet/");
  if (!fleet.empty()) return Append(index_->fleets, fleet, position);
  const std::string_view shadow = NameInStream(recorded.stream, "shadow/");
  const std::string_view account = NameInStream(recorded.stream, "account/");
  const Overloaded fold{[&](const eventpb::HostStruck& e) {
                          if (!e.worker().empty()) Append(index_->mentions, e.worker(), position);
                          if (!e.fleet().empty()) Append(index_->fleets, e.fleet(), position);
                        },
                        // What came of a shadow stands in its own stream alone.
                        [&](const eventpb::ShadowStarted&) {
                          if (!shadow.empty()) Append(index_->fleets, shadow, position);
                        },
                        [&](const eventpb::ShadowEnded&) {
                          if (!shadow.empty()) Append(index_->fleets, shadow, position);
                        },
                        [&](const eventpb::OrphanFound& e) {
                          if (!e.fleet().empty()) Append(index_->fleets, e.fleet(), position);
                        },
                        [&](const eventpb::OrphanResolved& e) {
                          if (!e.worker().empty()) Append(index_->mentions, e.worker(), position);
                        },
                        [&](const eventpb::CreditWaitBegan&) {
                          Append(index_->mentions, Cat("credit/", account), position);
                        },
                        [&](const eventpb::CreditWaitEnded&) {
                          Append(index_->mentions, Cat("credit/", account), position);
                        },
                        [&](const eventpb::ServerPlanned& e) {
                          Append(index_->mentions, Cat("server/", e.spec().name()), position);
                        },
                        [&](const eventpb::ServerBuildRequested& e) {
                          Append(index_->mentions, Cat("build/", e.build()), position);
                        },
                        [&](const eventpb::ServerStepDone& e) {
                          if (!e.has_build()) return;
                          Append(index_->mentions, Cat("build/", e.build().build()), position);
                        },
                        [&](const eventpb::ServerStepFailed& e) {
                          if (e.build().empty()) return;
                          Append(index_->mentions, Cat("build/", e.build()), position);
                        },
                        [](const auto&) {}};
  VisitEvent(body, fold);
}

std::unique_ptr<TimelineProjection> TimelineProjection::Earlier() const {
  auto earlier = std::make_unique<TimelineProjection>();
  earlier->index_ = index_;
  earlier->borrows_ = true;
  return earlier;
}

void TimelineProjection::Append(Index& index, std::string_view key, Position position) const {
  if (borrows_) return;  // whose it is has it already
  auto it = index.find(ToAbsl(key));
  if (it == index.end()) it = index.try_emplace(std::string(key)).first;
  if (it->second.empty() || it->second.back() != position) it->second.push_back(position);
}

Positions TimelineProjection::Find(const Index& index, std::string_view key) const {
  const auto it = index.find(ToAbsl(key));
  if (it == index.end()) return {};
  const std::vector<Position>& all = it->second;
  if (!borrows_) return all;
  return Positions(all.begin(), std::upper_bound(all.begin(), all.end(), folded_));
}

Positions TimelineProjection::OfStream(std::string_view stream) const {
  return Find(index_->streams, stream);
}
Positions TimelineProjection::OfFleet(std::string_view fleet) const {
  return Find(index_->fleets, fleet);
}
Positions TimelineProjection::Mentions(std::string_view worker) const {
  return Find(index_->mentions, worker);
}

std::vector<std::string> TimelineProjection::StreamsOf(std::string_view kind) const {
  std::vector<std::string> names;
  const std::string prefix = Cat(kind, "/");
  for (const auto& [name, all] : index_->streams) {
    if (name.starts_with(prefix) && !Find(index_->streams, name).empty()) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> TimelineProjection::MentionedAs(std::string_view kind) const {
  std::vector<std::pair<Position, std::string>> found;
  const std::string prefix = Cat(kind, "/");
  for (const auto& [name, all] : index_->mentions) {
    if (!name.starts_with(prefix)) continue;
    const Positions until_now = Find(index_->mentions, name);
    if (!until_now.empty()) found.emplace_back(until_now.back(), name);
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> names;
  names.reserve(found.size());
  for (auto& [position, name] : found) names.push_back(std::move(name));
  return names;
}

TimelineProjection::Indexes TimelineProjection::Cut() const {
  Indexes cut;
  for (const auto& [from, to] : {std::pair{&index_->streams, &cut.streams},
                                 {&index_->fleets, &cut.fleets},
                                 {&index_->mentions, &cut.mentions}}) {
    for (const auto& [key, all] : *from) {
      const Positions kept = Find(*from, key);
      if (!kept.empty()) (*to)[key].assign(kept.begin(), kept.end());
    }
  }
  return cut;
}

std::string TimelineProjection::FleetOf(const StreamId& stream) const {
  const std::string_view fleet = NameInStream(stream, "fleet/");
  if (!fleet.empty()) return std::string(fleet);
  const auto it = fleet_of_.find(ToAbsl(NameInStream(stream, "worker/")));
  return it == fleet_of_.end() ? "" : it->second;
}

std::optional<Positions> TimelineProjection::Candidates(const EventQuery& query) const {
  if (!query.stream.empty()) return OfStream(query.stream.str());
  if (!query.fleet.empty()) return OfFleet(query.fleet.str());
  return std::nullopt;
}

StatusOr<EventPage> TimelineProjection::Page(const EventStore& store, Position head,
                                             const EventQuery& query) const {
  std::optional<Positions> of_fleet;  // a second condition beside the stream
  if (!query.stream.empty() && !query.fleet.empty()) of_fleet = OfFleet(query.fleet.str());
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
    if (of_fleet.has_value() && !std::binary_search(of_fleet->begin(), of_fleet->end(), position)) {
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

// The bytes of a borrower are those of an owner that folded as much.
std::string TimelineProjection::Save() const {
  Packer packer;
  packer(kLayout);
  if (borrows_) {
    packer(Cut(), fleet_of_);
  } else {
    packer(*index_, fleet_of_);
  }
  return packer.Take();
}
bool TimelineProjection::Load(std::string_view bytes) {
  Unpacker unpacker(bytes);
  std::int64_t found = 0;
  unpacker(found);
  if (!unpacker.ok() || found != kLayout) return false;
  index_ = std::make_shared<Indexes>();
  borrows_ = false;
  unpacker(*index_, fleet_of_);
  return unpacker.done();
}

std::string TimelineProjection::SavePast() const {
  Packer packer;
  packer(kLayout, fleet_of_);
  return packer.Take();
}
bool TimelineProjection::LoadPast(std::string_view bytes, Position folded) {
  Unpacker unpacker(bytes);
  std::int64_t found = 0;
  unpacker(found);
  if (!unpacker.ok() || found != kLayout) return false;
  unpacker(fleet_of_);
  folded_ = folded;
  return unpacker.done();
}

}  // namespace muster::queries
