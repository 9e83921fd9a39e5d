// MarketPoller: looks at the market for all fleets of one provider at once. Reactor thread.
#pragma once

#include <vector>

#include "workers/pollers/poll_context.h"

namespace muster {

// One search per machine size for all active fleets on `provider`: wide enough for each (every
// fleet's own limits are applied when it chooses), priced with the largest disk among them, so that
// no fleet sees a price below what it will be billed. An offer does not say whether it is
// verified, so unverified ones are asked for only when every fleet takes them. Pure.
std::vector<OfferQuery> MarketQueries(const World& world, const ProviderName& provider);

class MarketPoller {
 public:
  explicit MarketPoller(PollContext& context)
      : context_(context), turns_(context.group, context.link.rt) {}

  Task<void> Run();
  // Look soon: a fleet wants something else, or an offer turned out to be gone.
  void Hurry() { turns_.Hurry(absl::Seconds(10)); }
  void PollNow() { turns_.Hurry(absl::ZeroDuration()); }

 private:
  Task<void> PollOnce();

  PollContext& context_;
  Turns turns_;
};

}  // namespace muster
