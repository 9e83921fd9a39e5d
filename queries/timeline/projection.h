// TimelineProjection: where the events of each stream and each fleet stand in the log. The events
// themselves stay in the store and are read back a page at a time.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "queries/projection.h"
#include "queries/timeline/model.h"

namespace muster::queries {

using Positions = std::vector<Position>;  // ascending

class TimelineProjection final : public Projection {
 public:
  std::string_view name() const override { return "timeline"; }
  void Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) override;
  std::string Save() const override;
  bool Load(std::string_view bytes) override;

  // Empty when there is no such stream (fleet, worker).
  const Positions& OfStream(std::string_view stream) const;
  const Positions& OfFleet(std::string_view fleet) const;
  // Events of other streams that speak of `worker`: strikes, its replacement, orphans. Of
  // "request/ID": all that was written for that request.
  const Positions& Mentions(std::string_view worker) const;

  // The fleet of a worker's stream or of a fleet's own; "" of others.
  std::string FleetOf(const StreamId& stream) const;

  // One page, read back from `store`, of events up to `head`. A page may be short, even empty,
  // while next_after is not 0: it looks at a bounded number of events.
  // kDataLoss, kUnimplemented  as EventStore and DecodeEvent
  StatusOr<EventPage> Page(const EventStore& store, Position head, const EventQuery& query) const;

  template <class Archive, class Self>
  static void Fields(Archive& a, Self& s) {
    a(s.streams_, s.fleets_, s.mentions_, s.fleet_of_);
  }

 private:
  using Index = absl::flat_hash_map<std::string, Positions>;
  void OfWorker(std::string_view worker, const RecordedEvent& recorded,
                const eventpb::EventBody& body);
  const Positions* Candidates(const EventQuery& query) const;

  Index streams_;
  Index fleets_;
  Index mentions_;
  absl::flat_hash_map<std::string, std::string> fleet_of_;  // worker -> fleet
};

// One event with its decoded payload, read back from the store.
// kNotFound       nothing at this position
// kDataLoss, kUnimplemented  as EventStore and DecodeEvent
StatusOr<RecordedEvent> ReadEvent(const EventStore& store, Position position);

}  // namespace muster::queries
