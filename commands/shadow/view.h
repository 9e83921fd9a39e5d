// View: the World as it would be had the candidate decided since the shadow began: the log's own,
// with the book laid over it. Pure.
#pragma once

#include "commands/shadow/state.h"
#include "commands/world.h"

namespace muster::shadow {

// A would-be worker boots for so long, then works at the rate expected of its offer, and never
// fails.
inline constexpr absl::Duration kModelledBoot = absl::Minutes(5);

// What "worker" a would-be one is called: "would-be-7".
WorkerId WouldBe(std::int64_t number);

// REQUIRES: world has the shadow's fleet
World CandidateWorld(const World& world, const State& shadow, absl::Time now);

}  // namespace muster::shadow
