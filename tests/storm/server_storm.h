// ServerStorm: one run of a server's life in bad weather, from one seed: faults of the service and
// of the machines, kill -9 at any moment, an operator who asks for all sorts of things; then calm,
// in which everything must come to its end.
//
//   EXPECT_EQ(RunServerStorm(7), "");
#pragma once

#include <cstdint>
#include <string>

namespace muster {

// What was broken, and when; "" when nothing was. The same seed gives the same run.
//
// Never two servers for one order; no server that is paid for and that the log does not know as
// open; no disk wiped that no plan named; nothing said to a machine whose key was not the pinned
// one; the log folds into the World that was decided on; every deed has a cause and every call an
// intent; and after the calm: in service when that
// was wanted, and given back when that was asked for.
std::string RunServerStorm(std::uint64_t seed);

// How often what happened, over all runs of this process: for a test that looks whether the weather
// reaches what it is for.
struct ServerWeather {
  int crashes = 0, orders = 0, unclear = 0, installs = 0, wrong_keys = 0, given_back = 0,
      served = 0;
};
const ServerWeather& WeatherSoFar();

}  // namespace muster
