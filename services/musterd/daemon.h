// Daemon: musterd without its process: everything made, wired and ended in the right order.
//
//   store -> engine (handler, policy, pollers, effects) -> read models -> gRPC, metrics
//
// Reactor thread, except where said. Owns all of it; the Runtime must outlive it, and its tasks be
// destroyed before it is.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "queries/projector.h"
#include "services/files/daemon_config.h"
#include "services/grpc/command_api.h"
#include "services/grpc/query_api.h"
#include "services/grpc/server.h"
#include "services/grpc/services.h"
#include "workers/os/os_runtime.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/ports/provider_factory.h"
#include "workers/ports/sim_server.h"
#include "workers/runtime/engine.h"

namespace muster {

class MetricsFace;

class Daemon {
 public:
  Daemon(OsRuntime& rt, DaemonConfig config, std::unique_ptr<Secrets> secrets);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Opens, folds, begins to work and then to answer. On an error nothing is left running:
  // kFailedPrecondition, kDataLoss, kResourceExhausted, kUnavailable  the store's (see there)
  // kInvalidArgument, kNotFound, kAlreadyExists  a listener's; the message says what to change
  Task<Status> Start();

  // Stops answering, then working; `done` is called on the reactor when that is over, or after
  // ten seconds: what was still under way then is taken up by the next start.
  void BeginStop(std::function<void()> done);

  // Takes over what of `config` may change while running; returns what needs a restart.
  std::vector<std::string> Reload(const DaemonConfig& config);

  // Where clients reach it, ports resolved; after Start.
  std::vector<std::string> addresses() const;
  // "http://127.0.0.1:9477/metrics", "" = off.
  std::string metrics_url() const;

 private:
  Status OpenStore();
  void MakeHttp();
  Status MakeProviders();
  void MakeFaces();
  Status Listen();
  Task<std::vector<api::muster_check>> Nothing();

  OsRuntime& rt_;
  DaemonConfig config_;
  std::unique_ptr<Secrets> secrets_;
};

}  // namespace muster
