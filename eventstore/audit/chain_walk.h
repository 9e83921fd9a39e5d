// ChainWalk: follows the log's hash chain record by record, wherever the records come from: a
// store, an exported file, a stream. Single-threaded, values only.
//
//   ChainWalk walk;
//   store.ReadRecords(0, n, [&](Position, std::string_view record) {
//     return (bad = walk.Take(record)).ok();
//   });
//
// What it cannot see: a log that ends early, and one that was rewritten from some event on with all
// hashes made anew. Both are found against a head kept elsewhere (signed_head.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "eventstore/audit/merkle.h"
#include "eventstore/base/status.h"
#include "eventstore/event_store.h"

namespace muster::audit {

class ChainWalk {
 public:
  // Begins after the event at `after`, whose hash is `hash`.
  explicit ChainWalk(Position after = 0, const EventHash& hash = {});

  // The record of the next event. After an error nothing more is to be taken.
  // kDataLoss  begins "event N"; N is the first position at which the log is not as it was written
  Status Take(std::string_view record);

  Position position() const { return position_; }       // of the last good event
  const EventHash& hash() const { return hash_; }       // its hash
  bool whole() const { return whole_; }                 // begun at 0
  std::uint64_t redacted() const { return redacted_; }  // good events without a payload
  // Of the tree over all events up to position(). REQUIRES: begun at 0
  EventHash Root() const { return tree_.Root(); }

 private:
  Position position_;
  EventHash hash_;
  bool whole_;
  std::uint64_t redacted_ = 0;
  MerkleTree tree_;
  RecordedEvent event_;
};

}  // namespace muster::audit
