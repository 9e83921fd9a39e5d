// MachineBoxes: a folder for each simulated machine, its box, with the script "machine" that keeps
// the machine up, and the processes of those that are up.
//
//   StatusOr<std::unique_ptr<MachineBoxes>> boxes = MachineBoxes::Make("", /*port=*/2222);
//
// Every machine goes down with this object, or with the process if that is killed. One thread,
// which must be as long-lived as the machines.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "eventstore/base/ids.h"
#include "eventstore/base/status.h"

namespace muster {

class MachineBoxes {
 public:
  // In `folder`, or, if that is "", in a fresh one that is removed at the end. `port` is that of
  // each machine's address.
  // kInternal  the folder cannot be made
  static StatusOr<std::unique_ptr<MachineBoxes>> Make(std::string folder, int port);
  ~MachineBoxes();
  MachineBoxes(const MachineBoxes&) = delete;

  const std::string& folder() const { return folder_; }
  std::string FolderOf(const ServerNumber& server) const;

  // Runs "BOX/machine BOX SYSTEM", in which SYSTEM is "rescue" or "disk". `address` is where the
  // machine listens on this host, "" = nowhere. REQUIRES: the machine is down
  void Start(const ServerNumber& server, const std::string& address, bool rescue);
  // Returns when its processes are gone and its address is free again.
  void Stop(const ServerNumber& server);
  // Stop, and its box is gone with `forget`.
  void Off(const ServerNumber& server, bool forget);

 private:
  MachineBoxes(std::string folder, bool owns_folder, int port)
      : folder_(std::move(folder)), owns_folder_(owns_folder), port_(port) {}

  struct Running {
    pid_t pid = 0;
    std::string address;
  };

  const std::string folder_;
  const bool owns_folder_;
  const int port_;
  std::map<ServerNumber, Running> running_;
};

}  // namespace muster
