// One simulated run: the program as the daemon assembles it, in one process with the provider's
// simulator, under virtual time. Each call is on its own; any thread.
#pragma once

#include <cstdint>
#include <functional>

#include "eventstore/base/status.h"
#include "services/simulate/report.h"
#include "workers/ports/sim_server.h"

namespace muster::simulate {

struct RunOptions {
  spec::v1::FleetSpec fleet;
  SimSpec sim;  // seed, start, settings, market
  absl::Duration span;
  std::function<void(double)> progress;  // the share that is done; may be empty
};

// Errors as Simulate.
StatusOr<Report> RunOne(const RunOptions& options);

}  // namespace muster::simulate
