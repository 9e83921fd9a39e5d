#include "workers/os/reactor_lag.h"

#include <algorithm>

namespace muster {

void ReactorLag::Record(absl::Duration late) {
  const std::int64_t ns = std::max<std::int64_t>(0, absl::ToInt64Nanoseconds(late));
  std::size_t bucket = 0;
  while (bucket < kBoundsMs.size() && ns > std::int64_t{1'000'000} * kBoundsMs[bucket]) ++bucket;
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(ns, std::memory_order_relaxed);
  // One writer: load and store need no exchange loop.
  if (ns > max_ns_.load(std::memory_order_relaxed)) max_ns_.store(ns, std::memory_order_relaxed);
}

ReactorLag::Numbers ReactorLag::Read() const {
  Numbers numbers;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    numbers.buckets[i] = buckets_[i].load(std::memory_order_relaxed);
    numbers.count += numbers.buckets[i];
  }
  numbers.sum = absl::Nanoseconds(sum_ns_.load(std::memory_order_relaxed));
  numbers.max = absl::Nanoseconds(max_ns_.load(std::memory_order_relaxed));
  return numbers;
}

}  // namespace muster
