// Observation: all that watches one provider's account, from the day's credit to each worker's log.
//
//   instance list --+
//   market search --+--> observation commands --> Handler --> log
//   account      ---+
//   one log poller per live worker
//
// Starts and stops log pollers as the Handler reports workers accepted and ended. Every poller is a
// coroutine of its own with a deadline for each call, so a hung call costs its worker one
// observation and nobody else anything. A call that fails, is cut or makes no sense says nothing
// about the world; it is reported as ObserveFailure or account trouble, never as bad news of a
// worker. Intervals come from the fleets' timers (the shortest of all fleets on this provider).
// Reactor thread; owned by the daemon, one per provider.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "eventstore/base/task.h"
#include "workers/runtime/provider_link.h"

namespace muster {

struct ObservationOptions {
  // Used while no fleet says otherwise, or says 0.
  absl::Duration list_poll = absl::Seconds(30);
  absl::Duration market_poll = absl::Seconds(60);
  absl::Duration account_poll = absl::Seconds(60);
  absl::Duration log_poll = absl::Seconds(45);
  absl::Duration log_timeout = absl::Seconds(15);
  int log_tail_lines = 50;
  // While a worker is being destroyed or an absence is unconfirmed the list is polled this often.
  absl::Duration list_poll_hurried = absl::Seconds(5);
  absl::Duration call_timeout = absl::Seconds(60);
  // A list may lag behind a new contract: absence this soon after the launch says nothing.
  absl::Duration list_lag = absl::Seconds(60);
};

// How old each kind of fact is; for status and metrics. InfinitePast = never seen.
struct Freshness {
  absl::Time list = absl::InfinitePast();
  absl::Time market = absl::InfinitePast();
  absl::Time account = absl::InfinitePast();
  int log_pollers = 0;
};

class Observation {
 public:
  explicit Observation(ProviderLink link, ObservationOptions options = {});
  // REQUIRES: stopped, or the Runtime ended
  ~Observation();
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

  // Takes up every live worker of the World and begins. REQUIRES: Handler::Load was OK
  void Start();
  // Begins nothing new and returns when what was observed is told. Calls under way are looking only
  // and are not waited for: nothing comes of them any more, and they end with the Runtime's tasks,
  // until when the Provider must live.
  Task<void> Stop();

  // Look at the list, the market and the account now instead of at the next turn.
  void PollNow();
  Freshness freshness() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with the pollers
};

}  // namespace muster
