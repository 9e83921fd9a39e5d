#include "workers/servers/remote/new_root.h"

#include "absl/strings/str_replace.h"
#include "eventstore/base/strings.h"
#include "workers/servers/remote/prelude.h"
#include "workers/servers/remote/shell.h"

namespace muster::remote {

std::vector<RemoteCommand> PutImage(const specpb::ServerSpec& spec) {
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
  // Of itself tar unpacks no attributes but "user.*": programs would lose their capabilities.
  RemoteCommand unpack =
      Script("prepare", "unpack", {},
             Cat("muster_lock\n", OnNewRoot(),
                 "tar --extract --file=/mnt/.muster-image --directory=/mnt --numeric-owner"
                 " --preserve-permissions --xattrs --xattrs-include='*' --acls"
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

RemoteCommand PutFile(const NewFile& file, std::string_view feed) {
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

RemoteCommand PutHostKey(const InstallFacts& facts) {
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

RemoteCommand AdaptRoot(const specpb::ServerSpec& spec) {
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
                user,
                "\nfi\n"
                "# Debian lets nobody else near the daemon of Nix.\n"
                "if grep -qs '^nix-users:' /mnt/etc/group; then\n"
                "  muster_inside usermod --append --groups nix-users ",
                user, "\nfi\n");
  }
  return Script("prepare", "adapt", {}, body);
}

RemoteCommand PutMarker(const std::string& id) {
  RemoteCommand command = Script(
      "prepare", "marker", {id},
      Cat("muster_lock\n", OnNewRoot(), "sync -f /mnt\n: >", Marker(id), "\nsync -f /mnt\n"));
  // Much of the image may be in memory alone until now, and slow disks take their time.
  command.timeout = absl::Minutes(30);
  command.silence_max = absl::Minutes(30);
  return command;
}

// An earlier command that still has the lock may wait for input from a connection that is gone: the
// other end lost its power, and nothing tells this one. All that it did is looked for or done anew.
RemoteCommand LookForMarker(const std::string& id) {
  return Script("prepare", "begin", {id},
                Cat("exec 9>/run/muster.lock\n"
                    "flock -w 10 9 || for fd in /proc/[0-9]*/fd/9; do\n"
                    "  [ \"$(readlink \"$fd\")\" = /run/muster.lock ] || continue\n"
                    "  pid=${fd#/proc/}\n"
                    "  pid=${pid%%/*}\n"
                    "  [ \"$pid\" = $$ ] || kill -KILL \"$pid\" || true\n"
                    "done\n"
                    "muster_lock\nif mountpoint -q /mnt && [ -e ",
                    Marker(id), " ]; then\n  echo 'prepared already'\n  exit 91\nfi\n"));
}

}  // namespace muster::remote
