// Compare: what the candidate would have decided where the live policy has just decided, by the
// very same code on the same observations, and what came of earlier disagreements since.
//
// Pure: values in, events for the shadow's own stream out. The same log gives the same events.
#pragma once

#include "commands/fleet/plan/options.h"
#include "commands/fleet/plan/plan.h"
#include "commands/shadow/state.h"
#include "commands/world.h"

namespace muster::shadow {

// One look of the live policy, before anything of it is carried out. Borrowed for the call.
struct Moment {
  const World& world;             // that the plan was made from
  const fleet::PlanResult& live;  // what was decided
  const fleet::PlanOptions& options;
  absl::Time now;
};

struct Comparison {
  Events events;  // ShadowDisagreed, ShadowResolved
  int agreements = 0;
  int unrecorded = 0;  // disagreements over kPerHourMax
};

// REQUIRES: shadow.running, the world has its fleet, and the live plan looked at it
Comparison Compare(const Moment& moment, const State& shadow);

// Whether the live plan rents or ends something of this fleet: what a comparison must not miss.
bool DecidesAnything(const fleet::PlanResult& plan, const World& world, const FleetName& fleet);

}  // namespace muster::shadow
