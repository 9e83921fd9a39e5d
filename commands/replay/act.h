// Act: one decision of the policy that does something, as it stands in the log or as it was decided
// anew: two of them are the same when their lines are. Notes (health, waits, roll-ups) are none.
//
// Pure values. Numbers that only explain are no part of the line: the evidence is compared apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "commands/fleet/plan/decision.h"
#include "commands/replay/recorded.h"
#include "commands/world.h"

namespace muster::replay {

struct Act {
  std::string line;       // "rent fleet/zeb place 2 offer 31801284 61700 replenish"
  FleetName fleet;        // empty: of the account
  ProviderName provider;  // of what the account alone is concerned with
  WorkerId worker;        // none for a launch
  OfferId offer;
  MicroUsdPerHour price;
  std::string rule;
  std::string text;  // for people
  eventpb::Evidence evidence;
  bool is_launch = false;
  bool ends_worker = false;
  std::uint64_t position = 0;  // in the log; 0 = decided anew
};

// What `recorded` decides; nullopt when it is no decision of the policy, or only a note. `world` is
// as it was before the event.
std::optional<Act> ActOf(const Recorded& recorded, const World& world);

// The same of a decision on `world`.
std::optional<Act> ActOf(const fleet::Decision& decision, const World& world);

// Whether both were drawn from the same numbers and events.
bool SameEvidence(const Act& a, const Act& b);

// Ids of foreign making, as they may leave the installation: numbers as they are, everything else
// by a digest of a few letters. "31801284" -> "31801284", "gpu-host.example" -> "x3f9c01b2".
std::string ShownId(std::string_view id);

// Stable over programs and machines: of the acts' lines in their order, each with its moment.
class ActDigest {
 public:
  void Add(std::uint64_t moment, const Act& act);
  std::string Hex() const;  // sixteen digits
  std::int64_t count() const { return count_; }

 private:
  std::string state_;
  std::int64_t count_ = 0;
};

}  // namespace muster::replay
