#include "services/sim/sshd_machines.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "services/sim/machine_process.h"
#include "services/sim/machine_scripts.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDiskBytes = 1'920'383'410'176;

// What both kinds of system say to sshd; the first word on a subject counts.
std::string SshdConfig(const std::string& address, int port) {
  return Cat("ListenAddress ", address, "\nPort ", port,
             "\nPidFile none\nUsePAM no\nStrictModes no\nForceCommand /run/box/enter\n");
}

void LinkTools(const std::string& folder, std::string_view names) {
  fs::create_directory(folder);
  for (const auto name : absl::StrSplit(ToAbsl(names), ' ')) {
    fs::create_symlink("/run/box/tool", Cat(folder, "/", ToStd(name)));
  }
}

}  // namespace

std::string SshdMachines::Missing() {
  if (geteuid() != 0) return "simulated machines with a real sshd need root";
  for (const char* program : {"/usr/sbin/sshd", "/usr/bin/ssh-keygen", "/usr/bin/unshare",
                              "/usr/bin/setpriv", "/usr/bin/flock"}) {
    if (!fs::exists(program)) return Cat(program, " is not installed");
  }
  int status = 0;
  const pid_t trial = Spawn({"/usr/bin/unshare", "--mount", "--pid", "--fork", "/bin/sh", "-c",
                             "mount --make-rprivate / && mount -t tmpfs tmpfs /mnt"});
  if (waitpid(trial, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return "this system lets nobody mount in a name space of his own";
  }
  return "";
}

StatusOr<std::unique_ptr<SshdMachines>> SshdMachines::Make(Options options) {
  const std::string missing = Missing();
  if (!missing.empty()) return FailedPrecondition(missing);
  MUSTER_ASSIGN_OR_RETURN(std::unique_ptr<MachineBoxes> boxes,
                          MachineBoxes::Make(options.folder, options.port));
  chmod(boxes->folder().c_str(), 0755);
  return std::unique_ptr<SshdMachines>(new SshdMachines(std::move(options), std::move(boxes)));
}

void SshdMachines::MakeDisks(const SimBoot& boot) const {
  const std::string box = FolderOf(boot.server);
  fs::create_directories(box + "/disk");
  for (const char* folder : {"/bin", "/rescue"}) fs::create_directory(box + folder);
  LinkTools(box + "/bin-rescue", kTools);
  LinkTools(box + "/bin-disk", boot.ada ? Cat(kTools, " nvidia-smi") : kTools);
  WriteText(box + "/tool", kToolScript);
  WriteText(box + "/machine", kMachineScript);
  WriteText(
      box + "/enter",
      "#!/bin/sh\n"
      "export PATH=/run/box/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
      "[ -n \"${SSH_ORIGINAL_COMMAND:-}\" ] || exec /bin/sh -l\n"
      "exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"\n");
  for (const char* script : {"/tool", "/machine", "/enter"}) chmod((box + script).c_str(), 0755);
  WriteText(box + "/journal", "");
  chmod((box + "/journal").c_str(), 0666);
  if (boot.ada) WriteText(box + "/ada", "");
  if (!options_.efi) WriteText(box + "/bios", "");
  std::string order;
  for (int i = 0; i < options_.disks; ++i) {
    const std::string name = Cat("d", i);
    const std::string disk = Cat(box, "/disk/", name);
    fs::create_directory(disk);
    WriteText(disk + "/wwn", Cat("eui.00253", boot.server.str(), "000", i, "\n"));
    WriteText(disk + "/serial", Cat("S6", boot.server.str(), "N", i, "\n"));
    WriteText(disk + "/model", "SAMSUNG MZVL21T0\n");
    WriteText(disk + "/bytes", Cat(kDiskBytes, "\n"));
    WriteText(disk + "/raw", std::string(512, '\0'));
    WriteText(disk + "/old_data", "of whoever had the server before\n");
    order += name + "\n";
  }
  WriteText(box + "/order", order);
}

std::vector<HostKeyFingerprint> SshdMachines::Boot(const SimBoot& boot) {
  boxes_->Stop(boot.server);
  const std::string box = FolderOf(boot.server);
  if (!fs::exists(box + "/order")) {
    MakeDisks(boot);
  } else if (options_.swap_names) {
    std::vector<std::string> names =
        absl::StrSplit(ReadText(box + "/order"), '\n', absl::SkipEmpty());
    std::string turned;
    for (const std::string& name : names) turned = Cat(name, "\n", turned);
    WriteText(box + "/order", turned);
  }
  WriteText(box + "/address", boot.address + "\n");
  WriteText(box + "/disk-sshd_config",
            SshdConfig(boot.address, options_.port) + "Include /etc/ssh/sshd_config\n");
  std::vector<HostKeyFingerprint> told;
  if (boot.rescue) {
    std::string keys;
    for (const std::string& key : boot.authorized_keys) keys += key + "\n";
    WriteText(box + "/rescue/authorized_keys", keys);
    told = {MakeHostKey(box + "/rescue/ecdsa", "ecdsa"),
            MakeHostKey(box + "/rescue/ed25519", "ed25519")};
    WriteText(box + "/rescue/sshd_config",
              SshdConfig(boot.address, options_.port) +
                  "HostKey /run/box/rescue/ecdsa\nHostKey /run/box/rescue/ed25519\n"
                  "PermitRootLogin prohibit-password\nPasswordAuthentication no\n");
  }
  boxes_->Start(boot.server, boot.address, boot.rescue);
  return told;
}

void SshdMachines::Off(const ServerNumber& server, bool forget) { boxes_->Off(server, forget); }

}  // namespace muster
