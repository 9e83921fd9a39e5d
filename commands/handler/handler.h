// Handler: the one door to the log. Load, fold, decide, append; again when the stream moved.
//
// Owns the World. Single writer: while it runs nobody else appends to the store. Reactor thread.
// Commands for one stream run one after another, in order of arrival; different streams run
// beside each other and share the store's group commit.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/account/commands.h"
#include "commands/fleet/commands.h"
#include "commands/host/commands.h"
#include "commands/server/commands.h"
#include "commands/shadow/commands.h"
#include "commands/worker/commands.h"
#include "commands/world.h"
#include "eventstore/base/runtime.h"
#include "eventstore/event_store.h"
#include "eventstore/snapshot_shelf.h"

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
  Position position = 0;        // of the last event; the World's head when there was nothing to do
  std::vector<Written> events;  // empty = nothing to do
};

class Handler {
 public:
  Handler(Runtime& rt, EventStore& store);
  ~Handler();

  // Finishes redactions, folds the log (from the newest usable snapshot) and writes
  // InstallationCreated on an empty one. Call once, before anything else.  kDataLoss,
  // kUnimplemented: as EventStore and DecodeEvent.
  Task<Status> Load();

  // Each: OK with what was written, or
  //   the refusal of Decide (see commands/*/commands.h), or of a rule across streams: tell the
  //   asker kResourceExhausted, kUnavailable  from the store: nothing was decided; stop acting
  Task<StatusOr<Outcome>> Worker(WorkerId id, worker::Command command, Origin origin);
  Task<StatusOr<Outcome>> Host(ProviderName provider, MachineId machine, host::Command command,
                               Origin origin);
  Task<StatusOr<Outcome>> Account(ProviderName provider, account::Command command, Origin origin);
  Task<StatusOr<Outcome>> Fleet(FleetName name, fleet::Command command, Origin origin);

  Task<StatusOr<Outcome>> Server(ServerId id, server::Command command, Origin origin);

  // What a candidate would have decided, into its own stream. Such an event moves nothing else: it
  // takes no look at the clock and draws no chance, so that all others are as without it.
  Task<StatusOr<Outcome>> Shadow(FleetName name, shadow::Command command, Origin origin);

  // Writes what `decide` says into a stream that nothing is folded from.
  // REQUIRES: `stream` is that of audit, alerts or a target's notices (see commands/world.h)
  using AsideDecision = std::function<StatusOr<Events>(const DecideContext&)>;
  Task<StatusOr<Outcome>> Aside(StreamId stream, AsideDecision decide, Origin origin);
  // What is said of the log itself.
  using AuditDecision = AsideDecision;
  Task<StatusOr<Outcome>> Audit(AuditDecision decide, Origin origin) {
    return Aside(AuditStream(), std::move(decide), std::move(origin));
  }
  // Not OK once nothing can be written any more, with the reason; only a restart mends it.
  const Status& stopped() const { return stopped_; }

  // Requests of clients, so that the same one again gets the first answer, also after a restart.
  // FindRequest: the request as it was accepted, nullopt when there was none. The asker compares
  // the digest and refuses the same id with another request.   kDataLoss: as EventStore.
  StatusOr<std::optional<eventpb::CommandAccepted>> FindRequest(std::string_view request_id) const;
  // Remembers the answer; returns what is remembered, which is the first answer when there is one.
  //   kAlreadyExists  the id stands for another request (another method or digest): refuse it
  //   others          as above
  Task<StatusOr<eventpb::CommandAccepted>> RecordRequest(std::string request_id, std::string method,
                                                         std::string digest,
                                                         std::string result_json, Origin origin);

  // Writes ClockStepped when the wall clock jumped since the last look, so that nothing is decided
  // by a time that did not pass. Every command does this first; who reads the clock to plan, calls
  // it before.   Errors: as from the store.
  Task<Status> FollowClock();

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
  // The decision on one stream, with everything bound but the World it is taken on.
  struct Job {
    StreamId stream;
    // The version that `decide` was taken on, and its answer.
    std::function<StatusOr<Version>()> version;
    std::function<StatusOr<Events>(const DecideContext&)> decide;
    absl::Time occurred_at;  // InfinitePast: when it is decided
    Origin origin;
  };

  Task<StatusOr<Outcome>> Run(Job job);
  Task<StatusOr<Outcome>> RunLocked(const Job& job);
  // One attempt: kAborted when the stream was not as the World has it.
  Task<StatusOr<Outcome>> Attempt(const Job& job);
  // Folds what the store has and the World has not, and tells the listeners.
  Status CatchUp();
  void Fold(const Written& written, absl::Time occurred_at);
  absl::Duration ClockStep() const { return rt_.Now() - rt_.Steady() - clock_offset_; }
  void Tell(const std::vector<Written>& all);
  // What no single stream can know: an instance has one worker, and a fleet that goes down gets
  // none.
  Status CheckAcross(const WorkerId& id, const worker::Command& command) const;
  Status CheckOrder(const ServerId& id, const server::Command& command) const;
  // The World's state of the worker; one that ended long ago is folded anew into `kept`.
  StatusOr<const worker::State*> StateOf(const WorkerId& id, worker::State* kept) const;
  StatusOr<World> LoadWorld();
  void KeepPast(const World& world);
  Status FinishRedactions();

  Runtime& rt_;
  EventStore& store_;
  SnapshotShelf past_;
  World world_;
  absl::Duration clock_offset_;  // of the wall clock from the steady one, as the World has it
  Status stopped_;               // not OK once nobody can say what is in the log, or how to read it
  std::map<int, Listener> listeners_;
  int next_listener_ = 1;
  std::map<StreamId, std::shared_ptr<StreamLock>> locks_;
  std::map<InstanceId, WorkerId> claims_;  // by commands that are not in the log yet
};

}  // namespace muster
