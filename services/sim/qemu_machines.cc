#include "services/sim/qemu_machines.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"
#include "services/sim/machine_process.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";
constexpr char kEfiCode[] = "/usr/share/OVMF/OVMF_CODE_4M.fd";
constexpr char kEfiVariables[] = "/usr/share/OVMF/OVMF_VARS_4M.fd";

// BOX/qemu.args and BOX/rescue.args are QEMU's words, one a line. QEMU says on its control channel
// why a machine went down, which tells a reboot from an end.
constexpr char kMachineScript[] = R"sh(#!/bin/sh
# machine BOX rescue|disk      keeps the machine up; a reboot of the rescue system boots the disks
set -eu
box=$1
system=$2
# Held by whoever still runs on these disks.
exec 9>"$box/lock"
flock 9
run() {
  rm -f "$box/control"
  mkfifo "$box/control"
  exec 3<>"$box/control"
  echo '{"execute":"qmp_capabilities"}' >&3
  setpriv --pdeathsig KILL QEMU "$@" -qmp stdio <&3 >"$box/said" 2>>"$box/log" || true
}
words() {
  while IFS= read -r word; do printf "'%s' " "$word"; done <"$box/$1"
}
if [ -e "$box/net" ]; then . "$box/net"; fi
if [ "$system" = rescue ]; then
  eval "run $(words qemu.args) $(words rescue.args)"
  grep -q '"guest-reset"' "$box/said" || exit 0
fi
eval "run $(words qemu.args)"
)sh";

// On the host's side of a machine's own network. Addresses are routed, as a provider does it; who
// speaks to the machine does so from far away, and its answers need its gateway.
constexpr char kTapScript[] = R"sh(
ip link show TAP >/dev/null 2>&1 || ip tuntap add dev TAP mode tap
ip link set TAP address 02:00:00:00:00:01 up
ip -6 addr replace fe80::1/64 dev TAP nodad
ip -6 addr replace 2001:db8:ffff::1/128 dev TAP nodad
ip -6 route replace NET6/64 dev TAP
)sh";
constexpr char kTapScript4[] = R"sh(
ip addr replace GATEWAY/32 dev TAP
ip route replace ADDRESS/32 dev TAP
)sh";

std::string Mac(const SimBoot& boot) {
  const Sha256Digest digest = Sha256(boot.server.str());
  std::string mac = "52:54:00";
  for (int i = 0; i < 3; ++i) mac += Cat(":", absl::Hex(digest[i], absl::kZeroPad2));
  return mac;
}

// Another one in the same /24.
std::string Neighbour(const std::string& ipv4, int wanted) {
  const std::size_t dot = ipv4.rfind('.');
  const std::string last = ipv4.substr(dot + 1);
  if (last == Cat(wanted)) wanted -= 10;
  return Cat(ipv4.substr(0, dot), ".", wanted);
}

std::vector<std::string> NetWords(const QemuMachines::Options& options, const SimBoot& boot) {
  std::string net;
  if (options.net == QemuMachines::Net::kTap) {
    net = Cat("tap,id=net,ifname=mu", boot.server.str(), ",script=no,downscript=no");
  } else {
    // Where it has no address by the provider it gets none that leads anywhere.
    net = "user,id=net,restrict=on";
    if (!boot.ipv4.empty()) {
      net += Cat(",net=", boot.ipv4.substr(0, boot.ipv4.rfind('.')),
                 ".0/24,host=", Neighbour(boot.ipv4, 254), ",dns=", Neighbour(boot.ipv4, 253),
                 ",dhcpstart=", Neighbour(boot.ipv4, 200), ",hostfwd=tcp:", boot.address, ":",
                 options.port, "-", boot.ipv4, ":22");
    }
  }
  return {"-netdev", net, "-device", Cat("e1000e,netdev=net,romfile=,mac=", Mac(boot))};
}

std::vector<std::string> DiskWords(const QemuMachines::Disk& disk, const std::string& box,
                                   const SimBoot& boot, int number) {
  std::vector<std::string> words = {
      "-drive", Cat("if=none,id=disk", number, ",format=raw,file=", box, "/disk", number,
                    ",cache=unsafe,discard=unmap,detect-zeroes=unmap")};
  const std::string serial = Cat("S6", boot.server.str(), "N", number);
  const std::string wwn = Cat("0x500253", absl::Hex(Sha256(serial)[0], absl::kZeroPad2), "00000",
                              absl::Hex(Sha256(serial)[1], absl::kZeroPad2), number);
  const std::string drive = Cat(",drive=disk", number, ",bootindex=", number + 1);
  if (disk.bus == "nvme") {  // Linux knows that QEMU's have no identifier that lasts
    words.insert(words.end(), {"-device", Cat("nvme,serial=", serial, drive)});
  } else if (disk.bus == "sata") {
    words.insert(words.end(), {"-device", Cat("ide-hd,bus=ide.", number, ",serial=", serial,
                                              ",wwn=", wwn, drive)});
  } else {
    words.insert(words.end(),
                 {"-device", Cat("virtio-scsi-pci,id=scsi", number), "-device",
                  Cat("scsi-hd,bus=scsi", number, ".0,serial=", serial, ",wwn=", wwn, drive)});
  }
  return words;
}

std::string Lines(const std::vector<std::string>& words) {
  return absl::StrJoin(words, "\n") + "\n";
}

}  // namespace

StatusOr<std::vector<QemuMachines::Disk>> QemuMachines::ReadDisks(std::string_view text) {
  std::vector<Disk> disks;
  for (const std::string& each : std::vector<std::string>(absl::StrSplit(ToAbsl(text), ','))) {
    const std::vector<std::string> words = absl::StrSplit(each, ':');
    std::int64_t gigabytes = 0;
    const bool read = words.size() == 2 && words[1].ends_with("G") &&
                      absl::SimpleAtoi(words[1].substr(0, words[1].size() - 1), &gigabytes) &&
                      gigabytes > 0 && gigabytes <= 1000;
    if (!read || (words[0] != "nvme" && words[0] != "sata" && words[0] != "scsi")) {
      return InvalidArgument(
          Cat("disks are such as \"nvme:4G,sata:8G\" (nvme, sata or scsi), not \"", each, "\""));
    }
    disks.push_back({.bus = words[0], .bytes = gigabytes << 30});
  }
  if (disks.size() > 6) return InvalidArgument("at most 6 disks");
  return disks;
}

std::string QemuMachines::Missing(const Options& options) {
  std::vector<std::string> needed = {kQemu, "/usr/bin/ssh-keygen", "/usr/bin/setpriv",
                                     "/usr/bin/flock", "/usr/bin/tar"};
  if (options.efi) needed.insert(needed.end(), {kEfiCode, kEfiVariables});
  for (const std::string& program : needed) {
    if (!fs::exists(program)) return Cat(program, " is not installed");
  }
  for (const char* part : {"/vmlinuz", "/initrd"}) {
    if (!fs::exists(options.system + part)) {
      return Cat("there is no ", options.system, part, ": tests/metal/make_images makes it");
    }
  }
  if (options.net == Net::kTap && geteuid() != 0) return "networks of their own need root";
  return "";
}

StatusOr<std::unique_ptr<QemuMachines>> QemuMachines::Make(Options options) {
  options.system = fs::absolute(options.system).string();
  const std::string missing = Missing(options);
  if (!missing.empty()) return FailedPrecondition(missing);
  MUSTER_ASSIGN_OR_RETURN(std::unique_ptr<MachineBoxes> boxes,
                          MachineBoxes::Make(options.folder, options.port));
  return std::unique_ptr<QemuMachines>(new QemuMachines(std::move(options), std::move(boxes)));
}

void QemuMachines::MakeDisks(const SimBoot& boot) const {
  const std::string box = FolderOf(boot.server);
  fs::create_directories(box);
  for (std::size_t i = 0; i < options_.disks.size(); ++i) {
    const std::string path = Cat(box, "/disk", i);
    WriteText(path, "");
    fs::resize_file(path, static_cast<std::uintmax_t>(options_.disks[i].bytes));  // with holes
  }
  if (options_.efi) fs::copy_file(kEfiVariables, box + "/efi-variables");
  WriteText(box + "/machine", absl::StrReplaceAll(kMachineScript, {{"QEMU", kQemu}}));
  if (options_.net != Net::kTap) return;
  const std::string script = boot.ipv4.empty() ? kTapScript : Cat(kTapScript, kTapScript4);
  WriteText(box + "/net", absl::StrReplaceAll(script, {{"TAP", Cat("mu", boot.server.str())},
                                                       {"NET6", boot.ipv6_net},
                                                       {"ADDRESS", boot.ipv4},
                                                       {"GATEWAY", Neighbour(boot.ipv4, 254)}}));
}

// What the rescue system is told, as files to be put in place.
std::vector<HostKeyFingerprint> QemuMachines::MakeSettings(const SimBoot& boot) const {
  const std::string box = FolderOf(boot.server);
  const std::string root = box + "/settings";
  fs::remove_all(root);
  for (const char* folder : {"/etc/ssh", "/etc/systemd/network", "/root/.ssh"}) {
    fs::create_directories(root + folder);
  }
  chmod((root + "/root").c_str(), 0700);
  chmod((root + "/root/.ssh").c_str(), 0700);
  std::string keys;
  for (const std::string& key : boot.authorized_keys) keys += key + "\n";
  WriteText(root + "/root/.ssh/authorized_keys", keys);
  std::string network = Cat("[Match]\nMACAddress=", Mac(boot),
                            "\n\n[Network]\nIPv6AcceptRA=no\nAddress=", boot.ipv6_net, "2/64\n");
  if (!boot.ipv4.empty()) network += Cat("Address=", boot.ipv4, "/32\n");
  network += "\n[Route]\nGateway=fe80::1\nGatewayOnLink=yes\n";
  if (!boot.ipv4.empty()) {
    network += Cat("\n[Route]\nGateway=", Neighbour(boot.ipv4, 254), "\nGatewayOnLink=yes\n");
  }
  WriteText(root + "/etc/systemd/network/10-rescue.network", network);
  std::vector<HostKeyFingerprint> told;
  for (const char* kind : {"ecdsa", "ed25519"}) {
    told.push_back(MakeHostKey(Cat(root, "/etc/ssh/ssh_host_", kind, "_key"), kind));
  }
  RunToEnd(
      {"/usr/bin/tar", "-C", root, "--owner=0", "--group=0", "-cf", box + "/settings.tar", "."});
  return told;
}

std::vector<std::string> QemuMachines::Words(const SimBoot& boot) const {
  const std::string box = FolderOf(boot.server);
  std::vector<std::string> words = {"-machine", "q35"};
  for (const char* accel : {"kvm", "tcg"}) {
    if (options_.accel.empty() || options_.accel == accel) {
      words.insert(words.end(), {"-accel", accel});
    }
  }
  words.insert(words.end(), {"-cpu", "max", "-smp", "2", "-m", Cat(options_.memory_mb), "-display",
                             "none", "-monitor", "none", "-chardev",
                             Cat("file,id=console,append=on,path=", box, "/console"), "-serial",
                             "chardev:console", "-device", "virtio-rng-pci"});
  if (options_.efi) {
    words.insert(words.end(),
                 {"-drive", Cat("if=pflash,unit=0,format=raw,readonly=on,file=", kEfiCode),
                  "-drive", Cat("if=pflash,unit=1,format=raw,file=", box, "/efi-variables")});
  }
  const std::string unplugged =
      Cat(" ", absl::StrReplaceAll(ReadText(box + "/unplugged"), {{"\n", " "}}), " ");
  for (std::size_t i = 0; i < options_.disks.size(); ++i) {
    if (unplugged.find(Cat(" ", i, " ")) != std::string::npos) continue;
    for (std::string& word : DiskWords(options_.disks[i], box, boot, static_cast<int>(i))) {
      words.push_back(std::move(word));
    }
  }
  for (std::string& word : NetWords(options_, boot)) words.push_back(std::move(word));
  return words;
}

std::vector<HostKeyFingerprint> QemuMachines::Boot(const SimBoot& boot) {
  boxes_->Stop(boot.server);
  const std::string box = FolderOf(boot.server);
  if (!fs::exists(box + "/machine")) MakeDisks(boot);
  WriteText(box + "/qemu.args", Lines(Words(boot)));
  std::vector<HostKeyFingerprint> told;
  if (boot.rescue) {
    told = MakeSettings(boot);
    WriteText(box + "/rescue.args",
              Lines({"-no-reboot", "-kernel", options_.system + "/vmlinuz", "-initrd",
                     options_.system + "/initrd", "-append", "console=ttyS0,115200 quiet",
                     "-fw_cfg", Cat("name=opt/muster,file=", box, "/settings.tar")}));
  }
  boxes_->Start(boot.server, options_.net == Net::kUser ? boot.address : "", boot.rescue);
  return told;
}

void QemuMachines::Off(const ServerNumber& server, bool forget) { boxes_->Off(server, forget); }

}  // namespace muster
