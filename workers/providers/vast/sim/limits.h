// Limits: minimum intervals between calls, per endpoint and caller, as the provider keeps them.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::vastsim {

class Limits {
 public:
  explicit Limits(const VastSimOptions& options) : options_(options) {}

  // nullopt = may pass (and is counted); otherwise the threshold in seconds that was broken.
  std::optional<double> Refuse(const std::string& endpoint, const std::string& caller,
                               absl::Time now);

 private:
  struct Seen {
    absl::Time last = absl::InfinitePast();
    absl::Time locked_until = absl::InfinitePast();
    std::deque<absl::Time> recent;  // for calls-per-minute limits
  };
  const VastSimOptions& options_;
  std::map<std::pair<std::string, std::string>, Seen> seen_;
};

}  // namespace muster::vastsim
