#include "workers/virtual/virtual_machines.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"
#include "workers/virtual/virtual_shell.h"

namespace muster {
namespace {

// "ssh-ed25519 AAAA..." whose 32 bytes are drawn from `seed`: nobody has its other half.
std::string PublicKeyFrom(std::string_view seed) {
  constexpr std::string_view kKind("\0\0\0\x0bssh-ed25519\0\0\0\x20", 19);
  const Sha256Digest bytes = Sha256(seed);
  return Cat("ssh-ed25519 ", absl::Base64Escape(ToAbsl(Cat(kKind, Bytes(bytes)))));
}

// Kind and key, without the comment.
std::string Bare(std::string_view key) {
  const std::vector<std::string> words =
      absl::StrSplit(ToAbsl(Trim(key)), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  return words.size() < 2 ? "" : Cat(words[0], " ", words[1]);
}

std::string FingerprintOf(const std::string& public_key) {
  std::string blob;
  const std::string bare = Bare(public_key);
  if (!absl::Base64Unescape(bare.substr(bare.find(' ') + 1), &blob)) return "";
  std::string print = absl::Base64Escape(ToAbsl(Bytes(Sha256(blob))));
  while (print.ends_with('=')) print.pop_back();
  return print;
}

bool IsPinned(const HostKeyPin& pin, const std::string& shown) {
  if (!pin.public_key.empty()) return Bare(pin.public_key) == Bare(shown);
  return std::any_of(pin.sha256.begin(), pin.sha256.end(), [&](std::string_view print) {
    if (print.starts_with("SHA256:")) print.remove_prefix(7);
    while (print.ends_with('=')) print.remove_suffix(1);
    return print == FingerprintOf(shown);
  });
}

bool LetsIn(const std::vector<std::string>& keys, const std::string& key) {
  return !key.empty() && std::any_of(keys.begin(), keys.end(), [&](const std::string& each) {
    return Bare(each) == Bare(key);
  });
}

}  // namespace

class VirtualMachines::Session final : public SshSession {
 public:
  Session(VirtualMachines& world, std::string server, int boot)
      : world_(world), server_(std::move(server)), boot_(boot) {}

  Task<StatusOr<SshResult>> Run(SshCommand command) override {
    if (broken_ || Here() == nullptr) co_return Unavailable("the SSH session is over");
    broken_ = true;
    if (command.deadline <= world_.rt_.Now()) co_return Unavailable("no SSH channel in time");
    std::string input;
    if (command.input) {
      for (;;) {
        const StatusOr<std::string> piece = co_await command.input();
        if (!piece.ok()) co_return piece.status();
        if (piece->empty()) break;
        input += *piece;
        if (command.progress) command.progress(static_cast<std::int64_t>(input.size()));
      }
    }
    const std::vector<std::string> asked = AskedOf(command.command);
    const std::string step = asked.size() < 2 ? command.command : Cat(asked[0], " ", asked[1]);
    const absl::Time sent = world_.rt_.Now();
    co_await world_.rt_.SleepUntil(sent + world_.options_.command_time);
    Machine* machine = Here();
    if (machine == nullptr) co_return Unknown("the connection broke after it was sent");
    if (machine->faults.hang_at == step) {
      co_await world_.rt_.SleepUntil(std::min(command.deadline, sent + command.silence_max));
      co_return DeadlineExceeded("the command: no end in time; it may go on over there");
    }
    machine->told_an_impostor += machine->impostor;
    machine->journal.push_back(asked.empty() ? command.command : absl::StrJoin(asked, " "));
    if (machine->faults.fail_at == step) {
      broken_ = false;
      co_return SshResult{.exit_status = 1, .err = "as the fault says\n"};
    }
    SshResult result = Answer(*machine, asked, input, world_.options_.public_key_of);
    if (step == "reboot now") {
      machine->down_at = world_.rt_.Steady() + world_.options_.goes_down;
    }
    if (machine->faults.break_after == step) {
      machine->faults.break_after.clear();
      co_return Unknown("the command: the connection broke");
    }
    broken_ = false;
    co_return result;
  }

 private:
  // nullptr once it has rebooted, or is off.
  Machine* Here() {
    Machine* const machine = world_.Find(ServerNumber(server_));
    return machine != nullptr && machine->on && machine->boots == boot_ ? machine : nullptr;
  }

  VirtualMachines& world_;
  const std::string server_;
  const int boot_;
  bool broken_ = false;
};

std::string VirtualMachines::NewHostKey(const std::string& server, const Machine& machine) {
  return PublicKeyFrom(Cat("host ", server, " ", machine.boots, " ", rt_.rng().Next()));
}

std::vector<HostKeyFingerprint> VirtualMachines::Boot(const SimBoot& boot) {
  const std::string server = boot.server.str();
  const auto [found, is_new] = machines_.try_emplace(server);
  Machine& machine = found->second;
  if (is_new) {
    for (int i = 0; i < options_.disks; ++i) {
      machine.disks.push_back(
          {.identity = Cat("nvme-eui.00", server, i), .serial = Cat("S", server, i)});
    }
  }
  machine.address = boot.address;
  machine.ada = boot.ada;
  if (!boot.rescue) {
    BootInstalled(server, machine, rt_.Steady());
    return {};
  }
  ++machine.boots;
  machine.on = true;
  machine.rescue = true;
  machine.mounted = false;
  machine.up_at = rt_.Steady() + options_.boot_time;
  machine.down_at = absl::InfiniteFuture();
  machine.authorized_keys = boot.authorized_keys;
  machine.host_public_key = NewHostKey(server, machine);
  std::vector<HostKeyFingerprint> told = {
      {.type = "ED25519", .sha256 = FingerprintOf(machine.host_public_key)}};
  if (machine.faults.swap_names) std::reverse(machine.disks.begin(), machine.disks.end());
  if (std::exchange(machine.faults.other_disk, false)) {
    machine.disks.back() = {.identity = Cat("nvme-eui.ff", server), .serial = "EXCHANGED"};
    machine.root.reset();
  }
  machine.impostor = machine.faults.wrong_host_key || machine.faults.wrong_system;
  if (machine.faults.wrong_host_key) machine.host_public_key = NewHostKey(server, machine);
  if (machine.faults.wrong_system) {
    machine.rescue = false;
    machine.host_public_key = NewHostKey(server, machine);
  }
  return told;
}

void VirtualMachines::BootInstalled(const std::string& server, Machine& machine, absl::Time at) {
  ++machine.boots;
  machine.on = true;
  machine.rescue = false;
  machine.mounted = false;
  machine.up_at = at + options_.boot_time;
  machine.down_at = absl::InfiniteFuture();
  machine.host_public_key.clear();
  machine.authorized_keys.clear();
  // Which disk the firmware starts from nobody knows: it must be able to from any.
  const bool starts = machine.root && !machine.root->marker.empty() &&
                      std::all_of(machine.disks.begin(), machine.disks.end(),
                                  [](const Disk& disk) { return disk.loaders; });
  if (!starts) return;
  machine.host_public_key = machine.root->host_public_key;
  const auto keys = machine.root->files.find("/root/.ssh/authorized_keys");
  if (keys != machine.root->files.end()) {
    machine.authorized_keys = absl::StrSplit(keys->second, '\n', absl::SkipEmpty());
  }
  machine.impostor = machine.faults.wrong_host_key || machine.faults.wrong_system;
  if (machine.impostor) {
    machine.host_public_key = NewHostKey(server, machine);
  }
}

void VirtualMachines::Off(const ServerNumber& server, bool forget) {
  if (forget) {
    machines_.erase(server.str());
    return;
  }
  if (Machine* const machine = Find(server)) machine->on = false;
}

void VirtualMachines::CatchUp() {
  for (auto& [server, machine] : machines_) {
    if (machine.on && machine.down_at <= rt_.Steady()) {
      BootInstalled(server, machine, machine.down_at);
    }
  }
}

VirtualMachines::Machine* VirtualMachines::Find(const ServerNumber& server) {
  CatchUp();
  const auto found = machines_.find(server.str());
  return found == machines_.end() ? nullptr : &found->second;
}

Task<StatusOr<std::unique_ptr<SshSession>>> VirtualMachines::Connect(SshTarget target) {
  if (target.host_key.sha256.empty() == target.host_key.public_key.empty()) {
    co_return InvalidArgument(
        "a host key is pinned by fingerprints or by the whole key, one of both");
  }
  co_await rt_.SleepUntil(rt_.Now() + absl::Milliseconds(200));
  CatchUp();
  const auto found = std::find_if(machines_.begin(), machines_.end(), [&](const auto& entry) {
    return entry.second.on && entry.second.address == target.address;
  });
  if (found == machines_.end()) co_return Unavailable("connect: no route to host");
  const Machine& machine = found->second;
  if (machine.faults.silent) {
    co_await rt_.SleepUntil(target.deadline);
    co_return Unavailable("no SSH handshake in time");
  }
  if (machine.faults.ssh_refused || machine.host_public_key.empty() ||
      rt_.Steady() < machine.up_at) {
    co_return Unavailable("connect: connection refused");
  }
  if (!IsPinned(target.host_key, machine.host_public_key)) {
    co_return PermissionDenied(Cat("another machine answers there: its host key SHA256:",
                                   FingerprintOf(machine.host_public_key), " is not pinned"));
  }
  std::vector<std::string> keys = machine.authorized_keys;
  if (target.user != "root") {
    keys.clear();
    if (!machine.rescue && machine.root) {
      const auto own = machine.root->files.find(Cat("/etc/ssh/authorized_keys.d/", target.user));
      if (own != machine.root->files.end()) {
        keys = absl::StrSplit(own->second, '\n', absl::SkipEmpty());
      }
    }
  }
  const std::string key = options_.public_key_of(target.identity);
  if (!LetsIn(keys, key)) co_return Unauthenticated("the machine refuses our key");
  co_return std::unique_ptr<SshSession>(
      std::make_unique<Session>(*this, found->first, machine.boots));
}

}  // namespace muster
