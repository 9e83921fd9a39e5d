// What storms exercised, and what they never did. The lists of what there is come from the
// program's own descriptors and tables, so that nobody has to keep them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "eventstore/event_store.h"
#include "tests/storm/storm.h"

namespace muster::storm {

using Counts = std::map<std::string, int>;

// How often each kind of event, and each value of each enum in it, stands in the log:
// "destroy_answered", "destroy_answered.answer UNCLEAR".
Counts OutcomesIn(const EventStore& store);

// The sums over many storms.
struct Coverage {
  Counts rules, faults, happened, outcomes;
  void Add(const StormReport& report);
};

// All there is to exercise: "rule no-progress", "trap hang_before", "happening crash",
// "outcome destroy_answered.answer UNCLEAR".
std::vector<std::string> AllThereIs();

// What weather cannot reach, each with the reason.
const std::map<std::string, std::string>& OutOfReach();

// What is wrong with the coverage, a line each: what is within reach and was not exercised; what is
// said to be out of reach and was exercised, or does not exist. Empty = nothing.
std::vector<std::string> Gaps(const Coverage& coverage);

}  // namespace muster::storm
