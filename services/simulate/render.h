// How a study looks: text for people (80 columns) and JSON for programs, with the same numbers.
// Pure.
#pragma once

#include <string>

#include "services/simulate/simulate.h"

namespace muster::simulate {

struct Looks {
  bool color = false;
};

// One run: a chart, a table of days, the numbers, the assumptions. Several: the numbers' p10,
// median and p90, and the run whose spend is the median one.
std::string ToText(const Request& request, const Study& study, Looks looks);

// Everything, also each run's hours; one object, sorted keys, ends in a newline.
std::string ToJson(const Request& request, const Study& study);

}  // namespace muster::simulate
