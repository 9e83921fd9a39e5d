// SshdMachines: the machines of a simulated provider of dedicated servers as real SSH servers on
// loopback addresses of their own. Behind each is a folder that stands for its disks, and a shell
// whose tools (lsblk, sgdisk, mdadm, mkfs, mount, grub-install, reboot, ...) act on that folder and
// write down what they were asked. So our real commands run for real, and what they install is what
// boots: an sshd with the host key, the accounts and the configuration found on the disks, and a
// nix-daemon where the host has one.
//
//   StatusOr<std::unique_ptr<SshdMachines>> machines = SshdMachines::Make({.port = 2222});
//
// Each machine has name spaces of its own for mounts and processes, sees no device of the host, and
// ends with this object, or with the process if that is killed. Needs root and Linux. One thread,
// which must be as long-lived as the machines.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/base/status.h"
#include "services/sim/machine_boxes.h"
#include "workers/ports/sim_machines.h"

namespace muster {

class SshdMachines final : public SimMachines {
 public:
  struct Options {
    int port = 2222;          // on each machine's own address
    int disks = 2;            // of each machine, all alike
    bool efi = true;          // how the rescue system is started
    bool swap_names = true;   // the disks change their names at every other boot
    std::string folder = "";  // for everything; "" = a fresh one, removed at the end
  };

  // "" or why there can be none on this machine.
  static std::string Missing();

  // kFailedPrecondition  as Missing() says
  // kInternal            the folder cannot be made
  static StatusOr<std::unique_ptr<SshdMachines>> Make(Options options);
  std::vector<HostKeyFingerprint> Boot(const SimBoot& boot) override;
  void Off(const ServerNumber& server, bool forget) override;

  // Where the machine keeps its disks ("disk/..."), its "journal" and its sshd's "log".
  std::string FolderOf(const ServerNumber& server) const { return boxes_->FolderOf(server); }

 private:
  SshdMachines(Options options, std::unique_ptr<MachineBoxes> boxes)
      : options_(std::move(options)), boxes_(std::move(boxes)) {}
  void MakeDisks(const SimBoot& boot) const;

  const Options options_;
  const std::unique_ptr<MachineBoxes> boxes_;
};

}  // namespace muster
