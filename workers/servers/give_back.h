// GiveBack: carries out cancellations and revocations, by reading back what became of them.
// Internal to workers/servers. Reactor thread.
#pragma once

#include "workers/servers/server_context.h"

namespace muster {

// Sees a ServerCancelRequested through until the provider shows it set, or refuses it for good.
// Also for one found in flight at the start: asking twice for the same date changes nothing.
Task<void> CancelServer(ServerContext& context, ServerId id, std::string cause);
Task<void> RevokeCancellation(ServerContext& context, ServerId id, std::string cause);

// Once it is gone: its key at the provider, then its keys here. REQUIRES: the server has ended
Task<void> TidyUp(ServerContext& context, ServerId id);

}  // namespace muster
