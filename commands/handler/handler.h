// Handler: the one door to the log. Load, fold, decide, append; again when the stream moved.
//
// Owns the World. Single writer: while it runs nobody else appends to the store. Reactor thread.
// Commands for one stream run one after another, in order of arrival; different streams run
// beside each other and share the store's group commit.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "commands/account/commands.h"
#include "commands/fleet/commands.h"
#include "commands/host/commands.h"
#include "commands/worker/commands.h"
#include "commands/world.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"

namespace muster {

// Who asks and why; written into the envelope of every event that comes of it.
struct Origin {
  std::string actor;        // "operator:alice", "policy:zeb@v12", "poller:logs"
  std::string cause;        // event or command id that led here
  std::string correlation;  // root request
  // When set, event ids are derived from it: the same command again gives the first result, also
  // after a crash. When empty, ids are fresh.
  std::string idempotency_key;
};

// One event as appended.
struct Written {
  StreamId stream;
  Position position = 0;
  Version version = 0;
  EventId id;
  eventpb::EventBody body;
};
struct Outcome {
  Position position = 0;         // of the last event; the World's head when there was nothing to do
  std::vector<Written> events;   // empty = nothing to do
};

class Handler {
 public:
  Handler(Runtime& rt, EventStore& store);
  ~Handler();

  // Folds the log (from the newest usable snapshot) and writes InstallationCreated on an empty one.
  // Call once, before anything else.  kDataLoss, kUnimplemented: as EventStore and DecodeEvent.
  Task<Status> Load();

  // Each: OK with what was written, or
  //   the refusal of Decide (see commands/*/commands.h): tell the asker
  //   kResourceExhausted, kUnavailable  from the store: nothing was decided; stop acting
  Task<StatusOr<Outcome>> Worker(WorkerId id, worker::Command command, Origin origin);
  Task<StatusOr<Outcome>> Host(ProviderName provider, MachineId machine, host::Command command,
                               Origin origin);
  Task<StatusOr<Outcome>> Account(ProviderName provider, account::Command command, Origin origin);
  Task<StatusOr<Outcome>> Fleet(FleetName name, fleet::Command command, Origin origin);

  // Always folded up to the last event that was written through this Handler.
  const World& world() const { return world_; }

  // `listener` is called on the reactor after each event was synced and folded, in log order per
  // stream. It must not block; it may spawn. Returns a token for Unlisten.
  using Listener = std::function<void(const Written&)>;
  int Listen(Listener listener);
  void Unlisten(int token);

  // Saves a snapshot of the World; call now and then (not on the hot path).
  Status SaveSnapshot();

 private:
  struct StreamLock;
  template <class DecideFn>
  Task<StatusOr<Outcome>> Run(StreamId stream, DecideFn decide, Origin origin);

  Runtime& rt_;
  EventStore& store_;
  World world_;
  std::map<int, Listener> listeners_;
  int next_listener_ = 1;
  std::map<StreamId, std::shared_ptr<StreamLock>> locks_;
};

}  // namespace muster
