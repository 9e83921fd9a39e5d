#include "workers/servers/remote/install.h"

#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "workers/servers/remote/layout.h"
#include "workers/servers/remote/new_files.h"
#include "workers/servers/remote/prelude.h"
#include "workers/servers/remote/shell.h"

namespace muster::remote {
namespace {

constexpr char kHostKey[] = "/mnt/etc/ssh/ssh_host_ed25519_key";

// "ssh-ed25519 AAAA..." without a comment; "" when it is something else.
std::string PinnedKey(const InstallFacts& facts) {
  const std::vector<std::string> words =
      absl::StrSplit(facts.host_public_key, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
  std::string blob;
  if (words.size() < 2 || words[0] != "ssh-ed25519" || !absl::Base64Unescape(words[1], &blob)) {
    return "";
  }
  return Cat(words[0], " ", words[1]);
}

bool IsSteps(const specpb::ServerSpec& spec) { return spec.install().recipe() == "steps"; }

Status CheckSpec(const specpb::ServerSpec& spec, const InstallFacts& facts) {
  const specpb::Install& install = spec.install();
  if (PinnedKey(facts).empty()) {
    return InvalidArgument("the host key to install is not an ed25519 key");
  }
  if (IsSteps(spec)) {
    if (install.steps().empty()) return InvalidArgument("install.steps: there are none");
    return {};
  }
  if (install.recipe() != "image" && !install.recipe().empty()) {
    return InvalidArgument(
        Cat("install.recipe is \"image\" or \"steps\", not \"", install.recipe(), "\""));
  }
  if (install.image().empty()) return InvalidArgument("install.image: which archive?");
  if (install.image_sha256().size() != 64 ||
      install.image_sha256().find_first_not_of("0123456789abcdef") != std::string::npos) {
    return InvalidArgument("install.image_sha256 is 64 hex digits in lower case");
  }
  const std::string& fs = install.filesystem();
  if (!fs.empty() && fs != "ext4" && fs != "xfs" && fs != "btrfs") {
    return InvalidArgument(Cat("install.filesystem is ext4, xfs or btrfs, not \"", fs, "\""));
  }
  return {};
}

std::string FilesystemOf(const specpb::ServerSpec& spec) {
  return spec.install().filesystem().empty() ? "ext4" : spec.install().filesystem();
}

// Words of a disk: its identity and size, as muster_disk takes them.
std::vector<std::string> DiskWords(const eventpb::DiskSeen& disk) {
  return {disk.identity(), Cat(disk.bytes())};
}

std::string ExpectLine(const Layout& layout) {
  std::string line = "muster_expect";
  for (const std::string& word : layout.Expected()) line += Cat(" ", Quoted(word));
  return line + "\n";
}

// Sets $disk; whoever runs it knows that it is that very disk, and that nobody uses it.
std::string FindDisk(const eventpb::DiskSeen& disk) {
  return Cat("disk=$(muster_disk ", Quoted(disk.identity()), " ", disk.bytes(),
             ") || muster_refuse \"no such disk:\" ", Quoted(disk.identity()), "\n");
}

// Sets $1, $2 to the partitions of the root file system, in the order of identities.
std::string FindRoot(const Layout& layout) {
  std::string text = "set --\n";
  for (const eventpb::DiskSeen& disk : layout.root) {
    text += FindDisk(disk) + "set -- \"$@\" \"$(muster_part \"$disk\" 3)\"\n";
  }
  return text;
}

RemoteCommand Check(const specpb::ServerSpec& spec, const Layout& layout) {
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
RemoteCommand Stop() {
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

// Some old firmware starts only from a disk whose protective entry is active, and some EFI ignores
// just those: how the rescue system was started is the best hint there is.
std::string ActiveFlag(const eventpb::Inspection& inspection) {
  if (inspection.efi()) return "";
  return "printf '\\200' | dd of=\"$disk\" bs=1 seek=446 conv=notrunc status=none\n";
}

RemoteCommand Wipe(const Layout& layout, const eventpb::DiskSeen& disk, bool of_root,
                   const std::string& active_flag) {
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
          kind, " --change-name=3:", label, " \"$disk\"\n", active_flag,
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
          "mkfs.vfat -F 32 -n MUSTER-ESP \"$(muster_part \"$disk\" 2)\"\n");
  RemoteCommand command = Script("prepare", "wipe", DiskWords(disk), body);
  command.timeout = absl::Minutes(5);
  command.silence_max = absl::Minutes(3);
  return command;
}

RemoteCommand Filesystem(const specpb::ServerSpec& spec, const Layout& layout) {
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

std::string OnNewRoot() {
  return "mountpoint -q /mnt || { echo 'nothing is mounted at /mnt' >&2; exit 1; }\n";
}

std::vector<RemoteCommand> Image(const specpb::ServerSpec& spec) {
  const std::string& sha256 = spec.install().image_sha256();
  RemoteCommand receive =
      Script("prepare", "receive", {sha256},
             Cat("muster_lock\n", OnNewRoot(),
                 "cat >/mnt/.muster-image\n"
                 "sum=$(sha256sum </mnt/.muster-image)\n"
                 "[ \"${sum%% *}\" = ",
                 sha256, " ] || {\n  echo \"the image that arrived is ${sum%% *}, not ", sha256,
                 "\" >&2\n  exit 1\n}\n"));
  receive.name = "receive image";
  receive.input_file = spec.install().image();
  receive.timeout = absl::Hours(2);
  receive.silence_max = absl::Minutes(5);
  RemoteCommand unpack =
      Script("prepare", "unpack", {},
             Cat("muster_lock\n", OnNewRoot(),
                 "tar --extract --file=/mnt/.muster-image --directory=/mnt --numeric-owner"
                 " --preserve-permissions --xattrs --acls"
                 " --checkpoint=20000 --checkpoint-action=echo=%u\n"
                 "rm /mnt/.muster-image\n"));
  unpack.name = "unpack image";
  unpack.timeout = absl::Hours(1);
  unpack.silence_max = absl::Minutes(10);
  return {receive, unpack};
}

std::vector<RemoteCommand> OwnSteps(const specpb::ServerSpec& spec, const Layout& layout) {
  std::vector<RemoteCommand> commands;
  for (const specpb::InstallStep& step : spec.install().steps()) {
    const std::string text = absl::StrReplaceAll(
        step.command(),
        {{"{disks}", "$muster_paths"}, {"{root}", "/mnt"}, {"{hostname}", Quoted(spec.name())}});
    std::string body = Cat("muster_lock\n", ExpectLine(layout), "muster_paths=\n");
    for (const eventpb::DiskSeen& disk : layout.all) {
      body += FindDisk(disk) + "muster_paths=\"$muster_paths $disk\"\n";
    }
    RemoteCommand command = Script("prepare", "step", {step.name()}, Cat(body, text, "\n"));
    command.timeout = absl::Seconds(step.timeout_s() > 0 ? step.timeout_s() : 1800);
    command.silence_max = command.timeout;
    commands.push_back(command);
  }
  return commands;
}

// Into place in one go, and never through a link of the image's to a place outside of it.
RemoteCommand Write(const NewFile& file, std::string_view feed = "cat") {
  constexpr std::string_view kDigits = "01234567";
  std::string mode;
  for (const int shift : {6, 3, 0})
    mode += kDigits[static_cast<std::size_t>(file.mode >> shift & 7)];
  const std::string path = Quoted(Cat("/mnt", file.path));
  const std::string folder = Quoted(Cat("/mnt", file.path.substr(0, file.path.rfind('/'))));
  RemoteCommand command =
      Script("prepare", "write", {file.path, mode},
             Cat("muster_lock\n", OnNewRoot(), "case \"$(readlink -m -- ", folder,
                 ")\" in\n"
                 "  /mnt | /mnt/*) ;;\n"
                 "  *) muster_refuse \"the image has a link there that leads out of it:\" ",
                 folder,
                 " ;;\n"
                 "esac\n"
                 "umask 022\n"
                 "mkdir -p -- ",
                 folder, "\numask 077\n", feed, " >", path, ".muster\nchmod ", mode, " -- ", path,
                 ".muster\nmv -fT -- ", path, ".muster ", path, "\n"));
  command.input = file.text;
  return command;
}

RemoteCommand HostKey(const InstallFacts& facts) {
  const std::string pinned = PinnedKey(facts);
  RemoteCommand command =
      Script("prepare", "host-key", {pinned},
             Cat("muster_lock\n", OnNewRoot(),
                 "case \"$(readlink -m /mnt/etc/ssh)\" in\n"
                 "  /mnt/*) ;;\n"
                 "  *) muster_refuse 'the image has a link at /etc/ssh that leads out of it' ;;\n"
                 "esac\n"
                 "mkdir -p /mnt/etc/ssh\n"
                 "rm -f /mnt/etc/ssh/ssh_host_*\n"
                 "(umask 077 && cat >",
                 kHostKey, ")\n", "made=$(ssh-keygen -y -f ", kHostKey, ")\nset -- $made\n",
                 "made=\"$1 $2\"\n[ \"$made\" = ", Quoted(pinned),
                 " ] || muster_refuse 'the host key is another one'\n",
                 "printf '%s\\n' \"$made\" >", kHostKey, ".pub\nchmod 644 ", kHostKey, ".pub\n"));
  command.name = "host-key";
  command.input_secret = "host_key";
  return command;
}

// What depends on what the image is.
RemoteCommand Adapt(const specpb::ServerSpec& spec) {
  const std::string user = spec.nix().user();
  std::string body = Cat(
      "muster_lock\n", OnNewRoot(),
      "# A NixOS image makes its own /etc when it starts; it is to include /etc/muster/nix.conf.\n"
      "if [ -L /mnt/nix/var/nix/profiles/system ]; then exit 0; fi\n"
      "mkdir -p /mnt/etc/nix /mnt/etc/ssh\n"
      "[ -e /mnt/etc/nix/nix.conf ] || : >/mnt/etc/nix/nix.conf\n"
      "cat /mnt/etc/nix/nix.conf /mnt/etc/muster/nix.conf >/mnt/etc/nix/nix.conf.muster\n"
      "mv -f /mnt/etc/nix/nix.conf.muster /mnt/etc/nix/nix.conf\n"
      "[ -e /mnt/etc/ssh/sshd_config ] || : >/mnt/etc/ssh/sshd_config\n"
      "if ! grep -qi '^[[:space:]]*include[[:space:]].*sshd_config\\.d' /mnt/etc/ssh/sshd_config;"
      " then\n"
      "  { echo 'Include /etc/ssh/sshd_config.d/*.conf'; cat /mnt/etc/ssh/sshd_config; }"
      " >/mnt/etc/ssh/sshd_config.muster\n"
      "  mv -f /mnt/etc/ssh/sshd_config.muster /mnt/etc/ssh/sshd_config\n"
      "fi\n"
      "[ -e /mnt/etc/fstab ] || echo 'LABEL=muster-root / auto defaults 0 1' >/mnt/etc/fstab\n"
      "if [ ! -L /mnt/etc/resolv.conf ]; then cat /etc/resolv.conf >/mnt/etc/resolv.conf; fi\n");
  if (!user.empty() && user != "root") {
    body += Cat("if [ -e /mnt/etc/passwd ] && ! grep -q '^", user,
                ":' /mnt/etc/passwd; then\n  muster_inside useradd --create-home --shell /bin/sh ",
                user, "\nfi\n");
  }
  return Script("prepare", "adapt", {}, body);
}

std::string Marker(const std::string& id) { return Cat("/mnt/.muster-rootfs-", id); }

struct Drawn {
  Layout layout;
  InstallPlan plan;
};

StatusOr<Drawn> Draw(const specpb::ServerSpec& spec, const eventpb::Inspection& inspection,
                     const InstallFacts& facts) {
  MUSTER_RETURN_IF_ERROR(CheckSpec(spec, facts));
  Drawn drawn;
  MUSTER_ASSIGN_OR_RETURN(drawn.layout, ChooseLayout(spec.install().raid(), inspection));
  MUSTER_ASSIGN_OR_RETURN(const std::vector<NewFile> files, NewFiles(spec));
  MUSTER_ASSIGN_OR_RETURN(const NewFile network, NetworkFile(inspection, facts));
  const Layout& layout = drawn.layout;
  std::vector<RemoteCommand>& commands = drawn.plan.commands;
  commands = {Check(spec, layout), Stop()};
  if (IsSteps(spec)) {
    for (RemoteCommand& each : OwnSteps(spec, layout)) commands.push_back(std::move(each));
  } else {
    for (const eventpb::DiskSeen& disk : layout.all) {
      bool of_root = false;
      for (const auto& root : layout.root) of_root |= root.identity() == disk.identity();
      commands.push_back(Wipe(layout, disk, of_root, ActiveFlag(inspection)));
    }
    commands.push_back(Filesystem(spec, layout));
    for (RemoteCommand& each : Image(spec)) commands.push_back(std::move(each));
  }
  commands.push_back(HostKey(facts));
  commands.push_back(Write(
      network,
      R"({ cat; sed -n 's/^nameserver[[:space:]]*\([0-9a-fA-F.:]*\).*/DNS=\1/p' /etc/resolv.conf; })"));
  for (const NewFile& file : files) commands.push_back(Write(file));
  commands.push_back(Adapt(spec));

  const std::string id = PlanId(commands);
  drawn.plan.id = id;
  // The marker is the last thing written and the first thing looked for.
  commands.insert(commands.begin(),
                  Script("prepare", "begin", {id},
                         Cat("muster_lock\nif mountpoint -q /mnt && [ -e ", Marker(id),
                             " ]; then\n  echo 'prepared already'\n  exit 91\nfi\n")));
  commands.push_back(
      Script("prepare", "marker", {id},
             Cat("muster_lock\n", OnNewRoot(), "sync\n: >", Marker(id), "\nsync\n")));
  drawn.plan.disks_lost = layout.all;
  return drawn;
}

std::string DiskText(const eventpb::DiskSeen& disk) {
  return Cat(disk.identity(), "  ", disk.path(), " at inspection, ", disk.bytes() / 1'000'000'000,
             " GB, ", disk.model().empty() ? "model unknown" : disk.model(),
             disk.serial().empty() ? "" : Cat(", serial ", disk.serial()),
             disk.holds().empty() ? "" : Cat(", holds ", disk.holds()));
}

RemoteCommand BootMount(const Layout& layout, const std::string& id) {
  std::string body =
      Cat("muster_lock\n", ExpectLine(layout), "if ! mountpoint -q /mnt; then\n", FindRoot(layout));
  if (layout.mirrored()) {
    body +=
        "[ -e /dev/md0 ] || mdadm --assemble --run /dev/md0 \"$@\"\n"
        "set -- /dev/md0\n";
  }
  body += Cat("mkdir -p /mnt\nmount \"$1\" /mnt\nfi\n[ -e ", Marker(id),
              " ] || muster_refuse 'what is on the disks was not prepared by this plan'\n");
  RemoteCommand command = Script("boot", "mount", {id}, body);
  command.timeout = absl::Minutes(3);
  command.silence_max = absl::Minutes(3);
  return command;
}

// What will have to prove itself, before it is too late.
RemoteCommand BootCheck(const InstallFacts& facts) {
  const std::string pinned = PinnedKey(facts);
  RemoteCommand command = Script(
      "boot", "check", {pinned},
      Cat("muster_lock\nmade=$(ssh-keygen -y -f ", kHostKey,
          ") || muster_refuse 'there is no host key'\nset -- $made\nmade=\"$1 $2\"\n"
          "[ \"$made\" = ",
          Quoted(pinned),
          " ] || muster_refuse 'the host key is another one'\n"
          "config=/etc/ssh/sshd_config\n"
          "if [ -L /mnt/nix/var/nix/profiles/system ]; then\n"
          "  config=/nix/var/nix/profiles/system/etc/ssh/sshd_config\n"
          "  muster_inside cat $config >/run/muster-sshd\n"
          "else\n"
          "  cat /mnt/etc/ssh/sshd_config.d/*.conf /mnt$config >/run/muster-sshd\n"
          "fi\n"
          "# The first word counts. Without any, OpenSSH offers what we know.\n"
          "macs=$(grep -i '^[[:space:]]*macs[[:space:]]' /run/muster-sshd | head -n 1)\n"
          "case \"$macs,\" in\n"
          "  ,) ;;\n"
          "  *hmac-sha2-256,* | *hmac-sha2-512,*) ;;\n"
          "  *) muster_refuse \"$config of the image offers no MAC that muster knows: it needs"
          " hmac-sha2-256 beside the -etm ones\" ;;\n"
          "esac\n"));
  command.name = "check host key and sshd";
  return command;
}

RemoteCommand BootMenu() {
  RemoteCommand command = Script(
      "boot", "menu", {},
      "muster_lock\n"
      "for each in dev proc sys run; do\n"
      "  mkdir -p /mnt/$each\n"
      "  mountpoint -q /mnt/$each && continue\n"
      "  mount --rbind /$each /mnt/$each\n"
      "  mount --make-rslave /mnt/$each\n"
      "done\n"
      "if [ -L /mnt/nix/var/nix/profiles/system ]; then\n"
      "  mkdir -p /mnt/etc\n"
      "  : >>/mnt/etc/NIXOS\n"
      "  muster_inside /nix/var/nix/profiles/system/bin/switch-to-configuration boot\n"
      "elif muster_inside sh -c 'command -v update-grub' >/dev/null; then\n"
      "  mkdir -p /mnt/boot/grub\n"  // which only grub-install makes
      "  muster_inside update-grub\n"
      "fi\n"
      "[ -s /mnt/boot/grub/grub.cfg ] || muster_refuse 'the image has no /boot/grub/grub.cfg, and"
      " nothing to make it with'\n");
  command.timeout = absl::Minutes(10);
  command.silence_max = absl::Minutes(5);
  return command;
}

// For both kinds of firmware on every disk: that the rescue system was booted by one of them says
// nothing of how the disk will be. The EFI one goes to the fallback path and into no boot order, in
// which the network must stay first for rescue systems to come.
RemoteCommand BootLoader(const eventpb::DiskSeen& disk) {
  RemoteCommand command = Script(
      "boot", "loader", DiskWords(disk),
      Cat("muster_lock\n", FindDisk(disk),
          "install_grub() {\n"
          "  muster_inside grub-install \"$@\" && return 0\n"
          "  echo 'not with the image, so with the rescue system' >&2\n"
          "  command -v grub-install >/dev/null || return 1\n"
          "  case \"$1\" in *efi) set -- \"$@\" --efi-directory=/mnt/boot/efi ;; esac\n"
          "  grub-install --boot-directory=/mnt/boot \"$@\"\n"
          "}\n"
          "mkdir -p /mnt/boot/efi\n"
          "if mountpoint -q /mnt/boot/efi; then umount /mnt/boot/efi; fi\n"
          "mount \"$(muster_part \"$disk\" 2)\" /mnt/boot/efi\n"
          "install_grub --target=i386-pc --recheck \"$disk\"\n"
          "install_grub --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram\n"
          "[ -s /mnt/boot/efi/EFI/BOOT/BOOTX64.EFI ] || {\n"
          "  echo 'no EFI boot loader was written' >&2\n"
          "  exit 1\n"
          "}\n"
          "umount /mnt/boot/efi\n"));
  command.timeout = absl::Minutes(5);
  command.silence_max = absl::Minutes(5);
  return command;
}

RemoteCommand BootUnmount() {
  RemoteCommand command =
      Script("boot", "unmount", {},
             "muster_lock\nsync\nif mountpoint -q /mnt; then umount -R /mnt; fi\nsync\n");
  command.timeout = absl::Minutes(5);
  command.silence_max = absl::Minutes(5);
  return command;
}

}  // namespace

StatusOr<InstallPlan> PlanPrepare(const specpb::ServerSpec& spec,
                                  const eventpb::Inspection& inspection,
                                  const InstallFacts& facts) {
  MUSTER_ASSIGN_OR_RETURN(Drawn drawn, Draw(spec, inspection, facts));
  std::vector<std::string>& words = drawn.plan.words;
  words.push_back("ALL DATA ON THESE DISKS WILL BE LOST:");
  for (const eventpb::DiskSeen& disk : drawn.layout.all) words.push_back(Cat("  ", DiskText(disk)));
  if (IsSteps(spec)) {
    words.push_back(Cat("the builder file's own ", spec.install().steps_size(), " steps"));
  } else {
    words.push_back(Cat("root: ", FilesystemOf(spec), " on ", drawn.layout.root[0].identity(),
                        drawn.layout.mirrored()
                            ? Cat(" and ", drawn.layout.root[1].identity(), ", a RAID1")
                            : ", without a mirror"));
    words.push_back(
        Cat("image: ", spec.install().image(), ", SHA-256 ", spec.install().image_sha256()));
  }
  return std::move(drawn.plan);
}

StatusOr<InstallPlan> PlanBoot(const specpb::ServerSpec& spec,
                               const eventpb::Inspection& inspection, const InstallFacts& facts) {
  MUSTER_ASSIGN_OR_RETURN(const Drawn drawn, Draw(spec, inspection, facts));
  InstallPlan plan;
  plan.commands = {BootMount(drawn.layout, drawn.plan.id), BootCheck(facts)};
  if (!IsSteps(spec)) {
    plan.commands.push_back(BootMenu());
    for (const eventpb::DiskSeen& disk : drawn.layout.all) {
      plan.commands.push_back(BootLoader(disk));
      plan.words.push_back(Cat("boot loaders for BIOS and EFI on ", disk.identity()));
    }
  }
  plan.commands.push_back(BootUnmount());
  plan.id = PlanId(plan.commands);
  plan.words.push_back(Cat("then it must answer with the host key ", PinnedKey(facts)));
  return plan;
}

RemoteCommand RebootCommand() {
  RemoteCommand command = Script("reboot", "now", {},
                                 "(sleep 2; reboot) </dev/null >/dev/null 2>&1 &\n"
                                 "echo rebooting\n",
                                 /*with_prelude=*/false);
  command.name = "reboot";
  return command;
}

std::string DescribePlan(const InstallPlan& plan) {
  return Cat("plan ", plan.id, "\n", absl::StrJoin(plan.words, "\n"), "\n\n",
             Describe(plan.commands));
}

std::string Ipv6Address(std::string_view net, int host) {
  if (net.empty()) return "";
  std::string address(net.substr(0, net.find('/')));
  if (!address.ends_with("::")) address += "::";
  return Cat(address, host);
}

}  // namespace muster::remote
