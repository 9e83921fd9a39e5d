// Driver: keeps the shadows of running fleets: at each look of the live policy it asks the
// candidates and writes down what came of it.
//
// It has no hands: all it is given is a view of the World and a pen for the shadows' own streams.
// No header of this folder knows the Handler, the effects or a provider (tests/tidy/layers.py), it
// draws no chance, and nothing waits for it; so a run with a shadow is the run without it.
// Reactor thread. What the ports reach must outlive the last task; it may be destroyed at any time
// between two of the reactor's turns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "commands/fleet/plan/options.h"
#include "commands/fleet/plan/plan.h"
#include "commands/shadow/commands.h"
#include "commands/world.h"
#include "eventstore/base/runtime.h"

namespace muster::shadow {

struct Ports {
  Runtime& rt;
  std::function<const World&()> world;
  // Decides and appends to shadow/NAME; the position of what was written. Errors as the Handler's.
  std::function<Task<StatusOr<std::uint64_t>>(FleetName name, Command command)> write;
};

class Driver {
 public:
  Driver(Ports ports, fleet::PlanOptions options);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // The live policy's look at its fleets, before any of it is carried out. Looks that decide
  // nothing are compared every few seconds only.
  void Look(const fleet::PlanResult& live, absl::Time now);

  // What was counted and is not in the log yet.
  struct Counts {
    std::int64_t moments = 0;
    std::int64_t agreements = 0;
    std::int64_t unrecorded = 0;
  };
  Counts Pending(const FleetName& name) const;

  // Writes down what was counted since the last time. Before a shadow ends, and before a stop.
  // Returns when it is written, or cannot be.
  Task<void> Flush(FleetName name);
  Task<void> FlushAll();
  // Compares nothing more.
  void Stop();

  struct Core;  // shared with the coroutines, which may end after the driver

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace muster::shadow
