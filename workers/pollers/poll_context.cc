#include "workers/pollers/poll_context.h"

#include <algorithm>

namespace muster {
namespace {

constexpr double kJitter = 0.05;

}  // namespace

absl::Duration PollContext::Interval(std::int64_t (specpb::Timers::*seconds)() const,
                                     absl::Duration otherwise) const {
  absl::Duration least = absl::InfiniteDuration();
  for (const auto& [name, fleet] : world().fleets) {
    if (fleet.ended || fleet.spec.provider() != provider().str()) continue;
    const std::int64_t asked = (fleet.spec.timers().*seconds)();
    least = std::min(least, asked > 0 ? absl::Seconds(asked) : otherwise);
  }
  return least == absl::InfiniteDuration() ? otherwise : least;
}

Task<bool> Turns::Next(std::function<absl::Duration()> interval) {
  const double factor = rt_.rng().Between(1 - kJitter, 1 + kJitter);
  while (!group_.stopping()) {
    const absl::Time now = rt_.Now();
    if (last_ > now) last_ = now;  // the clock stepped back
    const absl::Time due = std::min(last_ + interval() * factor, hurried_);
    if (due <= now) {
      last_ = now;
      hurried_ = absl::InfiniteFuture();
      co_return true;
    }
    const bool going = co_await group_.Sleep(due - now);
    if (!going) break;
  }
  co_return false;
}

void Turns::Hurry(absl::Duration gap) {
  hurried_ = std::min(hurried_, std::max(rt_.Now(), last_ + gap));
  group_.Nudge();
}

}  // namespace muster
