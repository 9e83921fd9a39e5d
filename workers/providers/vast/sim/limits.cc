#include "workers/providers/vast/sim/limits.h"

namespace muster::vastsim {

namespace {

bool IsSearch(const std::string& endpoint) {
  return endpoint == "POST bundles" || endpoint == "GET bundles" || endpoint == "PUT search/asks";
}

}  // namespace

std::map<std::string, absl::Duration> VastSimOptions::DefaultIntervals() {
  return {
      {"PUT asks/{id}", absl::Milliseconds(4500)},
      {"DELETE instances/{id}", absl::Seconds(3)},
      {"GET v1/instances", absl::Seconds(1)},
      {"GET instances/{id}", absl::Seconds(2)},
      {"PUT instances/{id}", absl::Seconds(1)},
      {"PUT instances/reboot/{id}", absl::Seconds(1)},
      {"PUT instances/recycle/{id}", absl::Seconds(1)},
      {"PUT instances/bid_price/{id}", absl::Milliseconds(5500)},
      {"PUT instances/command/{id}", absl::Milliseconds(1500)},
  };
}

std::optional<double> Limits::Refuse(const std::string& endpoint, const std::string& caller,
                                     absl::Time now) {
  if (!options_.rate_limits) return std::nullopt;
  if (IsSearch(endpoint)) {  // one budget, however it is spelt
    Seen& seen = seen_[{"search", caller}];
    while (!seen.recent.empty() && seen.recent.front() <= now - absl::Minutes(1)) {
      seen.recent.pop_front();
    }
    if (seen.recent.size() >= static_cast<std::size_t>(options_.searches_per_minute)) {
      return 60.0 / options_.searches_per_minute;
    }
    seen.recent.push_back(now);
    return std::nullopt;
  }
  const auto interval = options_.intervals.find(endpoint);
  if (interval == options_.intervals.end()) return std::nullopt;
  Seen& seen = seen_[{endpoint, caller}];
  if (now >= seen.last + interval->second && now >= seen.locked_until) {
    seen.last = now;
    return std::nullopt;
  }
  if (options_.refusal_restarts_interval) seen.last = now;
  if (endpoint == "PUT asks/{id}" && options_.create_penalty > absl::ZeroDuration()) {
    seen.locked_until = now + options_.create_penalty;
  }
  return absl::ToDoubleSeconds(interval->second);
}

}  // namespace muster::vastsim
