// Effects: turns the intents of the log into calls to one provider, and reports what came of them.
//
//   LaunchRequested  --> Provider::Launch  --> LaunchAnswered | LaunchRefused | LaunchLost +
//   look-ups DestroyRequested --> Provider::Destroy --> DestroyAnswer, RetryDestroy until confirmed
//   absent StartRequested   --> Provider::Start   --> StartAnswer FleetApplied     --> preflight
//   HEADs   --> RecordPreflight
//
// An intent is durable before anything here sees it. Each is acted upon at most once per request:
// a call that ended unclearly is looked up at the provider, never simply repeated, and an intent
// found in flight at Start (after a crash) is taken for unclear. Never decides: what is to be
// launched or destroyed, and why, is the policy's. Reactor thread; one per provider.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "eventstore/base/task.h"
#include "workers/runtime/provider_link.h"

namespace muster {

struct EffectsOptions {
  // Used where a fleet's timers say 0.
  absl::Duration launch_timeout = absl::Seconds(90);
  absl::Duration launch_settle = absl::Seconds(180);
  absl::Duration lookup_every = absl::Seconds(10);
  int lookups_min = 3;  // complete look-ups that never showed the label, over launch_settle
  absl::Duration call_timeout = absl::Seconds(60);
  // Between a destroy answer and the next destroy call, doubled up to the maximum.
  absl::Duration destroy_again = absl::Seconds(30);
  absl::Duration destroy_again_max = absl::Minutes(10);
  absl::Duration preflight_again = absl::Minutes(2);  // after a check that failed or missed
};

class Effects {
 public:
  explicit Effects(ProviderLink link, EffectsOptions options = {});
  // REQUIRES: stopped and drained, or the Runtime ended
  ~Effects();
  Effects(const Effects&) = delete;
  Effects& operator=(const Effects&) = delete;

  // Takes up every intent in flight in the World and begins. REQUIRES: Handler::Load was OK
  void Start();
  // Begins nothing new; returns when the last call has been answered or has met its deadline. What
  // is still open then is taken up by the next Start.
  Task<void> Stop();

  int in_flight() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster
