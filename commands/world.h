// World: the folded state of every stream that matters for decisions.
//
// One copy, owned by the Handler, on the reactor thread. Built by Evolve alone, so the same log
// always gives the same World. Ended workers are dropped from it once nothing waits for them.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "commands/account/state.h"
#include "commands/context.h"
#include "commands/fleet/state.h"
#include "commands/host/state.h"
#include "commands/server/state.h"
#include "commands/shadow/state.h"
#include "commands/worker/state.h"

namespace muster {

// "worker/k7f2q" and back. Names never contain '/'.
StreamId FleetStream(const FleetName& name);
StreamId WorkerStream(const WorkerId& id);
StreamId HostStream(const ProviderName& provider, const MachineId& machine);
StreamId AccountStream(const ProviderName& provider);
StreamId ServerStream(const ServerId& id);
StreamId InstallationStream();
StreamId RequestStream(std::string_view request_id);
// Nothing is folded from these, and nothing is decided by them:
StreamId AuditStream();                          // what is said of the log itself
StreamId AlertStream();                          // what people should know of
StreamId NotifyStream(std::string_view target);  // how far a target was told of it
bool IsAside(const StreamId& stream);            // one of those
StreamId ShadowStream(const FleetName& name);
// What a candidate would do changes nothing for anybody: who acts looks away.
bool IsShadow(const StreamId& stream);

using HostKey = std::pair<ProviderName, MachineId>;

struct World {
  std::string installation;  // "m7k2"
  std::map<FleetName, fleet::State> fleets;
  // Open workers, and ended ones for an hour (duplicates, strikes and upgrades still refer to
  // them).
  absl::flat_hash_map<WorkerId, std::unique_ptr<worker::State>> workers;
  std::map<FleetName, std::set<WorkerId>> open_by_fleet;
  absl::flat_hash_map<InstanceId, WorkerId> by_instance;  // open workers only
  std::map<HostKey, host::State> hosts;
  std::map<ProviderName, account::State> accounts;
  // The newest candidate of each fleet, running or ended. No decision is drawn from it.
  std::map<FleetName, shadow::State> shadows;
  // Money of ended workers, per fleet: total, and by UTC day for the budget of today.
  std::map<FleetName, MicroUsd> spent_ended_total;
  std::map<FleetName, std::map<std::int64_t, MicroUsd>> spent_ended_by_day;  // unix day
  std::multimap<absl::Time, WorkerId> ended_at;  // those that are still in `workers`
  std::map<ServerId, server::State> servers;     // the ended ones too: they are few
  std::uint64_t head = 0;                        // position of the newest event folded

  // The workers by id: for whoever acts on each in turn, so that one log gives one run.
  std::map<WorkerId, const worker::State*> WorkersInOrder() const;

  const worker::State* FindWorker(const WorkerId& id) const;
  const fleet::State* FindFleet(const FleetName& name) const;
  const host::State* FindHost(const ProviderName& provider, const MachineId& machine) const;
  const account::State* FindAccount(const ProviderName& provider) const;
  const server::State* FindServer(const ServerId& id) const;
  // By its name or its id; the newest one of that name, open ones first.
  const server::State* FindServerNamed(std::string_view name) const;
  const shadow::State* FindShadow(const FleetName& name) const;

  // All of it but the shadows: to try something out on.
  World Copy() const;
};

// Folds one recorded event. Never fails. `stamp.at` is the event's occurred_at.
void Evolve(World& world, const StreamId& stream, const eventpb::EventBody& body,
            const Stamp& stamp);

}  // namespace muster
