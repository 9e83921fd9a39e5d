// Backoff: how long to wait between tries of what keeps failing: doubled each time, within bounds.
// Pure values.
#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace muster {

struct BackoffBounds {
  absl::Duration least = absl::Minutes(1);
  absl::Duration most = absl::Hours(1);
};

class Backoff {
 public:
  explicit Backoff(BackoffBounds bounds = {}) : bounds_(bounds) {}

  // After one more failure: how long to wait.
  absl::Duration Failed() {
    wait_ = std::clamp(wait_ * 2, bounds_.least, bounds_.most);
    return wait_;
  }
  void Succeeded() { wait_ = absl::ZeroDuration(); }

 private:
  BackoffBounds bounds_;
  absl::Duration wait_;
};

}  // namespace muster
