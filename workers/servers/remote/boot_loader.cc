#include "workers/servers/remote/boot_loader.h"

#include "eventstore/base/strings.h"
#include "workers/servers/remote/prelude.h"
#include "workers/servers/remote/shell.h"

namespace muster::remote {

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
          "umount /mnt/boot/efi\n"
          "sync \"$disk\"\n"));
  command.timeout = absl::Minutes(5);
  command.silence_max = absl::Minutes(5);
  return command;
}

RemoteCommand BootUnmount() {
  RemoteCommand command = Script("boot", "unmount", {},
                                 "muster_lock\nif mountpoint -q /mnt; then umount -R /mnt; fi\n");
  command.timeout = absl::Minutes(5);
  command.silence_max = absl::Minutes(5);
  return command;
}

}  // namespace muster::remote
