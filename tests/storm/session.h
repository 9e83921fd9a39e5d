// Session: storms of many seeds, what they found and what they exercised, printed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/storm/storm.h"

namespace muster::storm {

struct Session {
  std::vector<std::uint64_t> seeds;
  std::vector<std::uint64_t> fresh;  // more of them, which nobody ran before
  StormOptions options;              // of each; the seed is not used
  int jobs = 1;
  int shrink_runs = 40;  // storms at most, to make the first failure smaller; 0 = do not
  bool cover = false;    // what could be exercised and was not is a failure
};

// Prints a line per seed; of failures what led there, the smallest variant of the first, and the
// commands that repeat them. The first seed is run twice and must give one digest.
//
// True: all held.
bool RunSession(const Session& session);

// Processor time that this process and those that it waited for have used, in seconds.
double ProcessorSeconds();

// Reads the flags of `Limits`, "--workers 3"; false: `flag` is none of them, or `value` is no good.
bool ReadLimit(const std::string& flag, const std::string& value, Limits& limits);

}  // namespace muster::storm
