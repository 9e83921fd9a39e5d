#include "workers/effects/destroy.h"

#include <algorithm>
#include <utility>

namespace muster {
namespace {

using Answered = eventpb::DestroyAnswered;

constexpr double kJitter = 0.1;

const worker::Destroying* DestroyingOf(const worker::State* state) {
  return state == nullptr ? nullptr : std::get_if<worker::Destroying>(&state->phase);
}

Answered::Answer AnswerOf(Trouble trouble) {
  switch (trouble) {
    case Trouble::kNone:
      return Answered::ACCEPTED;
    case Trouble::kNotFound:
      return Answered::NOT_FOUND;
    case Trouble::kThrottled:
      return Answered::THROTTLED;
    case Trouble::kNoCredit:
    case Trouble::kAuth:
    case Trouble::kForbidden:
    case Trouble::kOfferGone:
    case Trouble::kRejected:
    case Trouble::kConflict:
      return Answered::REFUSED;
    case Trouble::kUnavailable:
      return Answered::UNAVAILABLE;
    case Trouble::kUnclear:
    case Trouble::kMalformed:
      return Answered::UNCLEAR;
  }
  return Answered::UNCLEAR;
}

// The call behind a DestroyRequested that has no answer yet.
Task<void> CallOnce(EffectContext& context, WorkerId worker, InstanceId instance,
                    std::string cause) {
  const absl::Time deadline = context.Now() + context.options.call_timeout;
  const Status status = co_await context.link.provider.Destroy(instance, deadline);
  context.reporter.Report("destroy", status);
  worker::DestroyAnswer answer{AnswerOf(TroubleOf(status)), std::string(Message(status))};
  (void)co_await context.Tell(std::move(worker), std::move(answer), std::move(cause));
}

}  // namespace

Task<void> Destroy(EffectContext& context, WorkerId worker, std::string cause) {
  const worker::State* state = context.FindWorker(worker);
  if (state == nullptr) co_return;
  absl::Duration wait = SecondsOr(context.TimersOf(state->identity.fleet).destroy_again_s(),
                                  context.options.destroy_again);
  while (true) {
    const worker::Destroying* destroying = DestroyingOf(context.FindWorker(worker));
    if (destroying == nullptr) co_return;  // confirmed gone
    if (destroying->in_flight) {
      const InstanceId instance = destroying->instance;
      co_await CallOnce(context, worker, instance, cause);
    }
    const double factor = context.link.rt.rng().Between(1 - kJitter, 1 + kJitter);
    const bool going = co_await context.group.Sleep(wait * factor);
    if (!going) co_return;
    wait = std::min(2 * wait, context.options.destroy_again_max);
    if (DestroyingOf(context.FindWorker(worker)) == nullptr) co_return;
    (void)co_await context.Tell(worker, worker::RetryDestroy{}, cause);
  }
}

}  // namespace muster
