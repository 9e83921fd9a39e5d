// What 'muster doctor' says of an account's machines that no worker of the log accounts for: those
// of a new installation's old fleet, strays, and strangers. Pure; any thread.
#pragma once

#include <vector>

#include "commands/world.h"
#include "eventstore/base/rental.h"
#include "muster/api/v1/query.pb.h"

namespace muster {

// A warning when one bears our mark (FindStrays): it is paid for and nobody looks after it.
// Others may well be somebody else's: they are named, the first few, and that is all.
api::v1::Check CheckMachines(const World& world, const ProviderName& provider,
                             const std::vector<Instance>& list, absl::Time now);

}  // namespace muster
