// Simulate: what would this policy do? A fleet file, a market and some days of virtual time; the
// daemon's own decisions, pollers, effects and adapter against the provider's simulator, in memory.
//
//   StatusOr<Study> study = Simulate({.fleet = spec, .span = absl::Hours(24 * 7)});
//
// No network, no files, no daemon, no clock but the virtual one: the same request gives the same
// study, whatever the machine. Blocks until done; runs of several seeds use `jobs` threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/market_record.h"
#include "eventstore/base/status.h"
#include "muster/spec/v1/fleet.pb.h"
#include "services/simulate/report.h"

namespace muster::simulate {

struct Request {
  spec::v1::FleetSpec fleet;  // defaults filled in, valid
  absl::Duration span = absl::Hours(24 * 7);
  std::uint64_t seed = 1;
  int seeds = 1;  // seed, seed + 1, ...
  int jobs = 1;
  // Replayed instead of a drawn market; repeated when it is shorter than `span`.
  std::shared_ptr<const MarketRecord> market;
  std::map<std::string, std::string> settings;  // of the model (model.h), by name
  // Called now and then, from any of the threads, one at a time: the share that is done.
  std::function<void(double)> progress;
};

struct Study {
  std::vector<Report> runs;              // one per seed, in order
  std::vector<std::string> assumptions;  // what the model takes for granted, in sentences
  std::string digest;                    // over everything above and every event of every log
};

// kInvalidArgument  a setting is unknown or impossible, or the market is another provider's; the
//                   message says what was expected
// others            the program itself failed in the simulated world: a bug
StatusOr<Study> Simulate(const Request& request);

}  // namespace muster::simulate
