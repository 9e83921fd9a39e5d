#include "services/sim/machine_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/check.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"
#include "workers/os/ssh_keys.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr int kPortTries = 1000;

}  // namespace

void WriteText(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}
std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

pid_t Spawn(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  MUSTER_CHECK(child >= 0);
  if (child == 0) {  // only what may be done between fork and exec of a process with threads
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

HostKeyFingerprint MakeHostKey(const std::string& path, const std::string& kind) {
  fs::remove(path);
  fs::remove(path + ".pub");
  RunToEnd({"/usr/bin/ssh-keygen", "-q", "-N", "", "-C", "rescue", "-t", kind, "-f", path});
  const std::vector<std::string> words = absl::StrSplit(ReadText(path + ".pub"), ' ');
  std::string blob;
  MUSTER_CHECK(words.size() >= 2 && absl::Base64Unescape(words[1], &blob));
  const Sha256Digest digest = Sha256(blob);
  return {.type = kind == "ed25519" ? "ED25519" : "ECDSA",
          .sha256 = Fingerprint(Bytes(digest)).substr(7)};
}

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

}  // namespace muster
