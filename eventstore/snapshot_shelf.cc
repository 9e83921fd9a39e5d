#include "eventstore/snapshot_shelf.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace muster {
namespace {

constexpr int kTriesMax = 3;
constexpr std::uint64_t kBytesPerEvent = 100;

std::string IndexName(std::string_view name) { return Cat(name, "/index"); }
std::string SlotName(std::string_view name, int number) { return Cat(name, "/", number); }

}  // namespace

SnapshotShelf::SnapshotShelf(EventStore& store, std::string name, Options options)
    : store_(store),
      name_(std::move(name)),
      options_(options),
      slots_(ReadIndex(store, name_)),
      newest_(slots_.empty() ? 0 : slots_.rbegin()->first) {}

// A line for each: position, slot, bytes. What does not read so is no index.
SnapshotShelf::Slots SnapshotShelf::ReadIndex(const EventStore& store, std::string_view name) {
  Slots slots;
  const auto saved = store.LoadSnapshot(IndexName(name));
  if (!saved.ok()) return slots;
  const std::vector<std::string> lines = absl::StrSplit(saved->state, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    Position position = 0;
    Slot slot;
    if (words.size() != 3 || !absl::SimpleAtoi(words[0], &position) ||
        !absl::SimpleAtoi(words[1], &slot.number) || !absl::SimpleAtoi(words[2], &slot.bytes)) {
      return {};
    }
    slots[position] = slot;
  }
  return slots;
}

// Making a large one holds up the reactor, so it is made less often.
bool SnapshotShelf::Due(Position position) const {
  const std::uint64_t bytes = slots_.empty() ? 0 : slots_.rbegin()->second.bytes;
  const Position every = std::max<Position>(options_.every, bytes / kBytesPerEvent);
  return options_.every > 0 && position >= newest_ + every;
}

// Whose going leaves the smallest gap; never the newest.
SnapshotShelf::Slots::iterator SnapshotShelf::LeastMissed() {
  auto least = slots_.begin();
  Position gap_of_least = 0, before = 0;
  for (auto it = slots_.begin(); std::next(it) != slots_.end(); ++it) {
    const Position gap = std::next(it)->first - before;
    if (it == slots_.begin() || gap < gap_of_least) {
      least = it;
      gap_of_least = gap;
    }
    before = it->first;
  }
  return least;
}

int SnapshotShelf::FreeSlot(std::uint64_t bytes) {
  std::uint64_t all = bytes;
  for (const auto& [position, slot] : slots_) all += slot.bytes;
  while (!slots_.empty() &&
         (static_cast<int>(slots_.size()) >= options_.kept || all > options_.bytes_max)) {
    const auto least = LeastMissed();
    all -= least->second.bytes;
    slots_.erase(least);
  }
  std::set<int> taken;
  for (const auto& [position, slot] : slots_) taken.insert(slot.number);
  int free = 0;
  while (taken.contains(free)) ++free;
  return free;
}

Status SnapshotShelf::Save(const Snapshot& snapshot) {
  newest_ = snapshot.position;
  slots_.erase(slots_.lower_bound(snapshot.position), slots_.end());  // of a log that went on
  const int number = FreeSlot(snapshot.state.size());
  MUSTER_RETURN_IF_ERROR(store_.SaveSnapshot(SlotName(name_, number), snapshot));
  slots_[snapshot.position] = {number, snapshot.state.size()};
  std::string index;
  for (const auto& [position, slot] : slots_) {
    index += Cat(position, " ", slot.number, " ", slot.bytes, "\n");
  }
  return store_.SaveSnapshot(IndexName(name_), {snapshot.position, std::move(index)});
}

std::optional<Snapshot> NearestSnapshot(const EventStore& store, std::string_view name,
                                        Position position,
                                        const std::function<bool(const Snapshot&)>& usable) {
  const SnapshotShelf::Slots slots = SnapshotShelf::ReadIndex(store, name);
  auto it = slots.upper_bound(position);
  for (int tries = 0; tries < kTriesMax && it != slots.begin(); ++tries) {
    --it;
    auto saved = store.LoadSnapshot(SlotName(name, it->second.number));
    // Another one may stand there by now: the slot is written before the index.
    if (saved.ok() && saved->position == it->first && usable(*saved)) return *std::move(saved);
  }
  return std::nullopt;
}

}  // namespace muster
