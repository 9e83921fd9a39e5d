// QemuMachines: the machines of a simulated provider of dedicated servers as virtual machines, with
// firmware, disks and kernels of their own: what is installed on them is real, and boots or does
// not.
//
//   QemuMachines::Options options{.system = "build/metal/rescue", .port = 2222};
//   StatusOr<std::unique_ptr<QemuMachines>> machines = QemuMachines::Make(options);
//
// A rescue system is a kernel with an initial RAM disk that QEMU loads, which stands for booting
// from the network; its host keys, whom it lets in and its addresses are handed over by the
// firmware's configuration ("opt/muster", a tar archive to be unpacked at /). It is booted once: a
// reboot inside starts what the firmware finds on the disks.
//
// Every machine ends with this object, or with the process if that is killed. One thread, which
// must be as long-lived as the machines. tests/metal/make_images makes a rescue system.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eventstore/base/status.h"
#include "services/sim/machine_boxes.h"
#include "workers/ports/sim_machines.h"

namespace muster {

class QemuMachines final : public SimMachines {
 public:
  struct Disk {
    std::string bus;  // "nvme", "sata" or "scsi"
    std::int64_t bytes = 0;
  };
  enum class Net {
    // Needs no privileges. The machine has the IPv4 address that the provider tells, in a network
    // behind this process; SimBoot's loopback address and port lead to its port 22. No IPv6, and so
    // no way to a machine that has nothing else.
    kUser,
    // Needs root, and is meant for a network name space of its own: the machine's real addresses
    // are routed to it, and its gateways are fe80::1 and an address next to its own.
    kTap,
  };
  struct Options {
    std::string system;  // folder with the rescue system's "vmlinuz" and "initrd"
    int port = 2222;     // on each machine's loopback address
    bool efi = true;     // else a BIOS
    std::vector<Disk> disks = {{"nvme", std::int64_t{4} << 30}, {"nvme", std::int64_t{4} << 30}};
    Net net = Net::kUser;
    std::string accel = "";  // "kvm" or "tcg"; "" = kvm where it can be opened
    int memory_mb = 2048;
    std::string folder = "";  // for everything; "" = a fresh one, removed at the end
  };

  // "nvme:4G,sata:8G". kInvalidArgument  the message says what was expected
  static StatusOr<std::vector<Disk>> ReadDisks(std::string_view text);

  // "" or why there can be none such on this machine.
  static std::string Missing(const Options& options);

  // kFailedPrecondition  as Missing() says
  // kInternal            the folder cannot be made
  static StatusOr<std::unique_ptr<QemuMachines>> Make(Options options);
  std::vector<HostKeyFingerprint> Boot(const SimBoot& boot) override;
  void Off(const ServerNumber& server, bool forget) override;

  // Where the machine keeps its disks ("disk0"...) and what it says on its "console". Disks whose
  // numbers stand in a file "unplugged" there are missing from the next boot on.
  std::string FolderOf(const ServerNumber& server) const { return boxes_->FolderOf(server); }

 private:
  QemuMachines(Options options, std::unique_ptr<MachineBoxes> boxes)
      : options_(std::move(options)), boxes_(std::move(boxes)) {}
  void MakeDisks(const SimBoot& boot) const;
  std::vector<HostKeyFingerprint> MakeSettings(const SimBoot& boot) const;
  std::vector<std::string> Words(const SimBoot& boot) const;

  const Options options_;
  const std::unique_ptr<MachineBoxes> boxes_;
};

}  // namespace muster
