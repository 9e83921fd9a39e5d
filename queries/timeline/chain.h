// Chain: the events of one explanation, by position, and how each of them is written. What the
// explanations share. Internal to queries/timeline. Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "eventstore/events/codec.h"
#include "queries/timeline/explain.h"

namespace muster::queries {

struct Entry {
  RecordedEvent recorded;
  eventpb::EventBody body;
};

// kDataLoss, kUnimplemented  as EventStore and DecodeEvent
StatusOr<Entry> ReadEntry(const EventStore& store, Position position);

class Chain {
 public:
  explicit Chain(const ExplainSource& source) : source_(source) {}

  // Adds the event at `position` unless it is there; evidence may name what is not (yet) readable.
  Status Add(Position position);
  Status Add(RecordedEvent recorded);
  void Add(Entry entry);
  // Adds what the event at `position` was drawn from; what all events so far were drawn from.
  Status AddEvidence(Position position);
  Status AddAllEvidence();
  // Adds the verdicts upon which the workers of this chain were destroyed: each stands right before
  // the first order to destroy, in the same append.
  Status AddVerdicts();

  // An event that may be named as a cause without being told.
  void Remember(const RecordedEvent& recorded) {
    by_id_[recorded.event.id.str()] = recorded.position;
  }
  // Who reads of another stream than this is told which.
  void SetHome(std::string_view stream) { home_ = stream; }

  const ExplainSource& source() const { return source_; }
  const std::map<Position, Entry>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  std::vector<ExplainLine> Lines() const;

 private:
  // 0 when the cause is a command, or an event that is not part of this chain's streams.
  Position CauseOf(const Entry& entry) const;

  const ExplainSource& source_;
  std::map<Position, Entry> entries_;
  absl::flat_hash_map<std::string, Position> by_id_;
  std::string home_;
};

// What people call a stream: "server/builder-01" for a server's, others as they are.
std::string NameOf(const ExplainSource& source, const StreamId& stream);

// Whether an event of a worker's own stream always belongs into its story. Observations come in
// only as evidence, absence only once the destruction was asked for.
bool InWorkerStory(const eventpb::EventBody& body, bool destroying);

// What a fleet, host or account decided or came to know that an explanation should hold.
bool WorthTelling(const eventpb::EventBody& body);

}  // namespace muster::queries
