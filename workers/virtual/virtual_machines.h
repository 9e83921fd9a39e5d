// VirtualMachines: the machines of a simulated provider of dedicated servers, and the SSH client
// that reaches them, in memory and under the time of a Runtime. They understand what muster asks of
// a machine (workers/servers/remote) by the first line of each command, and do it to their disks.
//
//   VirtualMachines machines(rt, {.public_key_of = ...});   // both the SimMachines and the
//   SshClient
//
// Pins and authorised keys are really compared, and a rescue system has fresh host keys at each
// boot. What can go wrong is a switch per machine. Reactor thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "eventstore/base/runtime.h"
#include "workers/ports/sim_machines.h"
#include "workers/ports/ssh.h"

namespace muster {

class VirtualMachines final : public SimMachines, public SshClient {
 public:
  struct Disk {
    std::string identity;  // "nvme-eui.0025..." or "wwn-0x5000..."
    std::int64_t bytes = 1'920'383'410'176;
    std::string model = "SAMSUNG MZVL21T0";
    std::string serial;
    bool rotates = false;
    bool wiped = false;    // since the machine was there
    bool loaders = false;  // of what is installed
  };
  // What is on the disks once PREPARE has begun to write.
  struct Root {
    std::string marker;           // the plan that was carried out whole; "" = not yet
    std::string image_sha256;     // of what arrived
    std::string host_public_key;  // "ssh-ed25519 AAAA..."
    std::map<std::string, std::string> files;
  };
  struct Faults {
    bool wrong_host_key = false;  // somebody else answers at the address
    bool silent = false;          // connections are taken and nothing is ever said
    bool wrong_system = false;    // a boot ends in a system that nobody knows
    bool swap_names = false;      // at the next boot the disks have each other's names
    bool other_disk = false;      // at the next boot one disk has been exchanged
    std::string hang_at;          // "prepare unpack": it never comes back
    std::string fail_at;          // "prepare unpack": status 1
    std::string break_after;      // it is done, and then the connection breaks
    bool ssh_refused = false;     // nobody is listening
  };
  struct Machine {
    std::string address;
    bool on = false;
    bool rescue = false;
    bool ada = false;
    int boots = 0;
    // By the steady clock: whoever sets the other one, machines boot as they do.
    absl::Time up_at;                             // sshd answers from then on
    absl::Time down_at = absl::InfiniteFuture();  // it was told to reboot, and will by then
    std::string host_public_key;                  // of what runs now; "" = nothing answers
    std::vector<std::string> authorized_keys;     // of root
    std::vector<Disk> disks;                      // in the order of their names
    std::optional<Root> root;
    bool mounted = false;
    Faults faults;
    bool impostor = false;             // it has another key than what is published or installed
    int told_an_impostor = 0;          // commands that one was given
    std::vector<std::string> journal;  // "prepare wipe nvme-eui.1 1920...", as it was asked
  };
  struct Options {
    // The public key of a private one, "ssh-ed25519 AAAA..."; "" = it is none.
    std::function<std::string(const std::string& identity)> public_key_of;
    absl::Duration boot_time = absl::Seconds(70);  // from Boot to the first answer
    absl::Duration command_time = absl::Seconds(1);
    absl::Duration goes_down =
        absl::Seconds(4);  // from the order to reboot, answering all the while
    int disks = 2;         // of each machine
  };

  VirtualMachines(Runtime& rt, Options options) : rt_(rt), options_(std::move(options)) {}

  std::vector<HostKeyFingerprint> Boot(const SimBoot& boot) override;
  void Off(const ServerNumber& server, bool forget) override;

  // Of a simulated pin, identity or address the errors are those of SshClient. Ports are not
  // looked at.
  Task<StatusOr<std::unique_ptr<SshSession>>> Connect(SshTarget target) override;

  // nullptr: it was never booted, or forgotten.
  Machine* Find(const ServerNumber& server);
  const std::map<std::string, Machine>& machines() const { return machines_; }  // by number

 private:
  class Session;
  std::string NewHostKey(const std::string& server, const Machine& machine);
  void BootInstalled(const std::string& server, Machine& machine, absl::Time at);
  // What was to happen by now.
  void CatchUp();
  Machine* At(const std::string& address);

  Runtime& rt_;
  const Options options_;
  std::map<std::string, Machine> machines_;
};

}  // namespace muster
