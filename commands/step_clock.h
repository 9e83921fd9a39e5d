// StepClock: what a jump of the wall clock means for all that is folded. Pure.
#pragma once

#include "absl/time/time.h"
#include "commands/world.h"

namespace muster {

// Moves every time in `world` by `by`, so that no span holds time that did not pass: a World
// afterwards equals one that was folded under the new clock from the beginning. What was counted by
// calendar days stays.
void StepClock(World& world, absl::Duration by);

}  // namespace muster
