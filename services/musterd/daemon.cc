#include "services/musterd/daemon.h"

#include <cstdlib>

#include "absl/strings/str_join.h"
#include "commands/server/commands.h"
#include "commands/shadow/money.h"
#include "eventstore/base/log.h"
#include "services/musterd/registry.h"
#include "services/sim/make_sim.h"
#include "workers/audit/webhook_sink.h"
#include "workers/os/curl_http_client.h"
#include "workers/os/head_sinks.h"
#include "workers/os/private_file.h"
#include "workers/runtime/sim_http_client.h"

namespace muster {
namespace {

// Where the embedded market answers; reached in memory, never over a network.
constexpr char kMarketOrigin[] = "http://market.internal";
constexpr char kMarketKey[] = "sim-key";
constexpr absl::Duration kLastCalls = absl::Seconds(2);  // for gRPC calls under way at the end

specpb::Budget ToSpec(const AccountBudget& budget) {
  specpb::Budget out;
  out.set_per_hour_micro_usd(budget.per_hour.micros);
  out.set_per_day_micro_usd(budget.per_day.micros);
  out.set_total_micro_usd(budget.total.micros);
  return out;
}

std::string RuntimeDir() {
  const char* dir = std::getenv("XDG_RUNTIME_DIR");
  return dir == nullptr ? "" : dir;
}

// The installation's own, made on its first start.
StatusOr<audit::SigningKey> ReadAuditKey(const std::string& path) {
  MUSTER_ASSIGN_OR_RETURN(
      const std::string pem, ReadOrMakePrivateFile(path, []() -> StatusOr<std::string> {
        MUSTER_ASSIGN_OR_RETURN(const audit::SigningKey fresh, audit::SigningKey::Make());
        return fresh.PrivatePem();
      }));
  return audit::SigningKey::FromPem(pem);
}

std::vector<metrics::ShadowProbe> ShadowsOf(const World& world, absl::Time now) {
  std::vector<metrics::ShadowProbe> all;
  for (const auto& [name, shadow] : world.shadows) {
    metrics::ShadowProbe probe{.fleet = name.str(), .running = shadow.running};
    for (const auto& [rule, count] : shadow.by_rule) probe.disagreements[rule] = count.count;
    const MicroUsd ended = shadow.would_be_counted - shadow.live_counted;
    const MicroUsd beyond = shadow.running ? shadow::Difference(world, shadow, now).total : ended;
    probe.open = shadow.running ? static_cast<std::int64_t>(shadow.open.size()) : 0;
    probe.difference_usd = beyond.usd();
    all.push_back(std::move(probe));
  }
  return all;
}

metrics::ServerProbe::Vitals VitalsOf(const server::State& state) {
  const eventpb::BuilderObserved& seen = state.vitals;
  metrics::ServerProbe::Vitals out;
  out.at = state.vitals_at.at;
  out.reached = seen.reached();
  out.load1 = seen.load1();
  out.memory_bytes = static_cast<double>(seen.memory_total_kb()) * 1024;
  out.memory_available_bytes = static_cast<double>(seen.memory_available_kb()) * 1024;
  out.disk_bytes = static_cast<double>(seen.disk_total_bytes());
  out.disk_free_bytes = static_cast<double>(seen.disk_free_bytes());
  out.build_processes = seen.build_processes();
  for (const eventpb::GpuVitals& gpu : seen.gpus()) {
    out.gpus.push_back({gpu.utilization_percent() / 100,
                        static_cast<double>(gpu.memory_total_mib()) * (1 << 20),
                        static_cast<double>(gpu.memory_used_mib()) * (1 << 20)});
  }
  return out;
}

std::vector<metrics::ServerProbe> ServerProbesOf(const World& world, absl::Time now) {
  std::vector<metrics::ServerProbe> all;
  for (const auto& [id, state] : world.servers) {
    // A name lives on with its newest server.
    if (state.ended_already() || world.FindServerNamed(state.name.str()) != &state) continue;
    metrics::ServerProbe probe{.server = state.name.str(),
                               .provider = state.provider.str(),
                               .state = server::StateText(state),
                               .since = grpc_api::ServerSince(state),
                               .needs_operator = server::NeedsOperator(state),
                               .in_service = state.InService()};
    const eventpb::ServerPriceTaken& price = state.offer.price();
    probe.currency = price.currency();
    probe.price_per_month = static_cast<double>(price.micros_per_month()) / 1e6;
    probe.spent = static_cast<double>(server::Spent(state, now).micros) / 1e6;
    if (state.vitals_at.seen()) probe.vitals = VitalsOf(state);
    all.push_back(std::move(probe));
  }
  return all;
}

}  // namespace

Daemon::Daemon(OsRuntime& rt, DaemonConfig config, Secrets& secrets)
    : rt_(rt), config_(std::move(config)), secrets_(secrets) {}

Daemon::~Daemon() {
  if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
  if (closer_.joinable()) closer_.join();
  if (copier_.joinable()) copier_.join();
}

Status Daemon::OpenStore() {
  MUSTER_ASSIGN_OR_RETURN(store_, RocksDbEventStore::Open(rt_, {.path = config_.store_path}));
  observed_store_ = std::make_unique<metrics::ObservedStore>(
      rt_, *store_, [this](const Status& status, std::size_t events, absl::Duration elapsed) {
        metrics_->ObserveAppend(status, events, elapsed);
      });
  tails_ = std::make_unique<TailKeeper>(
      rt_,
      TailKeeperOptions{.folder = Cat(config_.store_path, "/tails"), .age_max = config_.tail_keep});
  const Status kept = tails_->Start();
  if (!kept.ok()) Log(LogLevel::kWarning, "tails_in_memory", {{"error", kept}});
  return absl::OkStatus();
}

// Not fatal: a fleet is not left alone because its log cannot be signed.
void Daemon::OpenAuditKey() {
  StatusOr<audit::SigningKey> key = ReadAuditKey(AuditKeyFile());
  if (key.ok()) {
    heads_ = std::make_unique<HeadMaker>(rt_, *store_, *std::move(key));
  } else {
    Log(LogLevel::kError, "audit_key_unusable",
        {{"file", AuditKeyFile()}, {"error", key.status()}});
  }
}

void Daemon::BeginHeads() {
  const AuditConfig& audit = config_.audit;
  if (heads_ == nullptr || audit.heads_every == absl::ZeroDuration()) return;
  std::vector<std::unique_ptr<HeadSink>> sinks;
  if (audit.heads_to_file) {
    sinks.push_back(MakeFileHeadSink(
        audit.heads_file.empty() ? Cat(config_.store_path, "/heads.jsonl") : audit.heads_file));
  }
  if (audit.heads_to_syslog) sinks.push_back(MakeSyslogHeadSink());
  if (!audit.heads_webhook.empty()) {
    sinks.push_back(std::make_unique<WebhookHeadSink>(rt_, *http_, secrets_, audit.heads_webhook,
                                                      audit.heads_webhook_bearer_ref));
  }
  head_keeper_ =
      std::make_unique<HeadKeeper>(HeadKeeper::Ports{rt_, *store_, engine_->handler(), *heads_},
                                   std::move(sinks), HeadKeeperOptions{.every = audit.heads_every});
  rt_.Spawn("heads", head_keeper_->Run());
}

Status Daemon::BeginMetrics() {
  if (!config_.metrics.empty()) MUSTER_RETURN_IF_ERROR(metrics_->Listen(config_.metrics));
  metrics::MetricsSources sources;
  sources.projector = projector_.get();
  sources.store = store_.get();
  sources.probe = [this] { return Counted(); };
  for (const auto& [name, account] : accounts_) {
    sources.limiters[name.str()] = account.made.limiter.get();
  }
  rt_.Spawn("metrics", metrics_->Run(rt_, std::move(sources)));
  return absl::OkStatus();
}

metrics::Probe Daemon::Counted() const {
  const RocksDbEventStore::Counters store = store_->counters();
  const ReactorLag::Numbers lag = rt_.lag().Read();
  metrics::Probe probe{.policy_passes = engine_->policy().passes(),
                       .policy_last_pass = engine_->policy().last_pass(),
                       .store_syncs = store.groups,
                       .store_syncing = store.syncing};
  for (const int ms : ReactorLag::kBoundsMs) {
    probe.reactor_lag.bounds_seconds.push_back(ms / 1e3);
  }
  probe.reactor_lag.counts.assign(lag.buckets.begin(), lag.buckets.end());
  probe.reactor_lag.sum = lag.sum;
  probe.shadows = ShadowsOf(engine_->handler().world(), rt_.Now());
  probe.servers = ServerProbesOf(engine_->handler().world(), rt_.Now());
  probe.store_free_bytes = FreeBytes();
  if (chain_watch_ != nullptr) {
    probe.chain_ok = chain_watch_->problem().empty();
    probe.chain_verified = chain_watch_->verified();
  }
  if (notifier_ == nullptr) return probe;
  for (const notify::TargetStatus& target : notifier_->Targets()) {
    probe.notify.push_back(
        {target.name, target.sent, target.failed, target.dropped, target.behind});
  }
  return probe;
}

std::string Daemon::metrics_url() const {
  if (metrics_->port() == 0) return "";
  return Cat("http://", config_.metrics.substr(0, config_.metrics.rfind(':')), ":",
             metrics_->port(), "/metrics");
}

Status Daemon::MakeAccounts() {
  for (const auto& [name, provider] : config_.providers) {
    const auto maker = KnownProviders().find(name);
    if (maker == KnownProviders().end()) {
      return InvalidArgument(Cat("providers: this musterd knows no provider '", name, "'"));
    }
    ProviderSettings settings;
    settings.base_url = provider.base_url;
    settings.api_key_ref = provider.api_key_ref;
    settings.user = provider.user;
    settings.log_hosts = provider.log_hosts;
    settings.pace = provider.pace;
    settings.log_bytes_max = static_cast<std::size_t>(config_.limits.log_bytes_max);
    settings.answer_bytes_max = static_cast<std::size_t>(config_.limits.answer_bytes_max);
    Account account;
    if (!config_.sim.embedded) {
      // Not fatal: the key may come later, and a fleet that runs is best left running meanwhile.
      const StatusOr<std::string> key = secrets_.Resolve(provider.api_key_ref);
      if (!key.ok()) {
        Log(LogLevel::kError, "api_key_missing", {{"provider", name}, {"error", key.status()}});
      }
    }
    if (config_.sim.embedded) {
      SimSpec market = {config_.sim.seed, rt_.Now()};
      if (provider.user.empty()) {
        market.settings["bad_machines"] = "1";  // among the best, so that healing can be seen
      } else {
        market.settings["user"] = provider.user;
        market.settings["password"] = kMarketKey;
      }
      MUSTER_ASSIGN_OR_RETURN(account.sim, MakeSim(name, market));
      settings.base_url = kMarketOrigin;
      settings.log_hosts = {kMarketOrigin};
      settings.api_key_ref = "env:MUSTER_SIM_KEY";
      setenv("MUSTER_SIM_KEY", kMarketKey, 1);
      account.sim->SetOrigin(kMarketOrigin);
      account.http = std::make_unique<SimHttpClient>(rt_, *account.sim);
    } else {
      account.http =
          std::make_unique<CurlHttpClient>(rt_, CurlOptions{.ca_file = provider.ca_file});
    }
    account.observed = std::make_unique<ObservedHttpClient>(
        *account.http, rt_, ProviderName(name), [this](const HttpObservation& seen) {
          metrics_->ObserveProviderCall(seen.provider.str(), seen.route,
                                        seen.outcome == "2xx" ? "" : seen.outcome, seen.latency);
        });
    account.made = maker->second(settings, {rt_, *account.observed, secrets_});
    accounts_.emplace(ProviderName(name), std::move(account));
  }
  return absl::OkStatus();
}

void Daemon::MakeApis() {
  command_api_ = std::make_unique<grpc_api::CommandApi>(rt_, engine_->handler(), engine_->policy(),
                                                        MakeCommandHooks());
  query_api_ =
      std::make_unique<grpc_api::QueryApi>(rt_, *store_, *projector_, *tails_, MakeQueryHooks());
  command_service_ = std::make_unique<grpc_api::CommandService>(rt_, *command_api_);
  query_service_ = std::make_unique<grpc_api::QueryService>(rt_, *query_api_);
  audit_api_ = std::make_unique<grpc_api::AuditApi>(rt_, *store_, *projector_, MakeAuditHooks());
  audit_service_ = std::make_unique<grpc_api::AuditService>(rt_, *audit_api_);
}

std::vector<grpc_api::ListenerSpec> Daemon::Listeners() const {
  std::vector<grpc_api::ListenerSpec> out;
  const bool own_commands = !config_.command_listen.empty();
  const bool own_queries = !config_.query_listen.empty();
  std::vector<std::string> common = config_.listen;
  if (common.empty() && !(own_commands && own_queries)) common = DefaultListen(RuntimeDir());
  out.reserve(common.size() + config_.command_listen.size() + config_.query_listen.size());
  for (const std::string& address : common) out.push_back({address, !own_commands, !own_queries});
  for (const std::string& address : config_.command_listen) out.push_back({address, true, false});
  for (const std::string& address : config_.query_listen) out.push_back({address, false, true});
  return out;
}

Task<Status> Daemon::Start() {
  const grpc_api::TlsFiles tls{config_.tls.cert_file, config_.tls.key_file,
                               config_.tls.client_ca_file};
  const std::vector<grpc_api::ListenerSpec> listeners = Listeners();
  for (const auto& listener : listeners) {
    CO_RETURN_IF_ERROR(grpc_api::CheckListener(listener.address, tls));
  }
  metrics_ = std::make_unique<metrics::Metrics>(
      metrics::MetricsOptions{.version = MUSTER_VERSION, .started_at = rt_.Now()});
  CO_RETURN_IF_ERROR(OpenStore());
  OpenAuditKey();
  CO_RETURN_IF_ERROR(MakeAccounts());
  http_ = std::make_unique<CurlHttpClient>(rt_);
  EngineOptions options;
  options.policy.plan = MakePlanOptions();
  engine_ = std::make_unique<Engine>(
      Engine::Ports{rt_, *observed_store_, *http_, secrets_, *tails_}, std::move(options));
  for (auto& [name, account] : accounts_) {
    if (account.made.provider != nullptr) engine_->AddProvider(*account.made.provider);
  }
  CO_RETURN_IF_ERROR(co_await engine_->Start());
  BeginServers();
  projector_ = std::make_unique<queries::Projector>(rt_, *store_);
  CO_RETURN_IF_ERROR(co_await projector_->Start());
  MakeApis();
  CO_RETURN_IF_ERROR(BeginMetrics());
  BeginHeads();
  BeginNotify();
  CO_ASSIGN_OR_RETURN(server_, grpc_api::GrpcServer::Start(listeners, tls, *command_service_,
                                                           *query_service_, audit_service_.get()));
  Log(LogLevel::kInfo, "serving",
      {{"listen", std::string(absl::StrJoin(server_->addresses(), " "))},
       {"metrics", metrics_url()},
       {"store", config_.store_path},
       {"position", store_->Head()}});
  co_return absl::OkStatus();
}

fleet::PlanOptions Daemon::MakePlanOptions() const {
  fleet::PlanOptions options;
  options.launches_in_flight_max = config_.limits.launches_in_flight;
  for (const auto& [name, provider] : config_.providers) {
    options.account_budgets[ProviderName(name)] = ToSpec(provider.budget);
  }
  return options;
}

void Daemon::BeginStop(absl::Duration patience, std::function<void()> done) {
  if (closer_.joinable()) return;  // a second signal changes nothing
  closer_ = std::thread([this, patience, done = std::move(done)]() mutable {
    if (server_ != nullptr) server_->Shutdown(kLastCalls);
    rt_.Post([this, patience, done = std::move(done)]() mutable {
      rt_.Spawn("stop", StopWorking(patience, std::move(done)));
    });
  });
}

Task<void> Daemon::StopWorking(absl::Duration patience, std::function<void()> done) {
  if (projector_ != nullptr) {
    const Status saved = projector_->SaveSnapshot();
    if (!saved.ok()) {
      Log(LogLevel::kWarning, "snapshot_failed", {{"error", saved}});
    }
    projector_->Stop();
  }
  if (metrics_ != nullptr) metrics_->Stop();
  if (tails_ != nullptr) tails_->Stop();
  const auto ended = std::make_shared<bool>(false);
  const auto finish = std::make_shared<std::function<void()>>([ended, done = std::move(done)] {
    if (!std::exchange(*ended, true)) done();
  });
  if (engine_ != nullptr) {
    std::vector<ServerEffects*> servers;
    for (auto& [name, effects] : servers_) servers.push_back(effects.get());
    rt_.Spawn("stop engine",
              [](Engine* engine, std::vector<ServerEffects*> servers,
                 std::shared_ptr<std::function<void()>> finish) -> Task<void> {
                co_await engine->Stop();
                for (ServerEffects* each : servers) co_await each->Stop();
                (*finish)();
              }(engine_.get(), std::move(servers), finish));
    co_await rt_.SleepFor(patience);
  }
  (*finish)();
}

std::vector<std::string> Daemon::NeedsRestart(const DaemonConfig& fresh) const {
  std::vector<std::string> restart;
  const auto note = [&](bool changed, const char* key) {
    if (changed) restart.push_back(key);
  };
  note(fresh.listen != config_.listen, "listen");
  note(fresh.command_listen != config_.command_listen, "command_listen");
  note(fresh.query_listen != config_.query_listen, "query_listen");
  note(fresh.metrics != config_.metrics, "metrics");
  note(fresh.audit != config_.audit, "audit");
  note(fresh.notify != config_.notify, "notify");
  note(fresh.store_path != config_.store_path, "store.path");
  note(fresh.tls.cert_file != config_.tls.cert_file || fresh.tls.key_file != config_.tls.key_file ||
           fresh.tls.client_ca_file != config_.tls.client_ca_file,
       "tls");
  bool providers = fresh.providers.size() != config_.providers.size();
  for (const auto& [name, provider] : fresh.providers) {
    const auto old = config_.providers.find(name);
    providers = providers || old == config_.providers.end() ||
                old->second.base_url != provider.base_url ||
                old->second.api_key_ref != provider.api_key_ref ||
                old->second.log_hosts != provider.log_hosts || old->second.pace != provider.pace ||
                old->second.user != provider.user || old->second.ssh_port != provider.ssh_port ||
                old->second.ssh_host != provider.ssh_host;
  }
  note(providers, "providers");
  return restart;
}

}  // namespace muster
