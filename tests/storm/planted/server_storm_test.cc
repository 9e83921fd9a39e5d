#include "tests/storm/server_storm.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

constexpr int kSeeds = 60;

TEST(ServerStorm, NothingIsBoughtTwiceForgottenOrWipedUnasked) {
  for (int seed = 1; seed <= kSeeds; ++seed) EXPECT_EQ(RunServerStorm(seed), "") << "seed " << seed;
  const ServerWeather& weather = WeatherSoFar();
  EXPECT_GT(weather.crashes, kSeeds);
  EXPECT_GT(weather.unclear, 0);
  EXPECT_GT(weather.installs, kSeeds);
  EXPECT_GT(weather.orders, kSeeds);
  EXPECT_GT(weather.wrong_keys, 0);
  EXPECT_EQ(weather.given_back, kSeeds);
}

TEST(ServerStorm, OneSeedIsOneRun) {
  const ServerWeather before = WeatherSoFar();
  (void)RunServerStorm(3);
  const ServerWeather once = WeatherSoFar();
  (void)RunServerStorm(3);
  const ServerWeather twice = WeatherSoFar();
  EXPECT_EQ(twice.crashes - once.crashes, once.crashes - before.crashes);
  EXPECT_EQ(twice.installs - once.installs, once.installs - before.installs);
  EXPECT_EQ(twice.unclear - once.unclear, once.unclear - before.unclear);
}

}  // namespace
}  // namespace muster
