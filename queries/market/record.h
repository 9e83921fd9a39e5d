// RecordMarket: the market of one provider as the log saw it, for 'muster simulate --market'.
//
// A pure function of the log. What it cannot know: what was offered between two looks, beyond the
// 32 cheapest of each GPU, or while nobody looked. So: an offer stays until a look by the same
// query lacks it; one that we rented stays while we have it; a look that was cut ends nothing that
// may lie behind the cut; and a pause of more than 15 minutes ends everything.
#pragma once

#include "eventstore/base/market_record.h"
#include "eventstore/base/status.h"
#include "eventstore/event_store.h"

namespace muster::queries {

// What was seen from `since` to `until`; `from` and `to` are the first and the last look in there.
// A record without machines: nobody looked.
// kDataLoss, kUnimplemented  as DecodeEvent
StatusOr<MarketRecord> RecordMarket(const EventStore& log, const ProviderName& provider,
                                    absl::Time since, absl::Time until);

}  // namespace muster::queries
