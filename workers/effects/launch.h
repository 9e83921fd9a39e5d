// Launch: carries out one LaunchRequested.
//
//   sent once --> yes: LaunchAnswered | clear no: LaunchRefused
//             \-> unclear: LaunchLost, then look-ups by label until the rental is found
//                 (LaunchAnswered LOOKUP) or complete look-ups over the settle time never showed it
//                 (LaunchSettledAbsent)
//
// There is never a second create for one intent. Reactor thread.
#pragma once

#include <string>

#include "workers/effects/effect_context.h"

namespace muster {

// REQUIRES: the worker's LaunchRequested was appended by this run and not acted upon yet
Task<void> Launch(EffectContext& context, WorkerId worker, std::string cause);

// For an intent found in flight at the start: whether it was sent is unknown, so it is looked up.
Task<void> ResumeLaunch(EffectContext& context, WorkerId worker);

}  // namespace muster
