// How the parts of a fleet's status are put together from the models that know them. Pure.
#pragma once

#include <string>
#include <vector>

#include "queries/fleet_status/model.h"
#include "queries/health/model.h"
#include "queries/projection.h"

namespace muster::queries {

// The limit of the clock that runs against a worker of this health; zero = none.
absl::Duration ClockLimit(const specpb::Timers& timers, std::string_view health);

// Fills what workers say: counts, rate, oldest fact, the state line. `open` are the open workers
// of the fleet; `fleet` has wants, waits and money already.
void AddWorkers(FleetStatus& fleet, const std::vector<WorkerStatus>& open, absl::Time now);

// One line: what is not as it should be and what happens next, or "all healthy".
std::string StateLine(const FleetStatus& fleet, const std::vector<WorkerStatus>& open,
                      absl::Time now);

// $/h per (unit/s); zero when nothing is produced.
MicroUsdPerHour CostPerUnitRate(MicroUsdPerHour price, double rate_per_s);

// Next midnight UTC after `now`.
absl::Time NextMidnight(absl::Time now);

}  // namespace muster::queries
