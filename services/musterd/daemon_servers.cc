// The dedicated servers of the daemon's accounts.
#include "services/musterd/daemon.h"
#include "services/musterd/nix_here.h"
#include "workers/os/file_input.h"
#include "workers/os/os_key_store.h"
#include "workers/os/os_program.h"
#include "workers/os/os_text_files.h"
#include "workers/os/ssh_client.h"

namespace muster {

void Daemon::BeginServers() {
  server_keys_ = std::make_unique<OsKeyStore>(Cat(config_.store_path, "/keys"));
  programs_ = std::make_unique<OsProgramRunner>(rt_);
  server_files_ = std::make_unique<OsTextFiles>();
  ssh_ = std::make_unique<OsSshClient>(rt_);
  for (auto& [name, account] : accounts_) {
    if (account.made.servers == nullptr) continue;
    const ProviderConfig& provider = config_.providers.at(name.str());
    ServerOptions options;
    options.reach = {.ssh_port = provider.ssh_port, .ssh_host = provider.ssh_host};
    options.machines_file = MachinesFileOf(config_);
    options.nix = FindNix(config_.nix);
    ServerPorts ports{.rt = rt_,
                      .handler = engine_->handler(),
                      .provider = *account.made.servers,
                      .ssh = *ssh_,
                      .keys = *server_keys_,
                      .secrets = secrets_,
                      .programs = *programs_,
                      .files = *server_files_,
                      .open_file = OpenFileInput};
    auto effects = std::make_unique<ServerEffects>(std::move(ports), std::move(options));
    effects->Start();
    servers_.emplace(name, std::move(effects));
  }
}

grpc_api::ServerPlace Daemon::PlaceOf(const server::State& state) const {
  grpc_api::ServerPlace place = grpc_api::OwnPlace(state);
  const auto provider = config_.providers.find(state.provider.str());
  if (provider == config_.providers.end()) return place;
  place.port = provider->second.ssh_port;
  if (!provider->second.ssh_host.empty()) place.address = provider->second.ssh_host;
  return place;
}

std::optional<ServerDoing> Daemon::DoingWith(const server::State& state) const {
  const auto found = servers_.find(state.provider);
  return found == servers_.end() ? std::nullopt : found->second->DoingWith(state.id);
}

ServerPlans* Daemon::PlansOf(const ProviderName& name) {
  const auto found = servers_.find(name);
  return found == servers_.end() ? nullptr : &found->second->plans();
}

}  // namespace muster
