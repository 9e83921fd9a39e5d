// EventStore: an append-only log of opaque events, grouped into streams.
//
// Knows nothing of fleets or workers: a payload is bytes with a type name.
// Append, WaitPast and Flush are for the reactor thread; all const methods may be called from any
// thread. Durability: an event that a reader has seen has been synced to disk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/status.h"
#include "eventstore/base/task.h"

namespace muster {

using Position = std::uint64_t;  // place in the whole log, from 1, no gaps; 0 = before the first
using Version = std::uint64_t;   // place in its stream, from 1, no gaps; 0 = no stream yet
using EventHash = std::array<std::uint8_t, 32>;

// What the writer believes about the stream. There is no "any": who writes blindly owns the stream.
struct Expect {
  static Expect NoStream() { return {0}; }
  static Expect At(Version v) { return {v}; }
  Version version = 0;  // of the last event in the stream; 0 = no stream
};

struct NewEvent {
  EventId id;               // unique; the same id appended twice is stored once
  std::string type;         // "worker.condemned"; never a C++ type name
  std::string payload;      // a serialised muster.event.v1.EventBody
  std::string actor;        // "operator:alice", "policy:zeb@v12", "poller:logs"
  std::string cause;        // id of the event or command that led here; may be empty
  std::string correlation;  // id of the root request; may be empty
  absl::Time occurred_at;   // when the world did it, by our clock
};

struct RecordedEvent {
  Position position = 0;
  StreamId stream;
  Version version = 0;
  absl::Time recorded_at;
  NewEvent event;
  EventHash hash{};  // h(n) = SHA-256(h(n-1) || header || SHA-256(payload)); see log_format.md
};

struct Appended {
  Position position = 0;  // of the last event of the append
  Version version = 0;    // of the stream after it
  bool repeated = false;  // all ids were known: nothing was written, this is the first result
};

struct Snapshot {
  Position position = 0;  // the state covers events up to here
  std::string state;      // opaque to the store
};

class EventStore {
 public:
  virtual ~EventStore() = default;

  // Appends `events` in order, all or none, and returns once they are synced.
  // The same ids again return the first result, whatever `expect` says.
  // REQUIRES: !events.empty(), reactor thread
  //
  // kAborted            the stream is not as `expect` says: reload, decide again
  // kInvalidArgument    some ids are known and some are not, or an id repeats in `events`: a bug
  // kResourceExhausted  the disk is full; nothing was written; free room, append again
  // kUnavailable        an earlier sync failed, so nobody can say what is on the disk;
  //                     reads still work, restart to write again
  virtual Task<StatusOr<Appended>> Append(StreamId stream, Expect expect,
                                          std::vector<NewEvent> events, absl::Time recorded_at) = 0;

  // Calls `visit` with each event of `stream` with a version > `after`, oldest first, until it
  // returns false. The reference is valid only during the call. An absent stream is empty.
  //
  // kDataLoss  a checksum did not match; the events before it were visited
  virtual Status ReadStream(const StreamId& stream, Version after,
                            absl::FunctionRef<bool(const RecordedEvent&)> visit) const = 0;
  // As ReadStream, for the whole log after `after`, at most `limit` events.
  virtual Status ReadAll(Position after, std::size_t limit,
                         absl::FunctionRef<bool(const RecordedEvent&)> visit) const = 0;

  // The records of ReadAll as they are stored (record.h), not checked: for whoever checks them.
  //
  // kDataLoss  names the position that is missing or cannot be read; those before were visited
  virtual Status ReadRecords(
      Position after, std::size_t limit,
      absl::FunctionRef<bool(Position, std::string_view record)> visit) const = 0;

  virtual Position Head() const = 0;  // of the newest synced event; 0 while the log is empty
  virtual Version StreamVersion(const StreamId& stream) const = 0;  // 0 = no such stream

  // Returns when Head() > `after`, or at `deadline`. Reactor thread.
  virtual Task<void> WaitPast(Position after, absl::Time deadline) = 0;

  // Disposable state under `name`, outside the chain. A lost snapshot costs time, never facts.
  virtual Status SaveSnapshot(std::string_view name, const Snapshot& snapshot) = 0;
  // kNotFound  none, or damaged: rebuild from the log
  virtual StatusOr<Snapshot> LoadSnapshot(std::string_view name) const = 0;

  // Takes the payload at `position` out of the store for good; its digest stays, so the chain still
  // holds. Until the store is closed readers are given `replacement` in its stead; call it again
  // after opening. Snapshots are thrown away, and none are kept any more: they are made from what
  // was read before. Blocks for as long as the disk takes. Reactor thread.
  // REQUIRES: an event in the log tells of it already
  //
  // kNotFound      nothing is at `position`
  // kDataLoss      what is there is damaged
  // kResourceExhausted, kUnavailable  the disk; call it again
  virtual Status Redact(Position position, std::string replacement) = 0;

  // Walks the chain over (after, Head()]. OK, or kDataLoss naming the first bad position.
  virtual Status Verify(Position after) const = 0;
};

}  // namespace muster
