// Order: carries out one ServerOrderRequested and sees it delivered.
//
//   key stored, offer and price read anew, sent once --> yes: OrderAnswered | clear no:
//   OrderRefused
//       \-> unclear: OrderLost, then the orders of both channels are searched for its key until it
//       is
//           found (OrderAnswered LOOKUP) or complete lists over the settle time lacked it
//   accepted --> the order is read until it is ready (Deliver), given up, or overdue (Overdue)
//
// There is never a second order for one intent. Internal to workers/servers. Reactor thread.
#pragma once

#include "workers/servers/server_context.h"

namespace muster {

// REQUIRES: the ServerOrderRequested was appended by this run and not acted upon yet
Task<void> PlaceOrder(ServerContext& context, ServerId id, std::string cause);
// For an intent found in flight at the start: whether it was sent is unknown, so it is looked up.
Task<void> ResumeOrder(ServerContext& context, ServerId id);
// From the accepted order to the delivered server.
Task<void> AwaitDelivery(ServerContext& context, ServerId id);

// The order that bears the server's key, among all of the account; nullptr when there is none. An
// order made anew is another server's here, with a key of its own.
const ServerOrder* FindOrder(const server::State& state, const std::vector<ServerOrder>& orders);

}  // namespace muster
