#include "services/sim/sshd_machines.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/check.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"
#include "services/sim/machine_scripts.h"
#include "workers/os/ssh_keys.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDiskBytes = 1'920'383'410'176;
constexpr int kPortTries = 1000;

void Write(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}
std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Only what may be done between fork and exec of a process with threads.
pid_t Spawn(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  MUSTER_CHECK(child >= 0);
  if (child == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, 0);
    dup2(nothing, 1);
    dup2(nothing, 2);
    closefrom(3);
    execv(argv[0], argv.data());
    _exit(127);
  }
  setpgid(child, child);
  return child;
}

void RunToEnd(const std::vector<std::string>& words) {
  int status = 0;
  MUSTER_CHECK(waitpid(Spawn(words), &status, 0) >= 0);
  MUSTER_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// A fresh host key at `path`, and how it is told from others.
HostKeyFingerprint MakeHostKey(const std::string& path, const std::string& kind) {
  fs::remove(path);
  fs::remove(path + ".pub");
  RunToEnd({"/usr/bin/ssh-keygen", "-q", "-N", "", "-C", "rescue", "-t", kind, "-f", path});
  const std::vector<std::string> words = absl::StrSplit(Read(path + ".pub"), ' ');
  std::string blob;
  MUSTER_CHECK(words.size() >= 2 && absl::Base64Unescape(words[1], &blob));
  const Sha256Digest digest = Sha256(blob);
  return {.type = kind == "ed25519" ? "ED25519" : "ECDSA",
          .sha256 = Fingerprint(Bytes(digest)).substr(7)};
}

// Whoever listened there has ended, but may not be gone yet.
void AwaitFree(const std::string& address, int port) {
  for (int tries = 0; tries < kPortTries; ++tries) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    inet_pton(AF_INET, address.c_str(), &where.sin_addr);
    const bool is_free = bind(fd, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) == 0 &&
                         listen(fd, 1) == 0;
    close(fd);
    if (is_free) return;
    poll(nullptr, 0, 5);
  }
}

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
  const bool owns = options.folder.empty();
  if (owns) {
    std::string pattern = (fs::temp_directory_path() / "muster-machines-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return Internal(Cat("cannot make ", pattern));
    options.folder = pattern;
  }
  chmod(options.folder.c_str(), 0755);
  auto machines = std::unique_ptr<SshdMachines>(new SshdMachines(std::move(options)));
  machines->owns_folder_ = owns;
  return machines;
}

SshdMachines::~SshdMachines() {
  while (!running_.empty()) Stop(running_.begin()->first);
  if (!owns_folder_) return;
  std::error_code ignored;
  fs::remove_all(options_.folder, ignored);
}

std::string SshdMachines::FolderOf(const ServerNumber& server) const {
  return Cat(options_.folder, "/", server.str());
}

void SshdMachines::Stop(const std::string& server) {
  const auto found = running_.find(server);
  if (found == running_.end()) return;
  kill(-found->second, SIGKILL);
  waitpid(found->second, nullptr, 0);
  running_.erase(found);
  AwaitFree(std::string(Trim(Read(Cat(options_.folder, "/", server, "/address")))), options_.port);
}

void SshdMachines::MakeDisks(const SimBoot& boot) const {
  const std::string box = FolderOf(boot.server);
  fs::create_directories(box + "/disk");
  for (const char* folder : {"/bin", "/rescue"}) fs::create_directory(box + folder);
  LinkTools(box + "/bin-rescue", kTools);
  LinkTools(box + "/bin-disk", boot.ada ? Cat(kTools, " nvidia-smi") : kTools);
  Write(box + "/tool", kToolScript);
  Write(box + "/machine", kMachineScript);
  Write(box + "/enter",
        "#!/bin/sh\n"
        "export PATH=/run/box/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        "[ -n \"${SSH_ORIGINAL_COMMAND:-}\" ] || exec /bin/sh -l\n"
        "exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"\n");
  for (const char* script : {"/tool", "/machine", "/enter"}) chmod((box + script).c_str(), 0755);
  Write(box + "/journal", "");
  chmod((box + "/journal").c_str(), 0666);
  if (boot.ada) Write(box + "/ada", "");
  if (!options_.efi) Write(box + "/bios", "");
  std::string order;
  for (int i = 0; i < options_.disks; ++i) {
    const std::string name = Cat("d", i);
    const std::string disk = Cat(box, "/disk/", name);
    fs::create_directory(disk);
    Write(disk + "/wwn", Cat("eui.00253", boot.server.str(), "000", i, "\n"));
    Write(disk + "/serial", Cat("S6", boot.server.str(), "N", i, "\n"));
    Write(disk + "/model", "SAMSUNG MZVL21T0\n");
    Write(disk + "/bytes", Cat(kDiskBytes, "\n"));
    Write(disk + "/raw", std::string(512, '\0'));
    Write(disk + "/old_data", "of whoever had the server before\n");
    order += name + "\n";
  }
  Write(box + "/order", order);
}

std::vector<HostKeyFingerprint> SshdMachines::Boot(const SimBoot& boot) {
  Stop(boot.server.str());
  const std::string box = FolderOf(boot.server);
  if (!fs::exists(box + "/order")) {
    MakeDisks(boot);
  } else if (options_.swap_names) {
    std::vector<std::string> names = absl::StrSplit(Read(box + "/order"), '\n', absl::SkipEmpty());
    std::string turned;
    for (const std::string& name : names) turned = Cat(name, "\n", turned);
    Write(box + "/order", turned);
  }
  Write(box + "/address", boot.address + "\n");
  Write(box + "/disk-sshd_config",
        SshdConfig(boot.address, options_.port) + "Include /etc/ssh/sshd_config\n");
  std::vector<HostKeyFingerprint> told;
  if (boot.rescue) {
    std::string keys;
    for (const std::string& key : boot.authorized_keys) keys += key + "\n";
    Write(box + "/rescue/authorized_keys", keys);
    told = {MakeHostKey(box + "/rescue/ecdsa", "ecdsa"),
            MakeHostKey(box + "/rescue/ed25519", "ed25519")};
    Write(box + "/rescue/sshd_config",
          SshdConfig(boot.address, options_.port) +
              "HostKey /run/box/rescue/ecdsa\nHostKey /run/box/rescue/ed25519\n"
              "PermitRootLogin prohibit-password\nPasswordAuthentication no\n");
  }
  running_[boot.server.str()] =
      Spawn({"/bin/sh", box + "/machine", box, boot.rescue ? "rescue" : "disk"});
  return told;
}

void SshdMachines::Off(const ServerNumber& server, bool forget) {
  Stop(server.str());
  std::error_code ignored;
  if (forget) fs::remove_all(FolderOf(server), ignored);
}

}  // namespace muster
