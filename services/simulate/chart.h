// The chart of a run: workers over time. Pure.
#pragma once

#include <string>

#include "services/simulate/report.h"

namespace muster::simulate {

// '#' is a worker at work, '.' a machine that is paid for and not at work, one line per worker (or
// per several), days below. At most 80 columns; colours only on request.
std::string WorkersChart(const Report& run, bool color);

}  // namespace muster::simulate
