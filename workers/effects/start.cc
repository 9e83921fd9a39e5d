#include "workers/effects/start.h"

#include <utility>

namespace muster {

// A refused start may stay queued at the provider and take effect later. That is welcome: the
// worker is wanted, and its list entry will show it running. A repeated start does no harm, so an
// unclear one needs no look-up.
Task<void> Start(EffectContext& context, WorkerId worker, std::string cause) {
  const worker::State* state = context.FindWorker(worker);
  const worker::Live* live = state == nullptr ? nullptr : state->live();
  if (live == nullptr || !live->start_requested.seen()) co_return;
  const InstanceId instance = live->instance;
  const absl::Time deadline = context.Now() + context.options.call_timeout;
  const Status status = co_await context.link.provider.Start(instance, deadline);
  context.reporter.Report("start", status);
  worker::StartAnswer answer{status.ok(), std::string(Message(status))};
  (void)co_await context.Tell(std::move(worker), std::move(answer), std::move(cause));
}

}  // namespace muster
