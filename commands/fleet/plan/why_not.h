// WhyNot: why something was not done. An offer that is not rented, a worker that is not replaced:
// each reason with its numbers and the event that holds them.
//
// Pure; by the code that decides, on the World as it is or was (see commands/handler/log_fold.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "commands/fleet/plan/options.h"
#include "commands/world.h"
#include "eventstore/base/status.h"

namespace muster::fleet {

struct WhyNotLine {
  std::uint64_t position = 0;  // of the event that says so; 0 = none does, it is how things stand
  std::string text;            // "not over-cost: $0.061/h <= $0.09/h"
};
struct WhyNot {
  std::string title;  // "offer/12345678 for fleet/zeb   price over $0.09/h"
  std::vector<WhyNotLine> lines;
};

// Why `fleet` does not rent `offer`: gone, refused, dearer than others, or nothing is wanted.
//   kNotFound  there is no such fleet: name one that was applied
StatusOr<WhyNot> WhyNotOffer(const World& world, const FleetName& fleet, const OfferId& offer,
                             const PlanOptions& options, absl::Time now);

// Why `worker` is not condemned: every rule that could, with how far it is from it.
//   kNotFound            it never was, or ended over an hour before: explain tells why it went
//   kFailedPrecondition  it is condemned or gone already; the message says by which rule
StatusOr<WhyNot> WhyNotWorker(const World& world, const WorkerId& worker,
                              const PlanOptions& options, absl::Time now);

}  // namespace muster::fleet
