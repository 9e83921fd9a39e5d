// Builders and getters of the account stream's messages. Pure, thread-safe.
#pragma once

#include "eventstore/base/rental.h"
#include "eventstore/events/values.h"

namespace muster {

eventpb::OfferSeen MakeOfferSeen(const Offer& offer);
Offer ToOffer(const eventpb::OfferSeen& seen);

// `instance` as an orphan. `why` says how it was known to be ours: "token of ours".
eventpb::OrphanFound MakeOrphanFound(const Instance& instance, const FleetName& fleet,
                                     std::string_view why);

inline MicroUsd CreditOf(const eventpb::CreditObserved& seen) {
  return MicroUsd(seen.credit_micro_usd());
}
inline MicroUsd BalanceOf(const eventpb::CreditObserved& seen) {
  return MicroUsd(seen.balance_micro_usd());
}

}  // namespace muster
