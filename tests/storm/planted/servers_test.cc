// Storms with dedicated servers beside the fleets.
#include "tests/storm/storm.h"
#include "tests/storm/weather.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::storm {
namespace {

StormOptions WithServers(std::uint64_t seed) {
  StormOptions options;
  options.seed = seed;
  options.length = absl::Hours(2);
  options.servers = 100;
  options.limits.fleets = 1;
  options.limits.workers = 1;
  return options;
}

TEST(ServersInStorms, GoThroughAllThatTheWeatherIsFor) {
  constexpr std::uint64_t kSeeds = 12;
  std::map<std::string, int> happened;
  int crashes = 0, launched = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const StormReport report = RunStorm(WithServers(seed));
    EXPECT_EQ(report.broken, "") << "seed " << seed;
    for (const auto& [what, count] : report.happened) happened[what] += count;
    for (const auto& [trap, count] : report.faults)
      refused += trap.starts_with("robot_") ? count : 0;
    crashes += report.crashes;
    launched += report.launched;
  }
  EXPECT_GT(crashes, static_cast<int>(kSeeds));
  EXPECT_GT(launched, static_cast<int>(kSeeds)) << "there are fleets too";
  EXPECT_GT(refused, static_cast<int>(kSeeds)) << "faults of the web service fired";
  EXPECT_GE(happened["server order"], static_cast<int>(kSeeds));
  EXPECT_GE(happened["server given back"], static_cast<int>(kSeeds));
  for (const char* what : {"install", "hurt", "impostor", "unclear"}) {
    EXPECT_GT(happened[Cat("server ", what)], 0) << what;
  }
}

TEST(ServersInStorms, OneSeedIsOneRun) {
  const StormReport once = RunStorm(WithServers(3)), again = RunStorm(WithServers(3));
  EXPECT_EQ(once.digest, again.digest);
  EXPECT_EQ(once.happened, again.happened);
}

TEST(ServersInStorms, AreInSoManySeedsOfAHundredAndCanBeLeftOut) {
  StormOptions options = WithServers(1);
  options.length = absl::Minutes(10);
  options.limits.without = {"servers"};
  const StormReport without = RunStorm(options);
  EXPECT_EQ(without.happened.count("server order"), 0u);
  int have = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    EXPECT_FALSE(HasServers(seed, 0));
    EXPECT_TRUE(HasServers(seed, 100));
    have += HasServers(seed, 25) ? 1 : 0;
  }
  EXPECT_NEAR(have, 250, 50);
}

}  // namespace
}  // namespace muster::storm
