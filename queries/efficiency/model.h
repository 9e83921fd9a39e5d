// Work for money: what each worker, GPU type and fleet does, and what a unit of it costs.
// Plain values.
#pragma once

#include <string>
#include <vector>

#include "eventstore/base/units.h"

namespace muster::queries {

struct EfficiencyRow {
  std::string key;             // worker, GPU or fleet
  std::string gpu;             // of a worker
  int workers = 0;             // open ones
  double rate_per_s = 0;       // of those that produce now
  double rate_mean_per_s = 0;  // sum of their means
  double expected_rate_per_s = 0;
  MicroUsdPerHour price;               // of the open ones, idle ones included
  MicroUsdPerHour cost_per_unit_rate;  // $/h per (unit/s); zero = nothing is produced
  double total_units = 0;              // work done, where it is counted; ended workers included
  MicroUsd spent;                      // ended workers included
};

struct EfficiencyReport {
  std::vector<EfficiencyRow> workers;  // open ones, cheapest work first, idle ones last
  std::vector<EfficiencyRow> gpus;     // likewise
  std::vector<EfficiencyRow> fleets;   // likewise
  std::string work_unit;               // "" when the fleets count different things
};

}  // namespace muster::queries
