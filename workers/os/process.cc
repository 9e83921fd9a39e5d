#include "workers/os/process.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>

namespace muster {

StatusOr<ProcessLimits> HardenProcess() {
  const rlimit no_core{0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) return Internal("core dumps cannot be turned off");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return Internal("the process cannot be hidden from debuggers");
  }
  umask(S_IRWXG | S_IRWXO);
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return Internal("the limit of open files is unknown");
  const rlimit raised{files.rlim_max, files.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) files = raised;
  return ProcessLimits{.open_files = files.rlim_cur};
}

bool StderrIsJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");  // "device:inode"
  struct stat file{};
  if (stream == nullptr || fstat(STDERR_FILENO, &file) != 0) return false;
  return Cat(std::uint64_t{file.st_dev}, ":", std::uint64_t{file.st_ino}) == stream;
}

void HandleSignals(OsRuntime& rt, ProcessSignals callbacks) {
  auto stopping = std::make_shared<bool>(false);
  for (const int number : {SIGTERM, SIGINT}) {
    rt.OnSignal(number, [number, stopping, stop = callbacks.stop] {
      if (*stopping) _exit(128 + number);
      *stopping = true;
      stop();
    });
  }
  rt.OnSignal(SIGHUP, std::move(callbacks.reload));
}

}  // namespace muster
