#include "workers/providers/hetzner/limits.h"

#include <string>

namespace muster::hetzner {

RateLimits DefaultRateLimits() {
  RateLimits limits;
  const auto set = [&](std::string_view bucket, int calls, absl::Duration window, int reserve = 0) {
    limits.quotas[std::string(bucket)] = {calls, window, reserve};
  };
  set(kServerBucket, 200, absl::Hours(1), kServerReserve);
  set(kReadBucket, 500, absl::Hours(1), kReadReserve);
  // Nobody only looks in these.
  set(kResetBucket, 50, absl::Hours(1));
  set(kKeyBucket, 200, absl::Hours(1));
  // Whether orders that are refused or only checked count is not said: they do here.
  set(kAuctionBucket, kOrdersPerDay, absl::Hours(24));
  set(kStandardBucket, kOrdersPerDay, absl::Hours(24));
  return limits;
}

}  // namespace muster::hetzner
