// Every metric muster exposes: its name, type, labels and help, in one table. What is not here is
// not exposed; README.md, the alert rules and the dashboard are checked against it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace muster::metrics {

enum class Type { kCounter, kGauge, kHistogram };

struct MetricInfo {
  std::string_view name;
  Type type;
  std::vector<std::string_view> labels;
  std::string_view help;
};

// By name.
const std::vector<MetricInfo>& AllMetrics();
// REQUIRES: `name` is in AllMetrics()
const MetricInfo& Info(std::string_view name);

}  // namespace muster::metrics
