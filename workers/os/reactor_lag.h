// ReactorLag: how late the reactor's timers fire, which is how long something held its thread.
//
// Written by the reactor, read from any thread (the metrics page) without a lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace muster {

class ReactorLag {
 public:
  // Upper bounds of the histogram's buckets; one more bucket takes what is later than the last.
  static constexpr std::array<int, 10> kBoundsMs = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};

  struct Numbers {
    std::array<std::uint64_t, kBoundsMs.size() + 1> buckets{};  // not cumulative
    std::uint64_t count = 0;
    absl::Duration sum;
    absl::Duration max;
  };

  void Record(absl::Duration late);
  // The numbers since the start. Taken without a lock: a record in flight may be half in it.
  Numbers Read() const;

 private:
  std::array<std::atomic<std::uint64_t>, kBoundsMs.size() + 1> buckets_{};
  std::atomic<std::int64_t> sum_ns_{0};
  std::atomic<std::int64_t> max_ns_{0};
};

}  // namespace muster
