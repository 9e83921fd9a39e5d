#include "commands/handler/log_fold.h"

#include "commands/snapshot.h"
#include "eventstore/base/sha256.h"
#include "eventstore/events/codec.h"
#include "eventstore/snapshot_shelf.h"
#include "muster/event/v1/snapshot.pb.h"

namespace muster {

StatusOr<Written> ToWritten(const RecordedEvent& recorded) {
  StatusOr<eventpb::EventBody> body = DecodeEvent(recorded.event.type, recorded.event.payload);
  if (!body.ok()) return Annotate(body.status(), Cat("position ", recorded.position));
  return Written{recorded.stream, recorded.position, recorded.version, recorded.event.id,
                 *std::move(body)};
}

StatusOr<std::string> LogHash(const EventStore& store, Position position) {
  std::string hash;
  MUSTER_RETURN_IF_ERROR(store.ReadAll(position - 1, 1, [&](const RecordedEvent& recorded) {
    if (recorded.position == position) hash.assign(recorded.hash.begin(), recorded.hash.end());
    return false;
  }));
  if (hash.empty()) return NotFound(Cat("the log has no position ", position));
  return hash;
}

StatusOr<World> WorldFromSnapshot(const EventStore& store) {
  MUSTER_ASSIGN_OR_RETURN(const Snapshot saved, store.LoadSnapshot(kWorldSnapshot));
  return WorldFrom(store, saved);
}

StatusOr<Snapshot> SnapshotOf(const EventStore& store, const World& world) {
  eventpb::WorldSnapshot snapshot;
  snapshot.set_format(kWorldFormat);
  snapshot.set_position(world.head);
  MUSTER_ASSIGN_OR_RETURN(*snapshot.mutable_log_hash(), LogHash(store, world.head));
  snapshot.set_world(SerializeWorld(world));
  const Sha256Digest digest = Sha256(snapshot.world());
  snapshot.set_digest(std::string(digest.begin(), digest.end()));
  return Snapshot{world.head, snapshot.SerializeAsString()};
}

StatusOr<World> WorldFrom(const EventStore& store, const Snapshot& saved) {
  eventpb::WorldSnapshot snapshot;
  if (!snapshot.ParseFromString(saved.state)) return DataLoss("the snapshot does not parse");
  if (snapshot.format() != kWorldFormat) return DataLoss("the snapshot has another format");
  const Sha256Digest digest = Sha256(snapshot.world());
  if (snapshot.digest() != std::string(digest.begin(), digest.end())) {
    return DataLoss("the snapshot's digest is another");
  }
  MUSTER_ASSIGN_OR_RETURN(const std::string hash, LogHash(store, snapshot.position()));
  if (hash != snapshot.log_hash()) return DataLoss("the snapshot is of another log");
  MUSTER_ASSIGN_OR_RETURN(World world, ParseWorld(snapshot.world()));
  if (world.head != snapshot.position()) return DataLoss("the snapshot is of another position");
  return world;
}

Status FoldLog(const EventStore& store, Position last, std::size_t events_max, World& world) {
  const Position before = world.head;
  Status decoded;
  MUSTER_RETURN_IF_ERROR(store.ReadAll(before, events_max, [&](const RecordedEvent& recorded) {
    if (recorded.position > last) return false;
    const StatusOr<Written> written = ToWritten(recorded);
    decoded = written.status();
    if (!decoded.ok()) return false;
    Evolve(world, written->stream, written->body,
           Stamp{written->position, recorded.event.occurred_at});
    return true;
  }));
  MUSTER_RETURN_IF_ERROR(decoded);
  if (world.head == before && before < last) {
    return DataLoss(Cat("the log ends at ", before, " before position ", last));
  }
  return absl::OkStatus();
}

Task<StatusOr<std::shared_ptr<const World>>> WorldAt(Runtime& rt, const EventStore& store,
                                                     Position position) {
  if (position > store.Head()) {
    co_return MakeStatus(StatusCode::kOutOfRange,
                         Cat("position ", position, " is past the head, ", store.Head()));
  }
  auto world = std::make_shared<World>();
  StatusOr<World> newest = WorldFromSnapshot(store);
  if (newest.ok() && newest->head <= position) *world = *std::move(newest);
  const auto usable = [&](const Snapshot& saved) {
    StatusOr<World> past = WorldFrom(store, saved);
    if (!past.ok()) return false;
    if (past->head > world->head) *world = *std::move(past);
    return true;
  };
  (void)NearestSnapshot(store, kPastWorlds, position, usable);
  while (world->head < position) {
    CO_RETURN_IF_ERROR(FoldLog(store, position, 1'000, *world));
    co_await rt.SleepUntil(rt.Now());
  }
  co_return std::shared_ptr<const World>(std::move(world));
}

}  // namespace muster
