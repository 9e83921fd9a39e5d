// ServerWatch: reads the list of an account's servers, and tells each server what the provider says
// of it. Two complete lists without it end one; a server that nobody ordered is said once.
//
// Internal to workers/servers. Reactor thread.
#pragma once

#include "workers/servers/server_context.h"

namespace muster {

class ServerWatch {
 public:
  explicit ServerWatch(ServerContext& context) : context_(context) {}
  // Until the group stops.
  Task<void> Run();
  // One complete list, or nothing at all.
  Task<void> Look();

 private:
  absl::Duration Interval() const;
  Task<void> Tell(const std::vector<Server>& list);
  Task<void> TellStrays(const std::vector<Server>& list);
  Task<void> LookForOrders();

  ServerContext& context_;
};

}  // namespace muster
