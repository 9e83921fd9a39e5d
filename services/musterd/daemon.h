// Daemon: musterd without its process: everything made, wired and ended in the right order.
//
//   store -> engine (handler, policy, pollers, effects) -> read models -> gRPC, metrics
//
// Reactor thread, except where said. Owns all of it; the Runtime and the secrets must outlive it,
// and the Runtime's tasks be destroyed before it is.
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
#include "services/grpc/audit_api.h"
#include "services/grpc/command_api.h"
#include "services/grpc/query_api.h"
#include "services/grpc/server.h"
#include "services/grpc/services.h"
#include "services/metrics/metrics.h"
#include "services/metrics/observed_store.h"
#include "services/notify/alert_watch.h"
#include "services/notify/notifier.h"
#include "workers/audit/chain_watch.h"
#include "workers/audit/head_keeper.h"
#include "workers/engine/engine.h"
#include "workers/os/os_runtime.h"
#include "workers/pollers/tail_keeper.h"
#include "workers/ports/observed_http.h"
#include "workers/ports/program.h"
#include "workers/ports/provider_factory.h"
#include "workers/ports/sim_server.h"
#include "workers/servers/server_effects.h"

namespace muster {

class Daemon {
 public:
  Daemon(OsRuntime& rt, DaemonConfig config, Secrets& secrets);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Opens, folds, begins to work and then to answer. After an error the Daemon is only good for
  // destruction:
  // kFailedPrecondition, kDataLoss, kResourceExhausted, kUnavailable  the store's (see there)
  // kInvalidArgument, kNotFound, kAlreadyExists  a listener's; the message says what to change
  Task<Status> Start();

  // Stops answering, then working. `done` is called on the reactor when that is over, or when
  // `patience` is: what was still under way then is taken up by the next start.
  void BeginStop(absl::Duration patience, std::function<void()> done);

  // The keys in which `fresh` differs from what runs and which take a restart to change.
  std::vector<std::string> NeedsRestart(const DaemonConfig& fresh) const;

  // Where clients reach it, ports resolved; after Start.
  const std::vector<std::string>& addresses() const { return server_->addresses(); }
  std::string metrics_url() const;  // "" = off

 private:
  struct Account {
    std::unique_ptr<SimServer> sim;    // with an embedded market
    std::unique_ptr<HttpClient> http;  // of this provider, with its own trust
    std::unique_ptr<ObservedHttpClient> observed;
    MadeProvider made;
  };

  Status OpenStore();
  void OpenAuditKey();
  void BeginHeads();
  // Who is told what happens (daemon_notify.cc).
  void BeginNotify();
  std::unique_ptr<NoticeTarget> MakeTarget(const NotifyTargetConfig& target);
  notify::AlertInputs AlertInputsNow() const;
  std::int64_t FreeBytes() const;
  std::vector<api::v1::NotifyTarget> NotifyTargets() const;
  Task<StatusOr<api::v1::TestNotifyTargetResponse>> TestNotify(std::string target);
  Status MakeAccounts();
  // Takes up what the log has of dedicated servers (daemon_servers.cc).
  void BeginServers();
  ServerPlans* PlansOf(const ProviderName& name);
  // Where the sshd of a server is reached, by the configuration of its provider.
  grpc_api::ServerPlace PlaceOf(const server::State& state) const;
  std::optional<ServerDoing> DoingWith(const server::State& state) const;
  Status BeginMetrics();
  metrics::Probe Counted() const;
  void MakeApis();
  std::vector<grpc_api::ListenerSpec> Listeners() const;
  Task<void> StopWorking(absl::Duration patience, std::function<void()> done);

  // What the APIs ask of the world (daemon_hooks.cc).
  grpc_api::QueryHooks MakeQueryHooks();
  fleet::PlanOptions MakePlanOptions() const;
  grpc_api::CommandHooks MakeCommandHooks();
  grpc_api::AuditHooks MakeAuditHooks();
  // Those that rent machines to fleets.
  std::vector<ProviderName> MachineProviders() const;
  StatusOr<Provider*> MachinesOf(const ProviderName& name);
  StatusOr<ServerProvider*> ServersOf(const ProviderName& name);
  Task<StatusOr<std::vector<Instance>>> ListInstances(ProviderName name, absl::Time deadline);
  Task<StatusOr<std::vector<ServerOffer>>> SearchServers(ProviderName name, ServerChannel channel);
  Task<StatusOr<api::v1::ListOffersResponse>> ListOffers(api::v1::ListOffersRequest request);
  Task<Status> SearchMarket(specpb::FleetSpec spec, absl::Time deadline);
  Task<StatusOr<std::vector<Offer>>> SearchFor(const World& fleets, ProviderName name,
                                               absl::Time deadline);
  std::vector<std::pair<std::string, std::string>> MissingSecrets(const specpb::FleetSpec& spec);
  Task<StatusOr<LogTail>> FetchLog(WorkerId worker, int lines);
  Task<std::vector<api::v1::Check>> Diagnose();
  // What a provider says by `until`.
  Task<void> CheckProvider(ProviderName name, absl::Time until,
                           std::vector<api::v1::Check>* checks);
  Task<api::v1::Check> CheckAccount(ProviderName name, absl::Time until);
  Task<std::vector<api::v1::Check>> CheckServers(ProviderName name, absl::Time until);
  api::v1::Check CheckSecrets();
  api::v1::Check CheckStore() const;
  Task<StatusOr<api::v1::BackupStoreResponse>> Backup();
  std::string BackupFolder() const;
  std::string AuditKeyFile() const { return Cat(config_.store_path, "/audit.key"); }

  OsRuntime& rt_;
  DaemonConfig config_;
  Secrets& secrets_;
  std::unique_ptr<metrics::Metrics> metrics_;
  std::unique_ptr<RocksDbEventStore> store_;
  std::unique_ptr<metrics::ObservedStore> observed_store_;  // what the engine writes through
  std::unique_ptr<HeadMaker> heads_;                        // null: the key cannot be used
  std::unique_ptr<TailKeeper> tails_;
  std::unique_ptr<HttpClient> http_;  // for what is no provider's: preflight checks
  std::map<ProviderName, Account> accounts_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<HeadKeeper> head_keeper_;
  std::unique_ptr<ChainWatch> chain_watch_;
  std::unique_ptr<ProgramRunner> programs_;
  std::unique_ptr<KeyStore> server_keys_;
  std::unique_ptr<TextFiles> server_files_;
  std::unique_ptr<SshClient> ssh_;
  std::map<ProviderName, std::unique_ptr<ServerEffects>> servers_;
  std::unique_ptr<notify::Notifier> notifier_;
  std::unique_ptr<notify::AlertWatch> alert_watch_;
  absl::Time started_at_;
  std::unique_ptr<queries::Projector> projector_;
  std::unique_ptr<grpc_api::CommandApi> command_api_;
  std::unique_ptr<grpc_api::QueryApi> query_api_;
  std::unique_ptr<grpc_api::CommandService> command_service_;
  std::unique_ptr<grpc_api::QueryService> query_service_;
  std::unique_ptr<grpc_api::AuditApi> audit_api_;
  std::unique_ptr<grpc_api::AuditService> audit_service_;
  std::unique_ptr<grpc_api::GrpcServer> server_;
  std::thread closer_;  // ends the server, which blocks
  std::thread copier_;  // makes a backup, which blocks
  bool copying_ = false;
};

}  // namespace muster
