#include "eventstore/audit/merkle.h"

#include <algorithm>
#include <bit>
#include <string_view>

#include "eventstore/base/check.h"
#include "eventstore/base/sha256.h"

namespace muster::audit {
namespace {

constexpr std::string_view kLeaf("\x00", 1);
constexpr std::string_view kNode("\x01", 1);

EventHash Leaf(const EventHash& hash) { return Sha256({kLeaf, Bytes(hash)}); }
EventHash Node(const EventHash& left, const EventHash& right) {
  return Sha256({kNode, Bytes(left), Bytes(right)});
}

// The leaves of the left subtree of a tree of `size` > 1: the largest power of two below it.
std::uint64_t Split(std::uint64_t size) { return std::bit_floor(size - 1); }

}  // namespace

void MerkleTree::Append(const EventHash& hash) {
  EventHash node = Leaf(hash);
  for (std::uint64_t rest = size_; (rest & 1) != 0; rest >>= 1) {
    node = Node(peaks_.back(), node);
    peaks_.pop_back();
  }
  peaks_.push_back(node);
  ++size_;
}

EventHash MerkleTree::Root() const {
  if (peaks_.empty()) return Sha256("");
  EventHash root = peaks_.back();
  for (std::size_t i = peaks_.size() - 1; i > 0; --i) root = Node(peaks_[i - 1], root);
  return root;
}

MerklePath::MerklePath(Position position, std::uint64_t size) {
  MUSTER_CHECK(position >= 1 && position <= size);
  const std::uint64_t leaf = position - 1;
  std::uint64_t first = 0;
  std::uint64_t end = size;
  while (end - first > 1) {
    const std::uint64_t middle = first + Split(end - first);
    if (leaf < middle) {
      siblings_.push_back({middle, end, {}});
      end = middle;
    } else {
      siblings_.push_back({first, middle, {}});
      first = middle;
    }
  }
  std::reverse(siblings_.begin(), siblings_.end());
}

void MerklePath::Append(const EventHash& hash) {
  for (Sibling& sibling : siblings_) {
    if (next_ >= sibling.first && next_ < sibling.end) sibling.tree.Append(hash);
  }
  ++next_;
}

std::vector<EventHash> MerklePath::Path() const {
  std::vector<EventHash> path;
  path.reserve(siblings_.size());
  for (const Sibling& sibling : siblings_) path.push_back(sibling.tree.Root());
  return path;
}

std::optional<EventHash> RootOf(const EventHash& hash, Position position, std::uint64_t size,
                                const std::vector<EventHash>& path) {
  if (position == 0 || position > size) return std::nullopt;
  // Which side each sibling is on, from the root down.
  std::vector<bool> on_right;
  std::uint64_t leaf = position - 1;
  for (std::uint64_t rest = size; rest > 1;) {
    const std::uint64_t left = Split(rest);
    on_right.push_back(leaf < left);
    rest = leaf < left ? left : rest - left;
    if (!on_right.back()) leaf -= left;
  }
  if (on_right.size() != path.size()) return std::nullopt;
  EventHash node = Leaf(hash);
  for (std::size_t i = 0; i < path.size(); ++i) {
    node = on_right[path.size() - 1 - i] ? Node(node, path[i]) : Node(path[i], node);
  }
  return node;
}

}  // namespace muster::audit
