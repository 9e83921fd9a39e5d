// Many storms: beside each other in processes, and smaller and smaller until one no longer fails.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/storm/storm.h"

namespace muster::storm {

using Runner = std::function<StormReport(const StormOptions&)>;

// Runs a storm for each of `seeds` in `jobs` processes, and hands over the reports in the order of
// the seeds. A process that dies is a broken storm.
//
// REQUIRES: no other thread runs
void RunSeeds(const std::vector<std::uint64_t>& seeds, const StormOptions& options, int jobs,
              const std::function<void(const StormReport&)>& each);

// One storm in a process of its own, so that its end is not ours.
StormReport RunApart(const StormOptions& options);

struct Smallest {
  StormOptions options;
  StormReport report;
  int runs = 0;  // that it took
};
// The smallest variant of a storm that still breaks the invariant that `failed`, the report of
// `options`, breaks: fewer hours, kinds of happenings, fleets, workers, crashes, requests and
// traps. Runs at most `runs_max` storms with `run`; where that is too few, the smallest found.
Smallest Shrink(const StormReport& failed, const StormOptions& options, int runs_max,
                const Runner& run);

// The flags that repeat `options`: "--seed 7 --hours 0.5 --without crash".
std::string Flags(const StormOptions& options);

}  // namespace muster::storm
