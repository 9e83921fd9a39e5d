// Which of the disks that were seen hold what. Pure.
#pragma once

#include <string>
#include <vector>

#include "eventstore/base/status.h"
#include "eventstore/events/codec.h"

namespace muster::remote {

struct Layout {
  std::vector<eventpb::DiskSeen> all;   // every disk: each is wiped, and each gets boot loaders
  std::vector<eventpb::DiskSeen> root;  // one, or two that mirror each other
  bool mirrored() const { return root.size() == 2; }
  std::vector<std::string> Expected() const;  // words for muster_expect
};

// `raid` is "auto" or "" (a mirror where two are alike), "none" or "raid1" (a mirror or nothing).
// Alike: as many bytes, both with or both without moving parts. Of several choices those without
// moving parts go first, then the larger.
//
// kFailedPrecondition  no disk; disks that cannot be told apart; no two alike for "raid1"
// kInvalidArgument     `raid` is something else
StatusOr<Layout> ChooseLayout(std::string_view raid, const eventpb::Inspection& inspection);

}  // namespace muster::remote
