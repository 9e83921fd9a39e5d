// The model: what `muster simulate` assumes of the world, as settings with stated defaults. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "muster/spec/v1/fleet.pb.h"
#include "workers/ports/sim_server.h"

namespace muster::simulate {

struct Setting {
  std::string name;
  std::string otherwise;  // the default
  std::string what;
};
// All that --set takes, in the order of the documentation.
const std::vector<Setting>& Settings();

// The simulator's settings for `fleet`: the defaults above, then `given`.
// kInvalidArgument  a name that is not one of Settings(); values are the simulator's to judge
StatusOr<std::map<std::string, std::string>> ModelFor(
    const spec::v1::FleetSpec& fleet, const std::map<std::string, std::string>& given);

// What the simulated worker can be asked of: its program prints zeb's lines and holds no secret.
spec::v1::FleetSpec Simulable(spec::v1::FleetSpec fleet);

// "RTX 3070" -> 2.4, for every GPU of the fleet.
std::map<std::string, double> ExpectedRates(const spec::v1::FleetSpec& fleet);

// In sentences, for whoever reads the result.
std::vector<std::string> Assumptions(const spec::v1::FleetSpec& fleet,
                                     const std::map<std::string, std::string>& model,
                                     const MarketRecord* market, absl::Duration span);

}  // namespace muster::simulate
