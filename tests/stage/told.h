// Told: what `explain` tells of a log, with all that differs from run to run or machine to machine
// by chance put as numbers, and compared to a golden file.
#pragma once

#include <string>

#include "eventstore/event_store.h"

namespace muster {

// Names, ids, clock times, positions and amounts stand as numbers by order of appearance; positions
// as 1, 2, ... and behind each line those that it was drawn from. A failure of the test when
// nothing can be told.
std::string ToldSteadily(const EventStore& store, const std::string& subject);

// Expects `text` to be section `name` of tests/golden/`file`; MUSTER_UPDATE_GOLDEN=1 writes it
// anew.
void ExpectGolden(const std::string& file, const std::string& name, const std::string& text);

}  // namespace muster
