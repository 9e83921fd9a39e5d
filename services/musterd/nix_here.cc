#include "services/musterd/nix_here.h"

#include <cstdlib>
#include <filesystem>

#include "eventstore/base/strings.h"

namespace muster {

nix::NixHere FindNix(const NixConfig& config) {
  nix::NixHere here;
  here.store = config.store;
  here.folder = config.programs;
  if (here.folder.empty()) {
    here.folder = "/usr/bin";
    for (const char* folder : {"/run/current-system/sw/bin", "/nix/var/nix/profiles/default/bin",
                               "/usr/local/bin", "/usr/bin"}) {
      std::error_code error;
      if (!std::filesystem::exists(Cat(folder, "/nix-build"), error)) continue;
      here.folder = folder;
      break;
    }
  }
  for (const char* name :
       {"HOME", "NIX_CONF_DIR", "NIX_REMOTE", "NIX_SSL_CERT_FILE", "XDG_CACHE_HOME"}) {
    const char* value = std::getenv(name);
    if (value != nullptr) here.environment.push_back(Cat(name, "=", value));
  }
  return here;
}

std::string MachinesFileOf(const DaemonConfig& config) {
  if (!config.nix.keep_machines_file) return "";
  if (!config.nix.machines_file.empty()) return config.nix.machines_file;
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::absolute(config.store_path, error);
  return (folder / "machines").lexically_normal().string();
}

}  // namespace muster
