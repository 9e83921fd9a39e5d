#include "workers/servers/remote/layout.h"

#include <algorithm>
#include <set>

#include "eventstore/base/strings.h"

namespace muster::remote {

std::vector<std::string> Layout::Expected() const {
  std::vector<std::string> words;
  words.reserve(all.size());
  for (const eventpb::DiskSeen& disk : all) {
    words.push_back(Cat(disk.identity(), " ", disk.bytes()));
  }
  return words;
}

StatusOr<Layout> ChooseLayout(std::string_view raid, const eventpb::Inspection& inspection) {
  if (!raid.empty() && raid != "auto" && raid != "none" && raid != "raid1") {
    return InvalidArgument(
        Cat("install.raid is \"auto\", \"none\" or \"raid1\", not \"", raid, "\""));
  }
  Layout layout{.all = {inspection.disks().begin(), inspection.disks().end()}, .root = {}};
  if (layout.all.empty()) return FailedPrecondition("the inspection saw no disk");
  std::set<std::string> identities;
  for (const eventpb::DiskSeen& disk : layout.all) {
    if (disk.identity().empty() || !identities.insert(disk.identity()).second) {
      return FailedPrecondition(
          Cat("the disk ", disk.path(),
              " has no identity of its own (neither WWN nor serial number that no other disk "
              "has): it cannot be told from others when it is to be wiped"));
    }
  }
  std::sort(layout.all.begin(), layout.all.end(),
            [](const auto& a, const auto& b) { return a.identity() < b.identity(); });
  std::vector<eventpb::DiskSeen> ranked = layout.all;
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    if (a.rotates() != b.rotates()) return b.rotates();
    return a.bytes() != b.bytes() ? a.bytes() > b.bytes() : a.identity() < b.identity();
  });
  layout.root = {ranked.front()};
  if (raid == "none") return layout;
  for (std::size_t i = 1; i < ranked.size(); ++i) {
    const eventpb::DiskSeen &one = ranked[i - 1], &other = ranked[i];
    if (one.bytes() == other.bytes() && one.rotates() == other.rotates()) {
      layout.root = {one, other};
      return layout;
    }
  }
  if (raid == "raid1") return FailedPrecondition("no two disks are alike, which raid1 needs");
  return layout;
}

}  // namespace muster::remote
