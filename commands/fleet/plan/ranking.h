// Ranking: which offers a fleet may take, and in which order. Pure.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commands/world.h"

namespace muster::fleet {

// What a fleet's program is expected to do on a machine, and where that comes from.
struct Expectation {
  double rate_per_s = 0;
  std::string from;  // "measured n=37", "measured on this GPU n=12", "fleet table", "gpu default"
  bool preferred = false;  // this very machine served well
};

// Measurements of one program, gathered over the hosts of a provider.
class Measurements {
 public:
  Measurements(const World& world, const specpb::FleetSpec& spec);
  Expectation Of(const Offer& offer) const;

 private:
  struct Sum {
    double rate_seconds = 0;
    double seconds = 0;
    int samples = 0;
  };
  const World& world_;
  const specpb::FleetSpec& spec_;
  std::string work_key_;
  std::map<GpuName, Sum> by_gpu_;
};

// Says why an offer or machine is not to be had for other reasons: reserved, rented, gone; "" = it
// is to be had.
using TakenFn = std::function<std::string(const Offer&)>;

struct Ranked {
  Offer offer;
  Expectation expected;
  double usd_per_hour_per_rate = 0;  // without the bonus; infinite when no rate is expected
  double value = 0;                  // what is compared: less is better
  std::string verdict;               // "" = acceptable
};

// Why the spec refuses `offer`: "price over $0.09/h". "" = it does not.
std::string SpecRefusal(const specpb::FleetSpec& spec, const Offer& offer);
// "3 strikes" when the machine is blocked, else "".
std::string StrikeRefusal(const World& world, const specpb::FleetSpec& spec, const Offer& offer,
                          absl::Time now);

// All of `offers`: acceptable ones first, best value first, ties by offer id.
std::vector<Ranked> RankOffers(const World& world, const specpb::FleetSpec& spec,
                               const std::vector<Offer>& offers, const TakenFn& taken,
                               absl::Time now);

int StrikeLimit(const specpb::FleetSpec& spec);

}  // namespace muster::fleet
