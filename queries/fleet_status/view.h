// How the parts of a fleet's status are put together from the models that know them. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "queries/fleet_status/model.h"
#include "queries/health/model.h"
#include "queries/projection.h"

namespace muster::queries {

// The limit of the clock that runs against a worker of this health; zero = none.
absl::Duration ClockLimit(const specpb::Timers& timers, std::string_view health);

// Sums up a fleet's open workers, one after another, so that ten thousand need not be held at once.
class WorkerTally {
 public:
  void Add(const WorkerStatus& worker);
  // `count` workers of one health and phase, once: together they do `rate_per_s`, the oldest fact
  // is of `observed_at`, and of none has the clock run longer than of `oldest`.
  void Add(const WorkerStatus& oldest, int count, double rate_per_s, absl::Time observed_at);
  // Fills what workers say: counts, rate, oldest fact, the state line. `fleet` has wants, waits and
  // money already.
  void AddTo(FleetStatus& fleet, absl::Time now) const;

 private:
  struct Alike {
    int count = 0;
    WorkerStatus oldest;  // whose clock has run longest
  };
  // One line: what is not as it should be and what happens next, or "all healthy".
  std::string StateLine(const FleetStatus& fleet, absl::Time now) const;

  int open_ = 0, have_ = 0, healthy_ = 0, destroying_ = 0;
  double rate_per_s_ = 0;
  absl::Time observed_at_ = absl::InfiniteFuture();
  std::map<std::string, Alike, std::less<>> not_healthy_;  // by health
};

// $/h per (unit/s); zero when nothing is produced.
MicroUsdPerHour CostPerUnitRate(MicroUsdPerHour price, double rate_per_s);

// Next midnight UTC after `now`.
absl::Time NextMidnight(absl::Time now);

}  // namespace muster::queries
