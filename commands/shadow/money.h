// Money: what the candidate would have spent, from the book and the prices that the log shows.
// Pure.
#pragma once

#include <cstdint>
#include <map>

#include "commands/shadow/state.h"
#include "commands/world.h"

namespace muster::shadow {

struct Spend {
  MicroUsd total;
  MicroUsd today;  // since midnight UTC
  Spend& operator+=(const Spend& other);
  Spend& operator-=(const Spend& other);
};

// By the fleet's workers, ended ones included, by the prices observed.
Spend SpentByFleet(const World& world, const FleetName& fleet, absl::Time now);

// The live worker of each open disagreement that is about one. A launch that the candidate would
// not make has none before it is written. Borrowed from `world`.
std::map<std::int64_t, const worker::State*> LiveWorkers(const World& world, const State& shadow);

// On the live worker since the disagreement began; `worker` may be null.
Spend LiveSide(const Entry& entry, const worker::State* worker, absl::Time now);
// On the worker that only the book has: at its price, from the disagreement on.
Spend CandidateSide(const Entry& entry, absl::Time now);

// What the candidate would have spent beyond what the live fleet did (less than zero: saved), since
// the shadow began.
Spend Difference(const World& world, const State& shadow, absl::Time now);

// Per hour now, over the fleet's open workers.
MicroUsdPerHour BurnOf(const World& world, const FleetName& fleet);

}  // namespace muster::shadow
