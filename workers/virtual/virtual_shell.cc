#include "workers/virtual/virtual_shell.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"
#include "workers/servers/remote/remote_command.h"
#include "workers/servers/remote/shell.h"

namespace muster {
namespace {

using Machine = VirtualMachines::Machine;
using Disk = VirtualMachines::Disk;

SshResult Said(std::string out) { return {.exit_status = 0, .out = std::move(out)}; }
SshResult Refused(const std::string& why) {
  return {.exit_status = remote::kExitRefused, .err = Cat("refused: ", why, "\n")};
}
SshResult Failed(const std::string& why) { return {.exit_status = 1, .err = Cat(why, "\n")}; }

std::string PathOf(std::size_t index) { return Cat("/dev/nvme", index, "n1"); }

Disk* DiskOf(Machine& machine, const std::string& identity, const std::string& bytes) {
  for (Disk& disk : machine.disks) {
    if (disk.identity == identity && Cat(disk.bytes) == bytes) return &disk;
  }
  return nullptr;
}

std::string Lines(const Machine& machine) {
  std::string text;
  for (std::size_t i = 0; i < machine.disks.size(); ++i) {
    text += Cat(machine.disks[i].identity, " ", machine.disks[i].bytes, " ", PathOf(i), "\n");
  }
  return text;
}

std::string Blocks(const Machine& machine) {
  std::vector<std::string> blocks;
  for (std::size_t i = 0; i < machine.disks.size(); ++i) {
    const Disk& disk = machine.disks[i];
    blocks.push_back(Cat(R"({"name":"nvme)", i, R"(n1","path":")", PathOf(i),
                         R"(","type":"disk","size":)", disk.bytes, R"(,"model":")", disk.model,
                         R"(","serial":")", disk.serial, R"(","rota":)",
                         disk.rotates ? "true" : "false", R"(,"tran":"nvme","fstype":null})"));
  }
  return Cat(R"({"blockdevices":[)", absl::StrJoin(blocks, ","), "]}\n");
}

SshResult Inspect(const Machine& machine, const std::string& what) {
  if (what == "cpu") {
    return Said(R"({"lscpu":[{"field":"CPU(s):","data":"20"},)"
                R"({"field":"Model name:","data":"13th Gen Intel(R) Core(TM) i5-13500"}]})");
  }
  if (what == "identities") return Said(Lines(machine));
  if (what == "disks") return Said(Blocks(machine));
  if (what == "memory") return Said("MemTotal:       65536000 kB\n");
  if (what == "firmware") return Said("efi\n");
  if (what == "links") {
    return Said(Cat(R"([{"ifname":"eth0","link_type":"ether","address":"a8:a1:59:00:00:01",)"
                    R"("addr_info":[{"local":")",
                    machine.address, R"(","prefixlen":32,"scope":"global"}]}])"));
  }
  if (what == "routes4") return Said(R"([{"dst":"default","gateway":"127.1.0.1","dev":"eth0"}])");
  if (what == "routes6") return Said(R"([{"dst":"default","gateway":"fe80::1","dev":"eth0"}])");
  if (what == "drivers") return Said("eth0 igb\n");
  if (what == "gpus" && machine.ada) {
    return Said(
        "01:00.0 VGA compatible controller [0300]: NVIDIA Corporation AD104GL [RTX 4000 SFF Ada "
        "Generation] [10de:27b0] (rev a1)\n");
  }
  return Said("");
}

SshResult CheckDisks(const Machine& machine, const std::vector<std::string>& words) {
  std::vector<std::string> now, then(words.begin() + 2, words.end());
  for (const Disk& disk : machine.disks) now.push_back(Cat(disk.identity, " ", disk.bytes));
  std::sort(now.begin(), now.end());
  std::sort(then.begin(), then.end());
  if (now != then) return Refused("other disks than inspected");
  return machine.rescue ? Said("") : Refused("in use at /: is this the rescue system?");
}

SshResult Prepare(Machine& machine, const std::vector<std::string>& words, const std::string& input,
                  const std::function<std::string(const std::string&)>& public_key_of) {
  const std::string& what = words[1];
  const auto word = [&words](std::size_t i) { return words.size() > i ? words[i] : ""; };
  if (what == "begin") {
    if (!machine.mounted || !machine.root || machine.root->marker != word(2)) return Said("");
    return {.exit_status = remote::kExitDone, .out = "prepared already\n"};
  }
  if (what == "check") return CheckDisks(machine, words);
  if (what == "stop") {
    machine.mounted = false;
    return Said("");
  }
  if (what == "wipe") {
    Disk* const disk = DiskOf(machine, word(2), word(3));
    if (disk == nullptr) return Refused(Cat("no such disk: ", word(2)));
    if (machine.mounted || !machine.rescue) return Refused("it is in use");
    disk->wiped = true;
    disk->loaders = false;
    machine.root.reset();
    return Said("");
  }
  if (what == "filesystem") {
    machine.root.emplace();
    machine.mounted = true;
    return Said("");
  }
  if (what == "step") {  // the file's own: whatever it is, it leaves a root file system
    if (!machine.root) machine.root.emplace();
    machine.mounted = true;
    return Said("");
  }
  if (!machine.mounted || !machine.root) return Failed("nothing is mounted at /mnt");
  VirtualMachines::Root& root = *machine.root;
  if (what == "receive") {
    root.image_sha256 = Sha256Hex(input);
    if (root.image_sha256 == word(2)) return Said("");
    return Failed(Cat("the image that arrived is ", root.image_sha256, ", not ", word(2)));
  }
  if (what == "host-key") {
    if (public_key_of(input) != word(2)) return Refused("the host key is another one");
    root.host_public_key = word(2);
  }
  if (what == "write") root.files[word(2)] = input;
  if (what == "marker") root.marker = word(2);
  return Said("");
}

SshResult BootStep(Machine& machine, const std::vector<std::string>& words) {
  const std::string& what = words[1];
  const auto word = [&words](std::size_t i) { return words.size() > i ? words[i] : ""; };
  if (what == "mount") {
    if (!machine.root || machine.root->marker != word(2)) {
      return Refused("what is on the disks was not prepared by this plan");
    }
    machine.mounted = true;
    return Said("");
  }
  if (what == "unmount") {
    machine.mounted = false;
    return Said("");
  }
  if (!machine.mounted || !machine.root) return Failed("nothing is mounted at /mnt");
  if (what == "check" && machine.root->host_public_key != word(2)) {
    return Refused("the host key is another one");
  }
  if (what == "loader") {
    Disk* const disk = DiskOf(machine, word(2), word(3));
    if (disk == nullptr) return Refused(Cat("no such disk: ", word(2)));
    disk->loaders = true;
  }
  return Said("");
}

SshResult Vitals(const Machine& machine) {
  std::string text =
      "== load\n0.42 0.30 0.20 1/512 4242\n"
      "== memory\nMemTotal:       65536000 kB\nMemAvailable:   60000000 kB\n"
      "== disk\nFilesystem 1-blocks Used Available Capacity Mounted on\n"
      "/dev/md0 1900000000000 100000000000 1800000000000 6% /\n"
      "== builds\n0\n== gpus\n";
  if (machine.ada) text += "NVIDIA RTX 4000 SFF Ada Generation, 3, 512, 20475\n";
  return Said(std::move(text));
}

}  // namespace

std::vector<std::string> AskedOf(const std::string& shell) {
  if (shell == "hostname") return {shell};
  constexpr std::string_view kMarker = ": muster ";
  if (!shell.starts_with(kMarker)) return {};
  // A quoted word may hold an end of line; the words end with the line before "set -eu".
  const std::size_t end = shell.find("\nset -eu\n");
  const std::string_view line = std::string_view(shell).substr(
      kMarker.size(), end == std::string::npos ? end : end - kMarker.size());
  return remote::Words(line).value_or(std::vector<std::string>());
}

SshResult Answer(Machine& machine, const std::vector<std::string>& asked, const std::string& input,
                 const std::function<std::string(const std::string&)>& public_key_of) {
  if (asked.size() >= 2) {
    if (asked[0] == "inspect") return Inspect(machine, asked[1]);
    if (asked[0] == "prepare") return Prepare(machine, asked, input, public_key_of);
    if (asked[0] == "boot") return BootStep(machine, asked);
    if (asked[0] == "vitals") return Vitals(machine);
    if (asked[0] == "reboot") return Said("rebooting\n");
  }
  if (!asked.empty() && asked[0] == "hostname") {
    if (machine.rescue) return Said("rescue\n");
    return Said(machine.root ? machine.root->files["/etc/hostname"] : "nobody\n");
  }
  return {.exit_status = 127, .err = "not found\n"};
}

}  // namespace muster
