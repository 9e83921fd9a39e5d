// EvidenceOf: builds the evidence of a decision; and how its texts say numbers. Pure.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "commands/context.h"
#include "eventstore/base/strings.h"

namespace muster::fleet {

struct Compared {
  std::string_view name;  // "price"
  double value = 0;
  double threshold = 0;
  std::string_view unit;  // "usd_per_hour"
};

// "1 worker", "2 workers"
inline std::string Workers(int count) { return Cat(count, count == 1 ? " worker" : " workers"); }
// A rate for people, of two digits: "2.8", "0.14", "37".
inline std::string RateText(double rate) {
  return std::fabs(rate) >= 9.95 ? absl::StrFormat("%.0f", rate) : absl::StrFormat("%.2g", rate);
}

inline eventpb::Evidence EvidenceOf(std::string_view rule, std::string summary,
                                    std::string policy_version,
                                    const std::vector<Compared>& compared,
                                    const std::vector<std::uint64_t>& positions) {
  eventpb::Evidence evidence;
  evidence.set_rule(std::string(rule));
  evidence.set_summary(std::move(summary));
  evidence.set_policy_version(std::move(policy_version));
  for (const Compared& one : compared) {
    if (!std::isfinite(one.value) || !std::isfinite(one.threshold)) continue;
    eventpb::Measure* measure = evidence.add_measures();
    measure->set_name(std::string(one.name));
    measure->set_value(one.value);
    measure->set_threshold(one.threshold);
    measure->set_unit(std::string(one.unit));
  }
  for (std::uint64_t position : positions) {
    const auto& known = evidence.positions();
    if (position > 0 && std::find(known.begin(), known.end(), position) == known.end()) {
      evidence.add_positions(position);
    }
  }
  return evidence;
}

}  // namespace muster::fleet
