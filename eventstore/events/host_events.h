// Builders and getters of the host stream's messages. Pure, thread-safe.
#pragma once

#include <string_view>
#include <utility>

#include "eventstore/base/ids.h"
#include "eventstore/events/values.h"

namespace muster {

// A strike cannot be built without its evidence; the cause is the evidence's rule.
// `expires` may be InfiniteFuture.
inline eventpb::HostStruck MakeHostStruck(const WorkerId& worker, const FleetName& fleet,
                                          double weight, absl::Time expires,
                                          eventpb::Evidence evidence) {
  eventpb::HostStruck struck;
  struck.set_worker(worker.str());
  struck.set_fleet(fleet.str());
  struck.set_cause(evidence.rule());
  struck.set_weight(weight);
  struck.set_expires_us(ToStoredTime(expires));
  *struck.mutable_evidence() = std::move(evidence);
  return struck;
}

// InfiniteFuture when it never expires. For HostStruck and StrikesImported.
template <class Message>
absl::Time ExpiryOf(const Message& message) {
  return FromStoredTime(message.expires_us(), absl::InfiniteFuture());
}

}  // namespace muster
