#include "services/sim/machine_boxes.h"

#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "eventstore/base/strings.h"
#include "services/sim/machine_process.h"

namespace muster {

namespace fs = std::filesystem;

StatusOr<std::unique_ptr<MachineBoxes>> MachineBoxes::Make(std::string folder, int port) {
  const bool owns = folder.empty();
  if (owns) {
    folder = (fs::temp_directory_path() / "muster-machines-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) return Internal(Cat("cannot make ", folder));
  }
  return std::unique_ptr<MachineBoxes>(new MachineBoxes(std::move(folder), owns, port));
}

MachineBoxes::~MachineBoxes() {
  while (!running_.empty()) Stop(ServerNumber(running_.begin()->first));
  if (!owns_folder_) return;
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string MachineBoxes::FolderOf(const ServerNumber& server) const {
  return Cat(folder_, "/", server.str());
}

void MachineBoxes::Start(const ServerNumber& server, const std::string& address, bool rescue) {
  const std::string box = FolderOf(server);
  running_[server] = {.pid = Spawn({"/bin/sh", box + "/machine", box, rescue ? "rescue" : "disk"}),
                      .address = address};
}

void MachineBoxes::Stop(const ServerNumber& server) {
  const auto found = running_.find(server);
  if (found == running_.end()) return;
  const Running running = found->second;
  running_.erase(found);
  kill(-running.pid, SIGKILL);
  waitpid(running.pid, nullptr, 0);
  if (!running.address.empty()) AwaitFree(running.address, port_);
}

void MachineBoxes::Off(const ServerNumber& server, bool forget) {
  Stop(server);
  std::error_code ignored;
  if (forget) fs::remove_all(FolderOf(server), ignored);
}

}  // namespace muster
