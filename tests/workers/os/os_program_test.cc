// Programs run without a shell, see nothing of ours, and end when their time is over.
#include "workers/os/os_program.h"

#include <unistd.h>

#include <cstdlib>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/os/os_runtime.h"

namespace muster {
namespace {

using testing::HasSubstr;
using testing::Not;

class OsProgram : public testing::Test {
 protected:
  StatusOr<ProgramResult> Run(ProgramCall call) { return rt.BlockOn(runner.Run(std::move(call))); }

  OsRuntime rt;
  OsProgramRunner runner{rt};
};

TEST_F(OsProgram, ReadsItsInputAndItsOutputComesBackWithItsExitCode) {
  const auto ran =
      Run({.argv = {"/bin/sh", "-c", "cat; echo err >&2; exit 7"}, .input = "hello\n"});
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->exit_code, 7);
  EXPECT_EQ(ran->output, "hello\nerr\n");
}

TEST_F(OsProgram, SeesNothingOfOurEnvironment) {
  setenv("MUSTER_TEST_SECRET", "hunter2", 1);
  const auto ran = Run({.argv = {"/usr/bin/env"}});
  unsetenv("MUSTER_TEST_SECRET");
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->output, "PATH=/usr/local/bin:/usr/bin:/bin\nLANG=C.UTF-8\n");
}

TEST_F(OsProgram, SeesTheVariablesThatTheCallNames) {
  const auto ran =
      Run({.argv = {"/usr/bin/env"}, .environment = {"PATH=/bin", "HOME=/h", "A=b=c"}});
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->output, "LANG=C.UTF-8\nPATH=/bin\nHOME=/h\nA=b=c\n");
}

TEST_F(OsProgram, HasTheStandardDescriptorsOnly) {
  const int inherited = ::dup(1);  // without close-on-exec, as a careless library leaves them
  const auto ran = Run({.argv = {"/bin/ls", "/proc/self/fd"}});
  ::close(inherited);
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->output, "0\n1\n2\n3\n") << "3 is the folder that it reads";
}

TEST_F(OsProgram, ArgumentsAreNotReadByAShell) {
  const auto ran = Run({.argv = {"/bin/echo", "$(id)", ";", "a  b"}});
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->output, "$(id) ; a  b\n");
}

TEST_F(OsProgram, OfMuchOutputOnlyTheBeginningIsKeptAndItIsNotHeldUp) {
  const auto ran = Run({.argv = {"/bin/sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 4"},
                        .output_bytes_max = 100});
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->output, std::string(100, 'x'));
  EXPECT_EQ(ran->exit_code, 4);
}

TEST_F(OsProgram, WhoDoesNotReadItsInputIsNoFailure) {
  const auto ran = Run({.argv = {"/bin/true"}, .input = std::string(3'000'000, 'x')});
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->exit_code, 0);
}

TEST_F(OsProgram, IsKilledWithItsChildrenWhenItsTimeIsOver) {
  const auto ran =
      Run({.argv = {"/bin/sh", "-c", "sleep 600 & wait"}, .patience = absl::Milliseconds(100)});
  EXPECT_THAT(ran, StatusIs(StatusCode::kDeadlineExceeded, HasSubstr("killed")));
}

TEST_F(OsProgram, OneThatEndsBySignalSaysSo) {
  const auto ran = Run({.argv = {"/bin/sh", "-c", "kill -TERM $$"}});
  ASSERT_THAT(ran, IsOk());
  EXPECT_EQ(ran->exit_code, 128 + 15);
}

TEST_F(OsProgram, WhatIsNotThereIsNotRun) {
  EXPECT_THAT(Run({.argv = {"/no/such/program"}}),
              StatusIs(StatusCode::kUnavailable, HasSubstr("/no/such/program")));
  EXPECT_THAT(Run({}), Not(IsOk()));
}

TEST_F(OsProgram, ItsEndIsNotWaitedForByWhoeverGoes) {
  OsRuntime own;
  {
    OsProgramRunner going(own);
    own.Spawn("run", [](OsProgramRunner* runner) -> Task<void> {
      ProgramCall call;
      call.argv = {"/bin/sleep", "600"};
      call.patience = absl::Minutes(10);
      const auto ran = co_await runner->Run(std::move(call));
      ADD_FAILURE() << "nobody waits for it: " << ran.status();
    }(&going));
    own.RunFor(absl::Milliseconds(20));
    own.DestroyTasks();
  }
}

}  // namespace
}  // namespace muster
