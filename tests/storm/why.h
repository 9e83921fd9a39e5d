// Why: what led to a broken invariant, in the words of `muster explain`.
#pragma once

#include <string>
#include <vector>

#include "eventstore/event_store.h"

namespace muster::storm {

// The explanations, from `store` alone, of the workers, contracts, fleets, machines and events that
// `broken` names: three at most, of each the last lines.
std::vector<std::string> Why(const EventStore& store, const std::string& broken);

// The same, whole, of `count` workers, machines and accounts that had something happen to them: of
// each kind of end, of strike and of trouble the newest, then more workers.
std::vector<std::string> Chains(const EventStore& store, std::size_t count);

}  // namespace muster::storm
