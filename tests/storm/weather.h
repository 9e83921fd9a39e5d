// Weather: what a seed has in store: the market, the fleets, the faults and how often what happens.
// Pure: the same seed gives the same weather.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "muster/spec/v1/fleet.pb.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::storm {

namespace specpb = ::muster::spec::v1;

struct FleetDraw {
  std::string name;
  int workers = 0;
  double price_max = 0.12;     // $/h
  double budget_per_hour = 0;  // $/h; 0 = none
  double budget_per_day = 0;   // $; 0 = none
  double budget_total = 0;
  bool upgrades = false;
  bool quota = false;      // shared by all fleets that have it
  bool preflight = false;  // the weights must be there
  std::string orphans = "destroy";
};

// How often something happens, per virtual hour. 0 = never in this storm.
struct Rates {
  double crash = 0;
  double act = 0;    // operators' requests
  double burst = 0;  // a trap on most calls for some minutes
  double credit_end = 0;
  double price_rise = 0;  // of a running contract
  double clock_step = 0;
  double failure = 0;   // of an instance picked at random, of any kind
  double more = 0;      // of what happenings.h has
  double forget = 0;    // one list leaves out one instance
  double calamity = 0;  // of what calamities.h has
  double total() const {
    return crash + act + burst + credit_end + price_rise + clock_step + failure + more + forget +
           calamity;
  }
};

// Of dedicated servers: how often something happens, each time that their operator looks, which is
// every 45 s in the mean. 0 = never.
struct ServerRates {
  double fault = 0;       // of the service, for a call or two
  double lost_order = 0;  // the answer to the next order
  double hurt = 0;        // a machine gets a fault, or loses all
  double give_back = 0;   // asked for while it is wanted
  double rescue = 0;      // asked for out of turn
};

struct Weather {
  std::uint64_t seed = 0;
  vastsim::VastSimOptions market;
  std::vector<vastsim::Fault> faults;  // all through phase 1, each with its chance
  std::vector<FleetDraw> fleets;
  specpb::Budget account_budget;  // over all fleets; 0 = none
  Rates rates;
  absl::Duration length;               // of phase 1
  std::optional<ServerRates> servers;  // none = there are no dedicated servers
};

Weather DrawWeather(std::uint64_t seed);

// Whether the storm of `seed` has dedicated servers too, when so many of a hundred have.
bool HasServers(std::uint64_t seed, int percent);
// Gives it servers; what was drawn before stays, but that it is killed more often.
void AddServers(Weather& weather);

// Where the weights of fleets with a preflight check are looked for.
inline constexpr char kWeightsOrigin[] = "http://weights.internal";

// The fleet file that an operator would apply.
std::string FleetFile(const FleetDraw& fleet);

// A trap for a burst: any, on most calls of any endpoint.
vastsim::Fault DrawBurst(std::uint64_t chance);

}  // namespace muster::storm
