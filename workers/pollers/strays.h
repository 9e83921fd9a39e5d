// Strays: instances that bear our mark and that no open worker accounts for. Pure.
#pragma once

#include <span>
#include <vector>

#include "commands/world.h"
#include "eventstore/base/rental.h"

namespace muster {

// Judged by the label: a token of this installation behind its last '.', or a label of a fleet's
// own making (the old scripts' rentals). The whole label counts, never a prefix. An instance that
// bears the label of a launch still in flight is that launch's, not a stray. Each is judged alone,
// so a long list may be looked at in parts.
std::vector<eventpb::OrphanFound> FindStrays(const World& world, const ProviderName& provider,
                                             std::span<const Instance> list);

}  // namespace muster
