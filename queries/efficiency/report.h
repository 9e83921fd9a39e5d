// EfficiencyReport out of the health and the cost model: it has no state of its own. Pure.
#pragma once

#include <string>
#include <vector>

#include "queries/efficiency/model.h"
#include "queries/health/model.h"

namespace muster::queries {

class CostProjection;
class HealthProjection;

// What `open`, the open workers (of one fleet, or of all when `fleet` is empty), and the ended ones
// did and cost.
EfficiencyReport MakeEfficiency(const std::vector<WorkerStatus>& open,
                                const HealthProjection& health, const CostProjection& cost,
                                const std::string& fleet);

}  // namespace muster::queries
