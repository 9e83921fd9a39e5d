#include "workers/servers/remote/prelude.h"

#include "eventstore/base/strings.h"
#include "workers/servers/remote/shell.h"

namespace muster::remote {

// lsblk is asked for one value at a time: its table has no separator that a model's name could not
// hold. The lock is inherited by whatever a command starts, so it is free only when all has ended.
std::string_view Prelude() {
  return R"sh(muster_refuse() { echo "refused: $*" >&2; exit 90; }
muster_lock() {
  exec 9>/run/muster.lock
  flock -w 50 9 || { echo "an earlier command is still at work" >&2; exit 1; }
}
muster_disks() {
  lsblk -dnbo PATH,TYPE,SIZE,TRAN | while read -r path type bytes tran; do
    case "$type:$tran:$path" in
      disk:usb:* | *:/dev/zram* | *:/dev/ram*) continue ;;
      disk:*) ;;
      *) continue ;;
    esac
    [ "$bytes" -gt 0 ] || continue
    id=$(lsblk -dno WWN "$path" | tr -d '[:space:]')
    case "$id" in
      0x*) id="wwn-$id" ;;
      ?*) id="nvme-$id" ;;
      *)
        id=$(lsblk -dno SERIAL "$path" | tr -d '[:space:]')
        [ -z "$id" ] || id="serial-$(lsblk -dno MODEL "$path")-$id" ;;
    esac
    id=$(printf %s "${id:--}" | tr -c 'A-Za-z0-9._:-' _)
    printf '%s %s %s\n' "$id" "$bytes" "$path"
  done | sort
}
muster_disk() {
  muster_disks | {
    count=0
    while read -r id bytes path; do
      if [ "$id" = "$1" ] && [ "$bytes" = "$2" ]; then
        count=$((count + 1))
        found=$path
      fi
    done
    [ "$count" = 1 ] && printf '%s\n' "$found"
  }
}
muster_expect() {
  now=$(muster_disks | while read -r id bytes path; do printf '%s %s\n' "$id" "$bytes"; done | sort)
  then=$(printf '%s\n' "$@" | sort)
  [ "$now" = "$then" ] || muster_refuse "other disks than inspected; now" $now "; then" $then
}
muster_part() {
  case "$1" in
    *[0-9]) printf '%sp%s\n' "$1" "$2" ;;
    *) printf '%s%s\n' "$1" "$2" ;;
  esac
}
muster_inside() {
  PATH="$PATH:/nix/var/nix/profiles/system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin" chroot /mnt "$@"
}
)sh";
}

RemoteCommand Script(std::string_view step, std::string_view name,
                     const std::vector<std::string>& words, std::string_view body,
                     bool with_prelude) {
  RemoteCommand command;
  command.name = words.empty() ? std::string(name) : Cat(name, " ", words.front());
  command.shell = Cat(": muster ", step, " ", name);
  for (const std::string& word : words) command.shell += Cat(" ", Quoted(word));
  command.shell += "\nset -eu\nexport LC_ALL=C\n";
  if (with_prelude) command.shell += Prelude();
  command.shell += body;
  return command;
}

}  // namespace muster::remote
