#include "services/sim/machine_scripts.h"

namespace muster {

const char kTools[] =
    "lscpu lsblk lspci ip sgdisk wipefs blockdev udevadm swapoff vgchange vgs mdadm mkfs.vfat "
    "mkfs.ext4 mkfs.xfs mkfs.btrfs mount umount chroot grub-install hostname reboot shutdown "
    "poweroff halt";

const char kMachineScript[] = R"sh(#!/bin/sh
# machine BOX rescue|disk            keeps the machine up; a reboot inside starts what is on its disks
# machine BOX rescue|disk inside     the first process of one system
set -eu
box=$1
system=$2

if [ $# = 2 ]; then
  while :; do
    rm -f "$box/reboot"
    setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child=KILL \
      /bin/sh "$box/machine" "$box" "$system" inside >>"$box/log" 2>&1 || true
    [ -e "$box/reboot" ] || exit 0
    system=disk
  done
fi

# ---- a root of its own: the host's programs, and nothing else of the host
mount --make-rprivate /
root=$box/root
mkdir -p "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
for each in bin sbin lib lib32 lib64 libx32 usr; do
  if [ -L "/$each" ]; then
    cp -P "/$each" "$root/$each"
  elif [ -d "/$each" ]; then
    mkdir "$root/$each"
    mount --rbind "/$each" "$root/$each"
    mount -o remount,bind,ro "$root/$each"
  fi
done
mkdir -p "$root/etc" "$root/run/sshd" "$root/run/box" "$root/tmp" "$root/root" "$root/mnt" \
  "$root/dev/pts" "$root/dev/shm" "$root/proc" "$root/sys" "$root/var/tmp" "$root/home" "$root/nix"
chmod 1777 "$root/tmp" "$root/var/tmp" "$root/dev/shm"
chmod 700 "$root/root"
mount --bind "$box" "$root/run/box"
mount -t proc proc "$root/proc"

# ---- devices: the disks are files
for each in null zero full random urandom tty; do
  : >"$root/dev/$each"
  mount --bind "/dev/$each" "$root/dev/$each"
done
mount --rbind /dev/pts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
number=0
while read -r disk; do
  ln -s "/run/box/disk/$disk/raw" "$root/dev/nvme${number}n1"
  for part in 1 2 3; do
    [ ! -d "$box/disk/$disk/p$part" ] ||
      ln -s "/run/box/disk/$disk/p$part" "$root/dev/nvme${number}n1p$part"
  done
  number=$((number + 1))
done <"$box/order"
rm -f "$box/md0"
: >"$box/mounts"
mkdir -p "$root/sys/class/net/eth0/device" "$root/sys/class/net/lo"
[ -e "$box/bios" ] || mkdir -p "$root/sys/firmware/efi"
ln -s ../../../../bus/pci/drivers/igb "$root/sys/class/net/eth0/device/driver"

# ---- /etc: what programs need to run, with every account open for keys
for each in passwd group nsswitch.conf ld.so.cache ld.so.conf ld.so.conf.d alternatives ssl localtime
do
  [ ! -e "/etc/$each" ] || cp -a "/etc/$each" "$root/etc/"
done
echo 'nameserver 192.0.2.53' >"$root/etc/resolv.conf"

if [ "$system" = rescue ]; then
  echo rescue >"$root/etc/hostname"
  mkdir -p "$root/root/.ssh"
  cp "$box/rescue/authorized_keys" "$root/root/.ssh/authorized_keys"
  config=/run/box/rescue/sshd_config
  tools=$box/bin-rescue
else
  # The firmware starts from any of the disks: each must have loaders for both kinds of it.
  store=
  while read -r disk; do
    [ -e "$box/disk/$disk/bios_loader" ] || { echo "nothing to start on $disk"; exit 0; }
    [ -s "$box/disk/$disk/p2/fs/EFI/BOOT/BOOTX64.EFI" ] || { echo "no EFI on $disk"; exit 0; }
    if [ -z "$store" ] && grep -qs ' muster-root$' "$box/disk/$disk/p3/kind"; then
      store=$box/disk/$disk/p3/fs
    fi
  done <"$box/order"
  [ -s "$store/boot/grub/grub.cfg" ] || { echo 'no system on the disks'; exit 0; }
  cp -a "$store/etc" "$root/etc.new"
  rm -f "$root/etc.new/passwd" "$root/etc.new/group" "$root/etc.new/shadow"
  cp -a "$root/etc.new/." "$root/etc/"
  rm -rf "$root/etc.new"
  # Accounts of the image that the host does not have, after those its programs need.
  for each in passwd group; do
    [ ! -e "$store/etc/$each" ] || while IFS= read -r line; do
      grep -q "^${line%%:*}:" "$root/etc/$each" || printf '%s\n' "$line" >>"$root/etc/$each"
    done <"$store/etc/$each"
  done
  mount --bind "$store" "$root/mnt"
  mkdir -p "$store/root" "$box/nix"
  mount --bind "$store/root" "$root/root"
  mount --bind "$box/nix" "$root/nix"
  mkdir -p "$root/home/builder"
  chown 61900 "$root/home/builder"
  config=/run/box/disk-sshd_config
  tools=$box/bin-disk
fi
cut -d: -f1 "$root/etc/passwd" | while read -r name; do echo "$name:*:1::::::"; done \
  >"$root/etc/shadow"
chmod 600 "$root/etc/shadow"
mount --bind "$tools" "$root/run/box/bin"

if [ "$system" = disk ] && [ -x /usr/bin/nix-daemon ]; then
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    /usr/bin/nix-daemon >>"$box/log" 2>&1 &
fi
# Whatever is run inside can neither stop the host, nor load into it, nor make a device.
cd /
exec setpriv --bounding-set=-sys_boot,-sys_module,-sys_rawio,-mknod,-sys_time \
  chroot "$root" /usr/sbin/sshd -D -e -f "$config"
)sh";

const char kToolScript[] = R"sh(#!/bin/sh
# The tools of a simulated machine. /run/box is its folder; a device is a link to what stands for it.
set -u
box=/run/box
name=${0##*/}
printf '%s' "$name" >>$box/journal
for word in "$@"; do printf ' %s' "$word"; done >>$box/journal
echo >>$box/journal

last() { for word in "$@"; do :; done; printf '%s\n' "$word"; }
disks() { # lines "PATH FOLDER"
  number=0
  while read -r disk; do
    echo "/dev/nvme${number}n1 $box/disk/$disk"
    number=$((number + 1))
  done <$box/order
}
disk_of() { disks | while read -r path folder; do [ "$path" != "$1" ] || echo "$folder"; done; }
store_of() { # what stands for a partition or the array
  case "$1" in
    /dev/md0) [ ! -e $box/md0 ] || cat $box/md0 ;;
    /dev/nvme*p[123]) readlink "$1" ;;
  esac
}
mounted_at() { # where the file systems on the disk $1 are mounted
  for part in 1 2 3; do
    here=$1/p$part/fs
    [ -d "$here" ] || continue
    while read -r dev at rest; do
      [ "$dev" != "$here" ] || echo "$at"
    done <$box/mounts
  done
}

case "$name" in
  lscpu)
    echo '{"lscpu":[{"field":"Architecture:","data":"x86_64"},{"field":"CPU(s):","data":"20"},'
    echo '{"field":"Vendor ID:","data":"GenuineIntel","children":['
    echo '{"field":"Model name:","data":"13th Gen Intel(R) Core(TM) i5-13500"}]}]}'
    ;;
  lspci)
    [ ! -e $box/ada ] ||
      echo '01:00.0 VGA compatible controller [0300]: NVIDIA Corporation AD104GL [RTX 4000 SFF Ada Generation] [10de:27b0] (rev a1)'
    ;;
  nvidia-smi)
    case "$*" in
      *--query-gpu=*) echo 'NVIDIA RTX 4000 SFF Ada Generation, 0, 1, 20475' ;;
      *) echo 'GPU 0: NVIDIA RTX 4000 SFF Ada Generation (UUID: GPU-0)' ;;
    esac
    ;;
  ip)
    address=$(cat $box/address)
    case "$*" in
      '-j addr')
        echo '[{"ifname":"lo","link_type":"loopback","address":"00:00:00:00:00:00","addr_info":[]},'
        echo '{"ifname":"eth0","link_type":"ether","address":"a8:a1:59:00:00:01","addr_info":['
        echo "{\"family\":\"inet\",\"local\":\"$address\",\"prefixlen\":32,\"scope\":\"global\"}]}]"
        ;;
      '-j route') echo '[{"dst":"default","gateway":"127.1.0.1","dev":"eth0"}]' ;;
      *) echo '[{"dst":"default","gateway":"fe80::1","dev":"eth0"}]' ;;
    esac
    ;;
  lsblk)
    case "$*" in
      '-dnbo PATH,TYPE,SIZE,TRAN')
        disks | while read -r path folder; do echo "$path disk $(cat $folder/bytes) nvme"; done
        echo '/dev/zram0 disk 0'
        echo '/dev/sr0 rom 1073741312 sata'
        ;;
      '-dno WWN '*) cat "$(disk_of "$3")/wwn" ;;
      '-dno SERIAL '*) cat "$(disk_of "$3")/serial" ;;
      '-dno MODEL '*) cat "$(disk_of "$3")/model" ;;
      '-nro MOUNTPOINT '*) mounted_at "$(disk_of "$3")" ;;
      '-nro PATH,TYPE '*)
        echo "$3 disk"
        for part in 1 2 3; do [ ! -e "$3p$part" ] || echo "$3p$part part"; done
        ;;
      -J*)
        comma=
        echo '{"blockdevices":[{"name":"zram0","path":"/dev/zram0","type":"disk","size":0}'
        disks | while read -r path folder; do
          echo ",{\"name\":\"${path#/dev/}\",\"path\":\"$path\",\"type\":\"disk\","
          echo "\"size\":$(cat $folder/bytes),\"model\":\"$(cat $folder/model)\","
          echo "\"serial\":\"$(cat $folder/serial)\",\"rota\":false,\"tran\":\"nvme\",\"fstype\":null}"
        done
        echo ']}'
        ;;
      *) echo "lsblk: what is $*?" >&2; exit 1 ;;
    esac
    ;;
  sgdisk)
    path=$(last "$@")
    disk=$(disk_of "$path")
    [ -n "$disk" ] || { echo "sgdisk: $path is no disk" >&2; exit 2; }
    case "$1" in
      --zap-all)
        for part in 1 2 3; do rm -rf "$disk/p$part" "${path}p$part"; done
        rm -f "$disk/bios_loader" "$disk/old_data"
        ;;
      *)
        for part in 1 2 3; do
          mkdir -p "$disk/p$part"
          ln -sfn "$disk/p$part" "${path}p$part"
        done
        ;;
    esac
    ;;
  wipefs)
    store=$(store_of "$(last "$@")")
    [ -z "$store" ] || rm -rf "$store/kind" "$store/fs" "$store/member"
    ;;
  mdadm)
    case "$1" in
      --create)
        shift 9
        first=
        for part in "$@"; do
          store=$(store_of "$part")
          [ -d "$store" ] || { echo "mdadm: cannot open $part" >&2; exit 1; }
          [ -n "$first" ] || first=$store
          echo "$first" >"$store/member"
        done
        echo "$first" >$box/md0
        ln -sfn "$first" /dev/md0
        ;;
      --assemble)
        first=$(cat "$(store_of "$4")/member") || { echo 'mdadm: no superblock' >&2; exit 1; }
        echo "$first" >$box/md0
        ln -sfn "$first" /dev/md0
        ;;
      --stop) rm -f $box/md0 /dev/md0 ;;
      --detail) [ ! -e $box/md0 ] || echo 'ARRAY /dev/md0 metadata=1.2 name=any:muster-root' ;;
      --zero-superblock)
        store=$(store_of "$2")
        [ -n "$store" ] && rm "$store/member" 2>/dev/null || exit 1
        ;;
    esac
    ;;
  mkfs.*)
    device=$(last "$@")
    store=$(store_of "$device")
    [ -n "$store" ] || { echo "$name: $device is no partition" >&2; exit 1; }
    rm -rf "$store/fs"
    mkdir "$store/fs"
    label=
    while [ $# -gt 1 ]; do
      case "$1" in -L | -n) label=$2 ;; esac
      shift
    done
    echo "${name#mkfs.} $label" >"$store/kind"
    ;;
  mount)
    case "$1" in
      /dev/*)
        store=$(store_of "$1")
        [ -d "$store/fs" ] || { echo "mount: $1: no file system" >&2; exit 32; }
        /bin/mount --bind "$store/fs" "$2" || exit
        echo "$store/fs $2" >>$box/mounts
        ;;
      *) exec /bin/mount "$@" ;;
    esac
    ;;
  umount)
    /bin/umount "$@" || exit
    at=$(last "$@")
    grep -v " $at\(/.*\)\?\$" $box/mounts >$box/mounts.new || true
    mv $box/mounts.new $box/mounts
    ;;
  chroot)
    [ "$1" = /mnt ] || { echo "chroot: only into /mnt" >&2; exit 125; }
    shift
    case "$1" in
      grub-install)
        shift
        case "$1" in
          --target=i386-pc)
            disk=$(disk_of "$(last "$@")")
            [ -n "$disk" ] || { echo 'grub-install: no such disk' >&2; exit 1; }
            : >"$disk/bios_loader"
            ;;
          --target=x86_64-efi)
            mkdir -p /mnt/boot/efi/EFI/BOOT
            echo loader >/mnt/boot/efi/EFI/BOOT/BOOTX64.EFI
            ;;
        esac
        ;;
      sh) echo /usr/sbin/update-grub ;;
      update-grub) # makes no folder, like the real one
        echo 'search --label muster-root' >/mnt/boot/grub/grub.cfg
        ;;
      useradd) echo "$(last "$@"):x:61900:61900::/home/builder:/bin/sh" >>/mnt/etc/passwd ;;
      usermod) sed -i "s/^$4:.*:/&$5,/; s/,$//" /mnt/etc/group ;; # --append --groups GROUP USER
      cat) cat "/mnt$2" ;;
      *) echo "chroot: $1: not found" >&2; exit 127 ;;
    esac
    ;;
  hostname) cat /etc/hostname ;;
  reboot)
    : >$box/reboot
    kill -TERM 1
    ;;
  shutdown | poweroff | halt) kill -TERM 1 ;;
esac
)sh";

}  // namespace muster
