#include <iostream>

#include "eventstore/base/log.h"
#include "services/musterd/daemon.h"
#include "services/musterd/options.h"
#include "workers/os/os_secrets.h"
#include "workers/os/process.h"

namespace muster {
namespace {

constexpr int kUsageExit = 64;

int Fail(const Status& status) {
  std::cerr << "musterd: " << Message(status) << "\n";
  return 1;
}

// The file has been read; what it refers to is looked at here.
int CheckConfig(const DaemonConfig& config, const std::string& file) {
  const std::unique_ptr<Secrets> secrets = MakeOsSecrets();
  bool good = true;
  const auto check = [&](const std::string& field, const std::string& ref) {
    const StatusOr<std::string> secret = secrets->Resolve(ref);
    if (secret.ok()) return;
    good = false;
    std::cerr << file << ": " << field << ": " << Message(secret.status()) << "\n";
  };
  for (const auto& [name, provider] : config.providers) {
    if (!config.sim.embedded) check(Cat("providers.", name, ".api_key"), provider.api_key_ref);
  }
  for (const auto& [name, target] : config.notify.targets) {
    const std::string field = Cat("notify.targets.", name);
    if (!target.key_ref.empty()) check(Cat(field, ".key"), target.key_ref);
    if (!target.token_ref.empty()) check(Cat(field, ".token"), target.token_ref);
    if (IsSecretRef(target.url)) check(field, target.url);
  }
  if (good) std::cout << file << ": good\n";
  return good ? 0 : 1;
}

int Verify(const DaemonConfig& config) {
  OsRuntime rt;
  const auto store = RocksDbEventStore::Open(rt, {.path = config.store_path});
  if (!store.ok()) return Fail(store.status());
  const Status verified = (*store)->Verify(0);
  if (!verified.ok()) return Fail(verified);
  std::cout << config.store_path << ": " << (*store)->Head() << " events, the chain is whole\n";
  return 0;
}

int Restore(const DaemonConfig& config, const std::string& from) {
  const Status restored = RocksDbEventStore::Restore(from, config.store_path);
  if (!restored.ok()) return Fail(restored);
  std::cout << "restored " << config.store_path << " from " << from << "\n";
  return Verify(config);
}

Task<void> Begin(Daemon* daemon, OsRuntime* rt, int* exit_code) {
  const Status started = co_await daemon->Start();
  if (started.ok()) co_return;
  *exit_code = Fail(started);
  rt->Stop();
}

// Log lines carry the runtime's time and no secret. The options hold references: reset them first.
void LogThrough(OsRuntime& rt, const Secrets& secrets, const std::string& level) {
  LogOptions options;
  options.level = ParseLogLevel(level).value_or(LogLevel::kInfo);
  options.journal = StderrIsJournal();
  options.now = [&rt] { return rt.Now(); };
  options.mask = [&secrets](std::string_view text) { return secrets.Mask(text); };
  ConfigureLog(std::move(options));
}

// SIGHUP: takes what may change from the file; a bad file changes nothing.
void ReadAgain(const std::string& config_file, Daemon& daemon, OsRuntime& rt,
               const Secrets& secrets) {
  const StatusOr<DaemonConfig> fresh = LoadDaemonConfig(config_file);
  if (!fresh.ok()) {
    Log(LogLevel::kError, "reload_refused", {{"error", fresh.status()}});
    return;
  }
  LogThrough(rt, secrets, fresh->log_level);
  for (const std::string& key : daemon.NeedsRestart(*fresh)) {
    Log(LogLevel::kWarning, "needs_restart", {{"key", key}});
  }
  Log(LogLevel::kInfo, "reloaded");
}

// A fast clock gets ahead of the wall; the next run goes on where the log ends, so that time in it
// never runs backwards.
absl::Duration AheadOfTheWall(const DaemonConfig& config) {
  OsRuntime rt;
  const auto store = RocksDbEventStore::Open(rt, {.path = config.store_path});
  if (!store.ok() || (*store)->Head() == 0) return absl::ZeroDuration();
  absl::Time last = absl::InfinitePast();
  const Status read = (*store)->ReadAll((*store)->Head() - 1, 1, [&](const RecordedEvent& event) {
    last = event.recorded_at;
    return true;
  });
  return read.ok() ? std::max(absl::ZeroDuration(), last - rt.Now()) : absl::ZeroDuration();
}

OsRuntime::Options ClockOf(const DaemonConfig& config) {
  if (!config.sim.embedded) return {};
  const absl::Duration ahead = AheadOfTheWall(config);
  return {.speed = config.sim.speed, .wall_clock = [ahead] { return absl::Now() + ahead; }};
}

int Serve(const DaemonConfig& config, const std::string& config_file) {
  OsRuntime rt(ClockOf(config));
  const std::unique_ptr<Secrets> secrets = MakeOsSecrets();
  LogThrough(rt, *secrets, config.log_level);
  int exit_code = 0;
  {
    Daemon daemon(rt, config, *secrets);
    // Of real time: a demonstration's clock runs faster, its provider answers faster too.
    const absl::Duration patience =
        absl::Seconds(10) * (config.sim.embedded ? config.sim.speed : 1);
    HandleSignals(rt, {.stop =
                           [&] {
                             Log(LogLevel::kInfo, "stopping");
                             daemon.BeginStop(patience, [&rt] { rt.Stop(); });
                           },
                       .reload = [&] { ReadAgain(config_file, daemon, rt, *secrets); }});
    rt.Spawn("begin", Begin(&daemon, &rt, &exit_code));
    rt.Run();
    rt.DestroyTasks();
  }
  Log(LogLevel::kInfo, "stopped");
  ConfigureLog({});
  return exit_code;
}

int Main(const std::vector<std::string>& args) {
  const StatusOr<DaemonOptions> options = ParseDaemonOptions(args);
  if (!options.ok()) {
    std::cerr << "musterd: " << Message(options.status()) << "\n";
    return kUsageExit;
  }
  using Mode = DaemonOptions::Mode;
  if (options->mode == Mode::kHelp) return std::cout << DaemonUsage(), 0;
  if (options->mode == Mode::kVersion) return std::cout << "musterd " << MUSTER_VERSION << "\n", 0;
  const StatusOr<DaemonConfig> config = LoadDaemonConfig(options->config_file);
  if (!config.ok()) return Fail(config.status());
  if (options->mode == Mode::kCheckConfig) return CheckConfig(*config, options->config_file);
  if (options->mode == Mode::kVerify) return Verify(*config);
  if (options->mode == Mode::kRestore) return Restore(*config, options->restore_from);
  return Serve(*config, options->config_file);
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  const auto hardened = muster::HardenProcess();
  if (!hardened.ok()) return muster::Fail(hardened.status());
  return muster::Main(std::vector<std::string>(argv + 1, argv + argc));
}
