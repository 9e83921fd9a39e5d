#include "workers/servers/remote/disks.h"

#include "absl/strings/str_join.h"
#include "eventstore/base/strings.h"
#include "workers/servers/remote/prelude.h"
#include "workers/servers/remote/shell.h"

namespace muster::remote {
namespace {

// Some old firmware starts only from a disk whose protective entry is active, and some EFI ignores
// just those: how the rescue system was started is the best hint there is.
std::string ActiveFlag(const eventpb::Inspection& inspection) {
  if (inspection.efi()) return "";
  return "printf '\\200' | dd of=\"$disk\" bs=1 seek=446 conv=notrunc status=none\n";
}

}  // namespace

RemoteCommand CheckDisks(const specpb::ServerSpec& spec, const Layout& layout) {
  std::vector<std::string> tools = {"lsblk", "mdadm", "mount", "umount", "ssh-keygen"};
  if (!IsSteps(spec)) {
    for (const char* tool : {"wipefs", "sgdisk", "mkfs.vfat", "tar", "sha256sum", "chroot"}) {
      tools.emplace_back(tool);
    }
    tools.push_back(Cat("mkfs.", FilesystemOf(spec)));
  }
  std::string body =
      Cat("muster_lock\n", ExpectLine(layout), "for tool in ", absl::StrJoin(tools, " "),
          "; do\n"
          "  command -v \"$tool\" >/dev/null || muster_refuse \"there is no $tool here\"\n"
          "done\n");
  for (const eventpb::DiskSeen& disk : layout.all) {
    body += Cat(FindDisk(disk),
                "for at in $(lsblk -nro MOUNTPOINT \"$disk\"); do\n"
                "  case \"$at\" in\n"
                "    /mnt | /mnt/* | '[SWAP]') ;;\n"
                "    *) muster_refuse \"$disk is in use at $at: is this the rescue system?\" ;;\n"
                "  esac\n"
                "done\n");
  }
  RemoteCommand command = Script("prepare", "check", layout.Expected(), body);
  command.name = "check disks and tools";
  return command;
}

// What is assembled would be written to by others, and comes back by itself as soon as its
// partitions do, unless it is told not to.
RemoteCommand StopDisks() {
  return Script("prepare", "stop", {},
                "muster_lock\n"
                "mkdir -p /etc/mdadm\n"
                "echo 'AUTO -all' >/etc/mdadm/mdadm.conf\n"
                "swapoff -a || true\n"
                "if mountpoint -q /mnt; then umount -R /mnt; fi\n"
                "if command -v vgchange >/dev/null; then vgchange -an || true; fi\n"
                "mdadm --stop --scan || true\n"
                "udevadm settle || true\n");
}

RemoteCommand WipeDisk(const Layout& layout, const eventpb::DiskSeen& disk,
                       const eventpb::Inspection& inspection) {
  bool of_root = false;
  for (const auto& root : layout.root) of_root |= root.identity() == disk.identity();
  const std::string kind = of_root && layout.mirrored() ? "FD00" : "8300";
  const std::string label = of_root ? "muster-root" : "muster-spare";
  std::string body =
      Cat("muster_lock\n", ExpectLine(layout), FindDisk(disk),
          "if lsblk -nro MOUNTPOINT \"$disk\" | grep -q .; then\n"
          "  muster_refuse \"$disk is in use\"\n"
          "fi\n"
          "lsblk -nro PATH,TYPE \"$disk\" | while read -r part type; do\n"
          "  [ \"$type\" = part ] || continue\n"
          "  mdadm --zero-superblock \"$part\" 2>/dev/null || true\n"
          "  wipefs -qa \"$part\"\n"
          "done\n"
          "mdadm --zero-superblock \"$disk\" 2>/dev/null || true\n"
          "wipefs -qa \"$disk\"\n"
          "sgdisk --zap-all \"$disk\"\n"
          "sgdisk --new=1:0:+1M --typecode=1:EF02 --change-name=1:muster-bios"
          " --new=2:0:+512M --typecode=2:EF00 --change-name=2:muster-esp"
          " --new=3:0:0 --typecode=3:",
          kind, " --change-name=3:", label, " \"$disk\"\n", ActiveFlag(inspection),
          "blockdev --rereadpt \"$disk\" || true\n"
          "udevadm settle || true\n"
          "for number in 1 2 3; do\n"
          "  part=$(muster_part \"$disk\" \"$number\")\n"
          "  tries=0\n"
          "  until [ -e \"$part\" ]; do\n"
          "    tries=$((tries + 1))\n"
          "    [ \"$tries\" -le 20 ] || { echo \"$part does not appear\" >&2; exit 1; }\n"
          "    sleep 1\n"
          "  done\n"
          "  # What an older partition at the same place has left behind.\n"
          "  mdadm --zero-superblock \"$part\" 2>/dev/null || true\n"
          "  wipefs -qa \"$part\"\n"
          "done\n"
          "mkfs.vfat -F 32 -n MUSTER-ESP \"$(muster_part \"$disk\" 2)\"\n"
          "sync \"$disk\" \"$(muster_part \"$disk\" 2)\"\n");
  RemoteCommand command = Script("prepare", "wipe", DiskWords(disk), body);
  command.timeout = absl::Minutes(5);
  command.silence_max = absl::Minutes(3);
  return command;
}

RemoteCommand MakeFilesystem(const specpb::ServerSpec& spec, const Layout& layout) {
  const std::string fs = FilesystemOf(spec);
  std::string body = Cat("muster_lock\n", ExpectLine(layout), FindRoot(layout));
  if (layout.mirrored()) {
    body +=
        "mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2"
        " --bitmap=internal --homehost=any --name=muster-root \"$@\"\n"
        "set -- /dev/md0\n";
  }
  body += Cat("mkfs.", fs, fs == "ext4" ? " -F" : " -f", " -L muster-root \"$1\"\n",
              "mkdir -p /mnt\nmount \"$1\" /mnt\n");
  RemoteCommand command = Script("prepare", "filesystem", {fs}, body);
  command.timeout = absl::Minutes(10);
  command.silence_max = absl::Minutes(10);  // mkfs may have nothing to say
  return command;
}

}  // namespace muster::remote
