#include <pwd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <iostream>

#include "services/muster/cli.h"

namespace {

// Nothing of ours needs tidying up: writes happen in the daemon, and lines are flushed as they end.
void OnSignal(int) { _exit(muster::cli::kInterrupted); }

int Exec(std::vector<std::string> words) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  std::cerr << "muster: cannot run " << words[0] << "\n";
  return 1;
}

bool Pause(absl::Duration span) {
  const timespec time = absl::ToTimespec(span);
  nanosleep(&time, nullptr);
  return true;
}

// Of the login that runs this: a service or a container often has no USER.
std::string UserName() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int failed = getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found);
  return failed == 0 && found != nullptr ? entry.pw_name : "";
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  winsize size = {};
  muster::cli::CliEnv env{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .in_is_terminal = isatty(0) == 1,
      .out_is_terminal = isatty(1) == 1,
      .err_is_terminal = isatty(2) == 1,
      .columns = ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100,
      .getenv = [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      },
      .user = UserName(),
      .exec = Exec,
      .pause = Pause,
  };
  return muster::cli::RunCli(std::vector<std::string>(argv + 1, argv + argc), env);
}
