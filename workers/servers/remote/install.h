// Recipes: what is done to a machine to make a builder of it, planned before it is done.
//
//   const StatusOr<InstallPlan> prepare = PlanPrepare(spec, inspection, facts);
//   std::puts(DescribePlan(*prepare).c_str());  // and nothing was touched
//
// A plan is a function of its arguments: planned again from the same, it has the same id and the
// same commands, so what is carried out after a crash is what was agreed to. Every destructive
// command finds its disk by the identity seen at inspection, at the moment it runs, whatever the
// disk is called by then. Plans are run whole, from their start, as often as needed: a marker in
// the new root file system says what is done.
//
// Pure, thread-safe.
#pragma once

#include <string>
#include <vector>

#include "eventstore/base/status.h"
#include "eventstore/events/codec.h"
#include "workers/servers/remote/remote_command.h"

namespace muster::remote {

// What is known of the machine beside its hardware.
struct InstallFacts {
  std::string host_public_key;  // "ssh-ed25519 AAAA...": what it will prove; its secret half is
                                // the input_secret "host_key"
  std::string ipv4;             // "" = none
  std::string ipv6;  // of the installed system, without a length ("2001:db8::1"); "" = none
};

struct InstallPlan {
  std::string id;  // PlanId of the commands
  std::vector<RemoteCommand> commands;
  std::vector<eventpb::DiskSeen> disks_lost;  // all that is on them
  std::vector<std::string> words;             // what it comes to, for people
};

// kFailedPrecondition  this machine cannot be installed so (no disk, disks that cannot be told
//                      apart, no two alike for "raid1", no network card with a gateway)
// kInvalidArgument     the spec is wrong, as the message says
StatusOr<InstallPlan> PlanPrepare(const specpb::ServerSpec& spec,
                                  const eventpb::Inspection& inspection, const InstallFacts& facts);

// After PlanPrepare with the same arguments was carried out: checks of what the machine will boot,
// boot loaders on every disk for both kinds of firmware, and unmounting. RebootCommand is next.
// Loses nothing. Errors as PlanPrepare.
StatusOr<InstallPlan> PlanBoot(const specpb::ServerSpec& spec,
                               const eventpb::Inspection& inspection, const InstallFacts& facts);

// Returns before the machine goes down.
RemoteCommand RebootCommand();

std::string DescribePlan(const InstallPlan& plan);

// The address with `host` in the network "2001:db8:61:1f::": 2 in the rescue system, 1 once
// installed. "" of "".
std::string Ipv6Address(std::string_view net, int host);

}  // namespace muster::remote
