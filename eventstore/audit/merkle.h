// Merkle tree over the hashes of events, as in RFC 6962: what makes the proof of one event short.
//
//   leaf = SHA-256(0x00 || h(n)), node = SHA-256(0x01 || left || right)
//
// Pure values; O(log n) memory for n events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "eventstore/event_store.h"

namespace muster::audit {

// Takes the leaves in order and knows the root of those it has seen.
class MerkleTree {
 public:
  void Append(const EventHash& hash);
  std::uint64_t size() const { return size_; }
  // Of no leaves: SHA-256 of nothing.
  EventHash Root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<EventHash> peaks_;  // of the full subtrees, largest first: one per bit of size_
};

// Collects the path of leaf `position` (from 1) in a tree of `size` leaves; the leaves are shown to
// it in order.
class MerklePath {
 public:
  // REQUIRES: 1 <= position <= size
  MerklePath(Position position, std::uint64_t size);
  void Append(const EventHash& hash);
  // From the leaf up; after the last leaf was shown.
  std::vector<EventHash> Path() const;

 private:
  struct Sibling {
    std::uint64_t first = 0;  // leaf of the subtree, from 0
    std::uint64_t end = 0;    // behind its last
    MerkleTree tree;
  };
  std::vector<Sibling> siblings_;
  std::uint64_t next_ = 0;
};

// The root of a tree of `size` leaves in which the leaf `hash` at `position` has this path; nullopt
// when the path has not the right length.
std::optional<EventHash> RootOf(const EventHash& hash, Position position, std::uint64_t size,
                                const std::vector<EventHash>& path);

}  // namespace muster::audit
