#include "workers/effects/effect_context.h"

#include <utility>

namespace muster {
namespace {

constexpr absl::Duration kStoreRetry = absl::Seconds(5);

}  // namespace

Task<Status> EffectContext::Tell(WorkerId worker, worker::Command command, std::string cause) {
  while (true) {
    Origin origin{.actor = "effects"};
    origin.cause = cause;
    const StatusOr<Outcome> outcome = co_await link.handler.Worker(worker, command, origin);
    const StatusCode code = outcome.status().code();
    if (code != StatusCode::kUnavailable && code != StatusCode::kResourceExhausted) {
      co_return outcome.status();
    }
    const bool going = co_await group.Sleep(kStoreRetry);
    if (!going) co_return outcome.status();
  }
}

}  // namespace muster
