#include "tests/workers/os/real_sshd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "eventstore/base/strings.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr char kServer[] = "/usr/sbin/sshd";
constexpr char kKeygen[] = "/usr/bin/ssh-keygen";

std::string MakeFolder() {
  std::string pattern = (fs::temp_directory_path() / "muster-sshd-XXXXXX").string();
  MUSTER_CHECK(mkdtemp(pattern.data()) != nullptr);
  return pattern;
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void Shell(const std::string& command) { MUSTER_CHECK(std::system(command.c_str()) == 0); }

}  // namespace

std::string RealSshd::Missing() {
  if (!fs::exists(kServer)) return "openssh-server is not installed";
  if (!fs::exists(kKeygen)) return "openssh-client is not installed";
  // Where sshd locks its unprivileged half up; Debian's service makes it at its start.
  if (geteuid() == 0) (void)mkdir("/run/sshd", 0755);
  return "";
}

RealSshd::RealSshd(OsRuntime& rt, const std::string& settings, const std::string& host_key)
    : folder_(MakeFolder()),
      acceptor_(rt.context(), asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
  Shell(Cat(kKeygen, " -q -N '' -t ", host_key, " -f ", File("host")));
  Shell(Cat(kKeygen, " -q -N '' -t ed25519 -f ", File("client")));
  std::ofstream(File("sshd_config"))
      << "HostKey " << File("host") << "\nAuthorizedKeysFile " << File("client.pub")
      << "\nStrictModes no\nUsePAM no\nPidFile none\n"
         "PermitRootLogin yes\n"
      << settings << "\n";
  rt.Spawn("sshd", Accept(this));
}

RealSshd::~RealSshd() {
  asio::error_code ignored;
  acceptor_.close(ignored);
  for (const pid_t server : servers_) {
    kill(-server, SIGKILL);
    waitpid(server, nullptr, 0);
  }
  std::error_code gone;
  fs::remove_all(folder_, gone);
}

Task<void> RealSshd::Accept(RealSshd* self) {
  for (;;) {
    asio::error_code error;
    auto socket =
        co_await self->acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    self->Serve(std::move(socket));
  }
}

void RealSshd::Serve(asio::ip::tcp::socket socket) {
  socket.native_non_blocking(false);
  const std::string log = File("log"), config = File("sshd_config");
  const pid_t server = fork();
  MUSTER_CHECK(server >= 0);
  if (server == 0) {
    setpgid(0, 0);
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(socket.native_handle(), 0);
    dup2(socket.native_handle(), 1);
    dup2(out, 2);
    closefrom(3);
    execl(kServer, kServer, "-i", "-e", "-f", config.c_str(), nullptr);
    _exit(127);
  }
  setpgid(server, server);
  servers_.push_back(server);
}

std::string RealSshd::host_fingerprint() const {
  Shell(Cat(kKeygen, " -lf ", File("host.pub"), " > ", File("print")));
  std::istringstream words(Read(File("print")));
  std::string bits, print;
  words >> bits >> print;
  return print;
}
std::string RealSshd::host_public_key() const { return Read(File("host.pub")); }
std::string RealSshd::identity() const { return Read(File("client")); }
std::string RealSshd::Log() const { return Read(File("log")); }

std::string RealSshd::NewKey(const std::string& arguments) const {
  Shell(Cat("rm -f ", File("other"), "; ", kKeygen, " -q -f ", File("other"), " ", arguments));
  return Read(File("other"));
}

void RealSshd::KillNewest() {
  MUSTER_CHECK(!servers_.empty());
  kill(-servers_.back(), SIGKILL);
}

}  // namespace muster
