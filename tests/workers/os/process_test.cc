#include "workers/os/process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

// Run in a child: the hardening is for good.
int HardenAndLook() {
  const StatusOr<ProcessLimits> limits = HardenProcess();
  if (!limits.ok()) return 1;
  rlimit core{}, files{};
  getrlimit(RLIMIT_CORE, &core);
  getrlimit(RLIMIT_NOFILE, &files);
  if (core.rlim_cur != 0 || core.rlim_max != 0) return 2;
  if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) return 3;
  if (umask(0) != (S_IRWXG | S_IRWXO)) return 4;
  if (files.rlim_cur != files.rlim_max || limits->open_files != files.rlim_cur) return 5;
  std::raise(SIGPIPE);
  return 0;
}

TEST(ProcessDeathTest, HardensItself) {
  EXPECT_EXIT(std::exit(HardenAndLook()), testing::ExitedWithCode(0), "");
}

int SecondSignalAt(int number) {
  OsRuntime rt({.seed = 1});
  HandleSignals(rt, {.stop = [number] { std::raise(number); }, .reload = [] {}});
  rt.Post([number] { std::raise(number); });
  rt.RunFor(absl::Seconds(30));
  return 0;
}

TEST(ProcessDeathTest, ASecondSignalEndsItAtOnce) {
  EXPECT_EXIT(std::exit(SecondSignalAt(SIGTERM)), testing::ExitedWithCode(143), "");
  EXPECT_EXIT(std::exit(SecondSignalAt(SIGINT)), testing::ExitedWithCode(130), "");
}

TEST(Process, CallsBackForStopAndReload) {
  OsRuntime rt({.seed = 1});
  int reloads = 0;
  HandleSignals(rt, {.stop = [&] { rt.Stop(); },
                     .reload =
                         [&] {
                           if (++reloads == 2) std::raise(SIGTERM);
                         }});
  rt.Post([] { std::raise(SIGHUP); });
  rt.RunFor(absl::Milliseconds(5));
  rt.Post([] { std::raise(SIGHUP); });
  rt.Run();
  EXPECT_EQ(reloads, 2);
}

TEST(Process, KnowsTheJournalByItsDeviceAndInode) {
  struct stat file{};
  ASSERT_EQ(fstat(STDERR_FILENO, &file), 0);
  unsetenv("JOURNAL_STREAM");
  EXPECT_FALSE(StderrIsJournal());
  setenv("JOURNAL_STREAM", Cat(file.st_dev, ":", file.st_ino).c_str(), 1);
  EXPECT_TRUE(StderrIsJournal());
  setenv("JOURNAL_STREAM", "1:1", 1);
  EXPECT_FALSE(StderrIsJournal());
  unsetenv("JOURNAL_STREAM");
}

}  // namespace
}  // namespace muster
