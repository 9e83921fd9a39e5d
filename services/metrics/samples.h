// Samples: builds the metric families of one moment. Internal to services/metrics.
#pragma once

#include <prometheus/metric_family.h>

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/metrics/metrics.h"

namespace muster::metrics {

class Samples {
 public:
  // `labels` are the values, in the order of the table. Foreign text becomes valid UTF-8.
  void Add(std::string_view name, std::initializer_list<std::string_view> labels, double value);
  // A histogram without labels. REQUIRES: counts.size() == bounds.size() + 1
  void AddHistogram(std::string_view name, const std::vector<double>& bounds,
                    const std::vector<std::uint64_t>& counts, double sum);
  std::vector<prometheus::MetricFamily> Take();

 private:
  prometheus::MetricFamily& Family(std::string_view name);

  std::map<std::string_view, prometheus::MetricFamily> families_;
};

// Everything that Update shows.
std::vector<prometheus::MetricFamily> Collect(const Metrics::Moment& moment, absl::Time now,
                                              const MetricsOptions& options);

}  // namespace muster::metrics
