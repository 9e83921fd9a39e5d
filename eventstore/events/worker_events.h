// Builders and getters of the worker stream's messages. Pure, thread-safe.
#pragma once

#include <string_view>

#include "eventstore/base/rental.h"
#include "eventstore/events/values.h"

namespace muster {

// `offer` as it goes into an intent. `expected_from` says where the expected rate was taken from.
eventpb::OfferTaken MakeOfferTaken(const Offer& offer, double expected_rate_per_s,
                                   std::string_view expected_from, std::int64_t disk_gb);

// `instance` as it goes into the log; the text is made safe to store.
eventpb::InstanceObserved MakeInstanceObserved(const Instance& instance);
// The way back. Fields that the event does not hold (host, location, start) stay empty.
Instance ToInstance(const eventpb::InstanceObserved& seen);

// One verdict, complete: a condemnation cannot be built without its evidence.
eventpb::WorkerCondemned MakeWorkerCondemned(eventpb::Evidence evidence, specpb::Fault fault,
                                             bool replace, double strike_weight);

inline MicroUsd SpentOf(const eventpb::WorkerEnded& ended) {
  return MicroUsd(ended.spent_micro_usd());
}

}  // namespace muster
