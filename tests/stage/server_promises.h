// ServerPromises: what must hold of dedicated servers at every moment, whatever happened. The log
// is read on as it grows; what is bought, wiped and said is asked of what stands outside.
//
//   OneServerPerOrder     no order is made twice, no server bought twice for one builder
//   PaidForIsKnown        what costs money bears a key of ours, and the log knows it as open
//   WipesWereAgreedTo     no disk was wiped that no plan named
//   StrangersAreToldNothing  nobody was talked to whose key was not the pinned one
//   StrangersAreLeftAlone  a server of somebody else in the account is as it was
//   TheFileIsTheBuilders  nobody is in the machines file who is not registered
//   ServiceIsInstalled    what is in service runs what was installed there, with its key
//   SecretsStayOut        neither private keys nor the password are in the log
#pragma once

#include <set>
#include <string>

#include "commands/world.h"
#include "eventstore/event_store.h"
#include "tests/stage/server_outside.h"

namespace muster {

class ServerPromises {
 public:
  // From where it ended last. Errors as EventStore::ReadAll.
  Status ReadOn(const EventStore& store);
  // The first that is broken now, and how; "" = none.
  std::string Broken(const ServerOutside& outside, const World& world) const;

 private:
  std::string PaidForIsKnown(const ServerOutside& outside, const World& world) const;
  std::string WipesWereAgreedTo(const ServerOutside& outside) const;

  Position next_ = 0;
  std::set<std::string> agreed_;  // disks, by identity
  std::string leaked_;
};

}  // namespace muster
