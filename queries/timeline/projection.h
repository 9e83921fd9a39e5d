// TimelineProjection: where the events of each stream and each fleet stand in the log. The events
// themselves stay in the store and are read back a page at a time.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "queries/projection.h"
#include "queries/timeline/model.h"

namespace muster::queries {

using Positions = std::span<const Position>;  // ascending; good until the next event is folded

class TimelineProjection final : public Projection {
 public:
  // One of an earlier moment, in which nothing is folded yet: it reads the positions that this one
  // has, which only ever grow, up to what is folded there. So the past costs no second index,
  // whatever the length of the log. What this one has not folded must not be folded there.
  std::unique_ptr<TimelineProjection> Earlier() const;

  std::string_view name() const override { return "timeline"; }
  void Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) override;
  std::string Save() const override;
  bool Load(std::string_view bytes) override;
  // Without the positions: for one that borrows them.
  std::string SavePast() const;
  bool LoadPast(std::string_view bytes, Position folded);

  // Empty when there is no such stream (fleet, worker).
  Positions OfStream(std::string_view stream) const;
  Positions OfFleet(std::string_view fleet) const;
  // Events of other streams that speak of `worker`: strikes, its replacement, orphans. Of
  // "request/ID": all that was written for that request. Of "server/NAME": the plans to order one.
  // Of "build/ID": a build that was asked for, and its outcome.
  // Of "credit/PROVIDER": when its account began and ceased to wait for credit.
  Positions Mentions(std::string_view worker) const;

  // The streams of one kind, "server", in order. Looks at the names of all streams.
  std::vector<std::string> StreamsOf(std::string_view kind) const;
  // What is mentioned as one kind, "build", newest first. Looks at all mentions.
  std::vector<std::string> MentionedAs(std::string_view kind) const;
  // The fleet of a worker's stream or of a fleet's own; "" of others.
  std::string FleetOf(const StreamId& stream) const;

  // One page, read back from `store`, of events up to `head`. A page may be short, even empty,
  // while next_after is not 0: it looks at a bounded number of events.
  // kDataLoss, kUnimplemented  as EventStore and DecodeEvent
  StatusOr<EventPage> Page(const EventStore& store, Position head, const EventQuery& query) const;

 private:
  using Index = absl::flat_hash_map<std::string, std::vector<Position>>;
  struct Indexes {
    Index streams, fleets, mentions;
    template <class Archive, class Self>
    static void Fields(Archive& a, Self& s) {
      a(s.streams, s.fleets, s.mentions);
    }
  };

  void OfWorker(std::string_view worker, const RecordedEvent& recorded,
                const eventpb::EventBody& body);
  void Append(Index& index, std::string_view key, Position position) const;
  // None: the whole log.
  std::optional<Positions> Candidates(const EventQuery& query) const;
  Positions Find(const Index& index, std::string_view key) const;
  Indexes Cut() const;  // as they were

  std::shared_ptr<Indexes> index_ = std::make_shared<Indexes>();
  bool borrows_ = false;
  Position folded_ = 0;
  absl::flat_hash_map<std::string, std::string> fleet_of_;  // worker -> fleet
};

// One event with its decoded payload, read back from the store.
// kNotFound       nothing at this position
// kDataLoss, kUnimplemented  as EventStore and DecodeEvent
StatusOr<RecordedEvent> ReadEvent(const EventStore& store, Position position);

}  // namespace muster::queries
