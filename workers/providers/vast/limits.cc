#include "workers/providers/vast/limits.h"

#include <string>

namespace muster::vast {

RateLimits DefaultRateLimits() {
  RateLimits limits;
  limits.interval_default = absl::Milliseconds(500);
  const auto set = [&](std::string_view endpoint, absl::Duration interval) {
    limits.intervals[std::string(endpoint)] = interval;
  };
  set(kSearch, absl::Seconds(6));  // "10 per minute per IP"
  set(kCreate, absl::Milliseconds(4500));
  set(kList, absl::Seconds(1));
  set(kShow, absl::Seconds(2));
  set(kDelete, absl::Seconds(3));
  set(kState, absl::Seconds(1));
  // None is stated, and there is one such call per worker and poll.
  set(kLogs, absl::ZeroDuration());
  set(kUser, absl::ZeroDuration());
  return limits;
}

}  // namespace muster::vast
