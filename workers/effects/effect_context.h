// EffectContext: what the effects of one provider share. Internal to workers/effects. Reactor
// thread.
#pragma once

#include <string>

#include "commands/handler/handler.h"
#include "workers/effects/effects.h"
#include "workers/ports/provider.h"
#include "workers/runtime/account_reporter.h"
#include "workers/runtime/provider_link.h"
#include "workers/runtime/task_group.h"

namespace muster {

// A timer of a fleet, or what holds where it says 0.
inline absl::Duration SecondsOr(std::int64_t seconds, absl::Duration otherwise) {
  return seconds > 0 ? absl::Seconds(seconds) : otherwise;
}

struct EffectContext {
  EffectContext(ProviderLink l, EffectsOptions o)
      : link(l), options(o), group(l.rt), reporter(l.handler, group, l.provider.name()) {}

  const World& world() const { return link.handler.world(); }
  absl::Time Now() const { return link.rt.Now(); }
  const ProviderName& provider() const { return link.provider.name(); }
  const worker::State* FindWorker(const WorkerId& id) const { return world().FindWorker(id); }
  // Empty for a fleet that nobody knows.
  specpb::Timers TimersOf(const FleetName& fleet) const {
    const fleet::State* state = world().FindFleet(fleet);
    return state != nullptr ? state->spec.timers() : specpb::Timers();
  }
  // Reports what came of an intent, as TellUntilTaken does.
  Task<Status> Tell(WorkerId worker, worker::Command command, std::string cause);

  ProviderLink link;
  EffectsOptions options;
  TaskGroup group;
  AccountReporter reporter;
};

}  // namespace muster
