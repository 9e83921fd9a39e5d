// PollContext: what the pollers of one account share, and how they wait for their turns. Internal
// to workers/pollers. Reactor thread.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "commands/handler/handler.h"
#include "workers/pollers/observation.h"
#include "workers/ports/provider.h"
#include "workers/runtime/account_reporter.h"
#include "workers/runtime/provider_link.h"
#include "workers/runtime/task_group.h"

namespace muster {

struct PollContext {
  PollContext(ProviderLink l, ObservationOptions o)
      : link(l),
        options(o),
        group(l.rt),
        log_group(l.rt),
        reporter(l.handler, group, l.provider.name()) {}

  const World& world() const { return link.handler.world(); }
  absl::Time Now() const { return link.rt.Now(); }
  absl::Time Steady() const { return link.rt.Steady(); }
  // What the wall clock, as it stands now, calls a moment of the steady one.
  absl::Time WallAt(absl::Time steady) const { return Now() - (Steady() - steady); }
  const ProviderName& provider() const { return link.provider.name(); }
  // The shortest of what the active fleets on this provider ask for by `seconds`, in seconds; 0
  // counts as `otherwise`, as does having no fleet.
  absl::Duration Interval(std::int64_t (specpb::Timers::*seconds)() const,
                          absl::Duration otherwise) const;

  ProviderLink link;
  ObservationOptions options;
  TaskGroup group;      // list, market, account: few, nudged
  TaskGroup log_group;  // one per worker: many, never nudged
  AccountReporter reporter;
  Freshness freshness;
  // Keeps all of this alive; held by each poller, since one may wait in a call that hangs when
  // everything else is gone.
  std::weak_ptr<const void> owner;
};

// Looks: when something was last looked at with success, by the steady clock.
class Looks {
 public:
  // How much of the time between the look before and one at `now` neither vouches for, where
  // muster looks every `interval`; nullopt for the first.
  std::optional<absl::Duration> Unwatched(absl::Time now, absl::Duration interval) const {
    if (last_ == absl::InfinitePast()) return std::nullopt;
    return std::max(absl::ZeroDuration(), now - last_ - worker::VouchedFor(interval));
  }
  void Looked(absl::Time now) { last_ = now; }

 private:
  absl::Time last_ = absl::InfinitePast();
};

// Turns: when a poller is to act next. The interval is asked anew after every nudge, so that a
// shorter one takes effect at once; a little jitter keeps pollers from marching in step.
class Turns {
 public:
  Turns(TaskGroup& group, Runtime& rt) : group_(group), rt_(rt) {}
  // Returns true when the turn has come, false when the group stops. The first comes at once.
  Task<bool> Next(std::function<absl::Duration()> interval);
  // The next turn comes now, or `gap` after the one before.
  void Hurry(absl::Duration gap);

 private:
  TaskGroup& group_;
  Runtime& rt_;
  absl::Time last_ = absl::InfinitePast();
  absl::Time hurried_ = absl::InfiniteFuture();
};

}  // namespace muster
