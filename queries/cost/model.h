// Money: what is spent per hour now, today (UTC) and in total. Plain values.
#pragma once

#include <string>
#include <vector>

#include "eventstore/base/units.h"

namespace muster::queries {

struct CostRow {
  std::string key;       // fleet, worker, GPU, or day "2026-11-21"
  MicroUsdPerHour burn;  // now
  MicroUsd today;        // since midnight UTC
  MicroUsd total;
  MicroUsd lost;  // spent on workers that ended without ever producing
};

struct CostReport {
  CostRow sum;                   // of everything asked for; key ""
  std::vector<CostRow> fleets;   // by name
  std::vector<CostRow> gpus;     // by name
  std::vector<CostRow> workers;  // open ones, and those that cost something today; by id
  std::vector<CostRow> days;     // newest first, 31 at most
};

}  // namespace muster::queries
