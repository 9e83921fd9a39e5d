// The shrinker, over planted breaks instead of storms.
#include "tests/storm/runs.h"
#include "tests/support/pch.h"

namespace muster::storm {
namespace {

// A storm of 16 hours, 3 fleets of up to 5, with four traps, which breaks when `breaks` says so.
Runner Planted(std::function<bool(const StormOptions&)> breaks, int* runs = nullptr) {
  return [breaks = std::move(breaks), runs](const StormOptions& options) {
    if (runs != nullptr) ++*runs;
    StormReport report;
    report.seed = options.seed;
    report.rage = options.length.value_or(absl::Hours(16));
    report.fleets = std::min(3, options.limits.fleets.value_or(3));
    report.workers = std::min(5, options.limits.workers.value_or(5));
    report.crashes = options.limits.without.count("crash") > 0 ? 0 : 9;
    report.crashes = std::min(report.crashes, options.limits.crashes.value_or(9));
    report.requests = std::min(12, options.limits.requests.value_or(12));
    for (const char* trap : {"slow", "auth_401", "hang_after", "list_lag"}) {
      if (options.limits.without.count(trap) == 0) report.faults[trap] = 3;
    }
    if (breaks(options)) report.broken = "NothingIsLost: planted";
    return report;
  };
}
bool Has(const StormOptions& options, const char* what) {
  return options.limits.without.count(what) == 0;
}

TEST(Flags, RepeatAVariant) {
  StormOptions options;
  options.seed = 7;
  options.length = absl::Minutes(30);
  options.limits.workers = 2;
  options.limits.crashes = 0;
  options.limits.without = {"slow", "crash"};
  EXPECT_EQ(Flags(options), "--seed 7 --hours 0.5 --workers 2 --crashes 0 --without crash,slow");
}

TEST(Flags, SayHowManySeedsHaveServers) {
  StormOptions options;
  options.servers = 25;
  EXPECT_EQ(Flags(options), "--seed 1 --servers 25");
}

TEST(Shrink, LeavesServersOutWhenTheyAreNotNeeded) {
  for (const bool needed : {false, true}) {
    const Runner run = Planted(
        [needed](const StormOptions& options) { return !needed || Has(options, "servers"); });
    StormOptions options;
    options.servers = 100;
    const Smallest smallest = Shrink(run(options), options, 200, run);
    EXPECT_EQ(Has(smallest.options, "servers"), needed);
  }
}

TEST(Shrink, FindsTheSmallestVariantThatStillFails) {
  const Runner run = Planted([](const StormOptions& options) {
    return options.length.value_or(absl::Hours(16)) >= absl::Hours(2) && Has(options, "crash") &&
           options.limits.crashes.value_or(9) >= 2 && Has(options, "list_lag") &&
           options.limits.workers.value_or(5) >= 2;
  });
  StormOptions options;
  options.seed = 7;
  const Smallest smallest = Shrink(run(options), options, 200, run);
  EXPECT_EQ(smallest.report.broken, "NothingIsLost: planted");
  EXPECT_EQ(smallest.options.length, absl::Hours(2));
  const Limits& limits = smallest.options.limits;
  EXPECT_EQ(limits.fleets, 1);
  EXPECT_EQ(limits.workers, 2);
  EXPECT_EQ(limits.crashes, 2);
  EXPECT_EQ(limits.requests, 1);
  std::set<std::string> without(std::begin(kHappenings), std::end(kHappenings));
  without.erase("crash");
  without.insert({"auth_401", "hang_after", "slow"});
  EXPECT_EQ(limits.without, without);
}

TEST(Shrink, FindsTwoTrapsThatOnlyBreakTogether) {
  const Runner run = Planted([](const StormOptions& options) {
    return Has(options, "slow") && Has(options, "hang_after");
  });
  const Smallest smallest = Shrink(run({}), {}, 200, run);
  EXPECT_EQ(smallest.report.faults.size(), 2u);
  EXPECT_EQ(smallest.report.faults.count("slow"), 1u);
  EXPECT_EQ(smallest.report.faults.count("hang_after"), 1u);
}

TEST(Shrink, RunsNoMoreStormsThanItMay) {
  int runs = 0;
  const Runner run = Planted([](const StormOptions&) { return true; }, &runs);
  const StormReport failed = run({});
  runs = 0;
  const Smallest smallest = Shrink(failed, {}, 3, run);
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(smallest.runs, 3);
  EXPECT_EQ(smallest.options.length, absl::Hours(2));
}

TEST(Shrink, TakesAnotherBrokenInvariantForAnotherFailure) {
  const Runner run = [](const StormOptions& options) {
    StormReport report;
    report.rage = options.length.value_or(absl::Hours(4));
    report.broken = report.rage < absl::Hours(2) ? "Other: x" : "NothingIsLost: x";
    return report;
  };
  const Smallest smallest = Shrink(run({}), {}, 100, run);
  EXPECT_EQ(smallest.options.length, absl::Hours(2));
  EXPECT_EQ(smallest.report.broken, "NothingIsLost: x");
}

TEST(Shrink, KeepsAFailureThatNeedsAllOfItAsItIs) {
  const Runner run = Planted([](const StormOptions& options) {
    return !options.length.has_value() && Flags(options) == "--seed 1";
  });
  const Smallest smallest = Shrink(run({}), {}, 100, run);
  EXPECT_EQ(Flags(smallest.options), "--seed 1");
}

}  // namespace
}  // namespace muster::storm
