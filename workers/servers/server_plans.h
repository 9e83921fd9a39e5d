// ServerPlans: what would be done to a server, looked up and written down before anything is.
//
// A plan reads (the market, the boot settings, the cancellation) and changes nothing. Its id stands
// for all that it says; the command that carries it out bears the id, so that what was agreed to is
// what is done. Reactor thread.
#pragma once

#include <string>
#include <vector>

#include "workers/servers/server_context.h"

namespace muster {

struct ServerPlan {
  std::string id;
  std::vector<std::string> checks;   // what was looked at, and what was found
  std::vector<std::string> actions;  // calls and commands, in order, without secrets
  std::vector<eventpb::DiskSeen> disks_lost;
  std::vector<std::string> costs;
  std::vector<std::string> warnings;
  bool needs_name = false;  // carried out only with the server's name typed
  ServerId server;
  server::Command command;  // carries it out; the typed name is still to be filled in
};

class ServerPlans {
 public:
  explicit ServerPlans(ServerContext& context) : context_(context) {}

  // The offer that the spec's market would take, or the one it names.
  //   kNotFound            nothing on sale fits, with how many were looked at
  //   kFailedPrecondition  its name is taken, or the orders of the day are used up
  //   others               from the provider: nothing is known, try again
  Task<StatusOr<ServerPlan>> Order(specpb::ServerSpec spec);

  // REQUIRES nothing; refuses as Decide would, before anybody is asked.
  //   kNotFound, kFailedPrecondition, and those of the provider
  Task<StatusOr<ServerPlan>> Step(ServerId id, server::Step step);
  // `date` is "now" or "2026-12-31".
  Task<StatusOr<ServerPlan>> Cancel(ServerId id, std::string date, std::string reason);
  Task<StatusOr<ServerPlan>> Revoke(ServerId id);

 private:
  Task<Status> PlanRescue(const server::State& state, ServerPlan& plan);
  Status PlanPrepare(const server::State& state, ServerPlan& plan);
  Status PlanBoot(const server::State& state, ServerPlan& plan);
  Status PlanBuilder(const server::State& state, server::Step step, ServerPlan& plan);
  int OrdersToday(const std::string& channel) const;

  ServerContext& context_;
};

}  // namespace muster
