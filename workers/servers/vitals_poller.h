// VitalsPoller: looks how the builders in service do, over SSH, and tells what it saw.
//
// Each builder is looked at on its own and never twice at once; one that hangs holds up nobody.
// What is worth writing down is decided by the server's stream. Internal to workers/servers.
// Reactor thread.
#pragma once

#include <map>
#include <set>

#include "workers/servers/server_context.h"

namespace muster {

class VitalsPoller {
 public:
  explicit VitalsPoller(ServerContext& context) : context_(context) {}
  // Until the group stops.
  Task<void> Run();
  // One look at one builder, and the word of it.
  Task<void> Look(ServerId id);

 private:
  // When something is due next; begins what is due by now.
  absl::Duration BeginLooks();
  Task<void> LookOnce(ServerId id);
  Task<StatusOr<eventpb::BuilderObserved>> Ask(ServerId id);

  ServerContext& context_;
  std::map<ServerId, absl::Time> due_;
  std::set<ServerId> looking_;
};

}  // namespace muster
