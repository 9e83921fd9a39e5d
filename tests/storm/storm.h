// Storm: one run of the whole program under virtual time, from one seed.
//
//   const StormReport report = RunStorm({.seed = 7});
//   if (!report.broken.empty()) ...
//
// Phase 1: faults, failures, operators, crashes; phase 2: calm, within kCalm everything must be as
// it should; phase 3: every fleet is taken down and every server given back, within kEnd nothing is
// left. Single-threaded; the
// same options give the same report on any machine.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace muster::storm {

inline constexpr absl::Duration kCalm = absl::Hours(4);
inline constexpr absl::Duration kEnd = absl::Hours(1);

// What is taken out of a storm that the seed would have in it, to find out what a failure needs.
struct Limits {
  // Traps, by name (those of dedicated servers as robot_NAME); of kHappenings, kCalamities;
  // "servers".
  std::set<std::string> without;
  std::optional<int> fleets, workers, crashes, requests;  // at most (workers: of each fleet)
};
inline constexpr const char* kHappenings[] = {"crash", "act",     "burst", "credit", "price",
                                              "clock", "failure", "more",  "forget", "calamity"};

struct Weather;

struct StormOptions {
  std::uint64_t seed = 1;
  std::optional<absl::Duration> length;  // of phase 1; else as the seed draws it
  bool trace = false;                    // the whole story to stderr at the end
  std::size_t explain = 0;               // so many chains of evidence to stderr at the end
  int servers = 0;                       // so many seeds of a hundred have dedicated servers too
  Limits limits;
  void (*suit)(Weather&) = nullptr;  // what is done to the weather that the seed draws, first
};

struct StormReport {
  std::uint64_t seed = 0;
  std::string digest;              // of the log: the last link of its hash chain, in hex
  std::string broken;              // the first broken invariant and how; "" = all held
  std::vector<std::string> story;  // what led there: the last events, and what the storm did
  std::vector<std::string> why;    // and as `muster explain` tells it of those that `broken` names
  absl::Duration length;           // all phases
  absl::Duration rage;             // phase 1, as planned
  int fleets = 0, workers = 0;     // as begun with; workers of the largest
  double fleet_hours = 0;
  std::uint64_t events = 0;
  int launched = 0;  // contracts by the provider's ledger
  int crashes = 0;
  std::map<std::string, int> crash_kinds;
  std::uint64_t bytes_at_risk = 0;       // of the log, written and not synced when the power went
  std::uint64_t bytes_left = 0;          // of those, still there afterwards
  int requests = 0;                      // of operators
  int refused = 0;                       // of those
  std::map<std::string, int> condemned;  // workers, by rule
  std::map<std::string, int> rules;      // decisions of any kind, by rule
  std::map<std::string, int> faults;     // traps that fired
  std::map<std::string, int> happened;   // of kHappenings; "server order" and the like
  std::map<std::string, int> outcomes;   // of effects, see coverage.h
};

StormReport RunStorm(const StormOptions& options);

}  // namespace muster::storm
