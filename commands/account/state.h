// account/PROVIDER: credit, key, throttling, the market as last seen, and strays.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "commands/context.h"
#include "eventstore/base/ids.h"
#include "eventstore/base/rental.h"
#include "eventstore/base/units.h"

namespace muster::account {

using TroubleKind = eventpb::AccountTroubleBegan::Kind;

struct Ongoing {
  TroubleKind kind = eventpb::AccountTroubleBegan::KIND_UNSPECIFIED;
  std::string endpoint;
  std::string detail;
  Stamp since;
};

struct Orphan {
  InstanceId instance;
  std::string label;
  MachineId machine;
  GpuName gpu;
  MicroUsdPerHour price;
  FleetName fleet;  // by its label; may be empty
  std::string why;
  Stamp found;
};

struct State {
  ProviderName provider;
  std::optional<MicroUsd> credit;
  std::optional<MicroUsd> balance;
  Stamp credit_seen;
  bool credit_wait = false;
  std::string credit_wait_detail;
  Stamp credit_wait_since;
  Stamp last_probe;
  std::vector<Ongoing> troubles;
  std::vector<Offer> offers;  // newest OffersObserved, cheapest first
  int offers_found = 0;
  Stamp offers_seen;
  Stamp list_seen;              // newest InstanceListObserved
  std::set<InstanceId> listed;  // what it held
  std::map<InstanceId, Orphan> orphans;
  std::map<ServerNumber, Stamp> stray_servers;  // billed, and no order of ours explains them
  std::uint64_t version = 0;
  std::uint64_t last_position = 0;

  const Ongoing* Find(TroubleKind kind) const;
};

void Evolve(State& state, const eventpb::EventBody& body, const Stamp& recorded);

}  // namespace muster::account
