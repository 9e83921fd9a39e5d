// The probe: what Nix is asked, and what its answers mean. Texts are what Nix 2.8 and OpenSSH 9.2
// printed; real_nix_test.cc asks them anew.
#include "workers/servers/nix/probe.h"

#include <algorithm>
#include <deque>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/memory_text_files.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster::nix {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJt8cnyB0fDvZx0sJ4X6Xk8m2hUqKq3vG0Q8b1nq0b6H";
constexpr char kNonce[] = "k7f2qw9x1z";
constexpr char kOutput[] = "/nix/store/lqs3v6wwjakdgzaqnh9srk7xlpkbp9c4-muster-probe-k7f2qw9x1z";

std::string Line() {
  return Cat("ssh-ng://builder@192.0.2.7 x86_64-linux /etc/nix/key 24 48 benchmark,muster-b1 cuda ",
             absl::Base64Escape(kKey));
}
// As Nix prints it when all went well.
std::string Built(const std::string& store = "ssh-ng://builder@192.0.2.7") {
  return Cat("this derivation will be built:\n  /nix/store/r0-muster-probe-", kNonce,
             ".drv\nbuilding '/nix/store/r0-muster-probe-", kNonce, ".drv' on '", store,
             "'...\ncopying 0 paths...\n", kOutput, "\n");
}

// Answers the calls in turn and keeps them; `wait` passes before each.
class FakePrograms final : public ProgramRunner {
 public:
  explicit FakePrograms(Runtime& rt) : rt_(rt) {}
  Task<StatusOr<ProgramResult>> Run(ProgramCall call) override {
    calls.push_back(call);
    const absl::Duration took = std::min(wait, call.patience);
    const bool killed = wait > call.patience;
    co_await rt_.SleepFor(took);
    if (killed) co_return DeadlineExceeded("it took too long and was killed");
    if (answers.empty()) co_return Unavailable("cannot run it");
    ProgramResult answer = answers.front();
    answers.pop_front();
    co_return answer;
  }

  std::vector<ProgramCall> calls;
  std::deque<ProgramResult> answers;
  absl::Duration wait = absl::Seconds(1);

 private:
  Runtime& rt_;
};

class Probe : public testing::Test {
 protected:
  StatusOr<ProbeResult> Run(const std::string& line = Line(), const std::string& nonce = kNonce) {
    return rt.Run(ProbeBuilder(ports, line, nonce, absl::Seconds(60)));
  }

  VirtualRuntime rt{1};
  FakePrograms programs{rt};
  MemoryTextFiles files;
  ProbePorts ports{rt, programs, files, {}};
};

TEST_F(Probe, AsksTheStoreFirstAndThenForABuildThatOnlyItCanDo) {
  files.files[kOutput] = Cat(kNonce, " b1\n");
  programs.answers = {{0, "Store URL: x\nVersion: 2.8.0\n"}, {0, Built()}};
  const auto probe = Run();
  ASSERT_THAT(probe, IsOk());
  EXPECT_THAT(probe->required, ElementsAre("cuda", "muster-b1"));
  EXPECT_EQ(probe->built_on, "ssh-ng://builder@192.0.2.7");
  EXPECT_EQ(probe->host, "b1");
  EXPECT_EQ(probe->version, "2.8.0");
  EXPECT_EQ(probe->output, kOutput);
  EXPECT_EQ(probe->took, absl::Seconds(2));
  ASSERT_EQ(programs.calls.size(), 2u);
  const ProgramCall& ping = programs.calls[0];
  EXPECT_EQ(ping.argv.front(), "/usr/bin/nix");
  EXPECT_EQ(ping.argv.back(),
            Cat("ssh-ng://builder@192.0.2.7?ssh-key=/etc/nix/key&base64-ssh-public-host-key=",
                absl::Base64Escape(kKey)));
  EXPECT_LE(ping.patience, absl::Seconds(20));
  const ProgramCall& build = programs.calls[1];
  EXPECT_EQ(build.argv.front(), "/usr/bin/nix-build");
  EXPECT_THAT(build.argv, AllOf(Contains("--builders"), Contains(Line()), Contains("--no-out-link"),
                                Not(Contains("--max-jobs"))));
  EXPECT_THAT(absl::StrJoin(build.argv, " "),
              AllOf(HasSubstr("muster-probe-k7f2qw9x1z"), HasSubstr("[ \"cuda\" \"muster-b1\" ]"),
                    HasSubstr("system = \"x86_64-linux\"")));
  EXPECT_THAT(build.environment,
              Contains("NIX_SSHOPTS=-o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=10 "
                       "-p 22"));
}

TEST_F(Probe, TheCommentsPortGoesToSshAndTheCommentToNobody) {
  files.files[kOutput] = kNonce;
  programs.answers = {{0, ""}, {0, Built()}};
  ASSERT_THAT(Run(Line() + " # port 2222: NIX_SSHOPTS='-p 2222'"), IsOk());
  EXPECT_THAT(programs.calls[1].environment, Contains(testing::EndsWith("-p 2222")));
  EXPECT_THAT(programs.calls[1].argv, Contains(Line()));
}

TEST_F(Probe, ABuildOnThisMachineProvesNothing) {
  programs.answers = {{0, ""}, {0, Cat("building '/nix/store/r0.drv'...\n", kOutput, "\n")}};
  EXPECT_THAT(Run(),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("it was built on this machine")));
}

TEST_F(Probe, ABuildOnAnotherBuilderProvesNothing) {
  programs.answers = {{0, ""}, {0, Built("ssh-ng://builder@192.0.2.8")}};
  EXPECT_THAT(Run(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("and not on")));
}

TEST_F(Probe, AnOutputWithoutTheNonceIsNoneOfOurs) {
  files.files[kOutput] = "somethingelse b1\n";
  programs.answers = {{0, ""}, {0, Built()}};
  EXPECT_THAT(Run(), StatusIs(StatusCode::kDataLoss, HasSubstr("'somethingelse b1'")));
  files.files.clear();
  programs.answers = {{0, ""}, {0, Built()}};
  EXPECT_THAT(Run(), StatusIs(StatusCode::kDataLoss, HasSubstr("is not there")));
}

TEST_F(Probe, EndsWithinItsTime) {
  programs.wait = absl::Minutes(5);
  EXPECT_THAT(Run(), StatusIs(StatusCode::kDeadlineExceeded, HasSubstr("within 20s")));
  programs.wait = absl::Seconds(19);
  programs.answers = {{0, ""}};
  programs.calls.clear();
  EXPECT_THAT(Run(), Not(IsOk()));
  EXPECT_EQ(programs.calls[1].patience, absl::Seconds(41));
}

TEST_F(Probe, NothingIsBuiltWhereTheStoreDoesNotAnswer) {
  programs.answers = {{1, "Host key verification failed.\nerror: cannot open connection\n"}};
  EXPECT_THAT(Run(), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_EQ(programs.calls.size(), 1u);
}

TEST_F(Probe, WithoutNixHereItSaysSo) {
  EXPECT_THAT(Run(), StatusIs(StatusCode::kUnavailable, HasSubstr("Nix cannot be run")));
}

TEST_F(Probe, NonsenseIsNotTried) {
  EXPECT_THAT(Run("nonsense"), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Run(Line(), "a\"; b"), StatusIs(StatusCode::kInvalidArgument));
  std::string bare = Line();
  bare.replace(bare.find(",muster-b1"), 10, "");
  EXPECT_THAT(Run(bare), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_TRUE(programs.calls.empty());
}

// What Nix says when it found no machine, after the line that tells why.
std::string Nobody(const std::string& before) {
  return Cat("this derivation will be built:\n  /nix/store/x-muster-probe-w1.drv\n", before,
             "Failed to find a machine for remote build!\nderivation: x.drv\n"
             "required (system, features): (x86_64-linux, cuda, muster-b1)\n"
             "error: a 'x86_64-linux' with features {cuda, muster-b1} is required to build "
             "'/nix/store/x.drv', but I am a 'x86_64-linux' with features {benchmark, kvm}\n");
}
std::string Cannot(const std::string& ssh) {
  return Nobody(Cat(ssh, "\ncannot build on 'ssh-ng://builder@192.0.2.7': error: cannot open ",
                    "connection to remote store 'ssh-ng://builder@192.0.2.7': error: ",
                    "unexpected end-of-file\n"));
}

TEST(ProbeFailure, SaysWhatIsWrongAndWhere) {
  struct Row {
    std::string output;
    StatusCode code;
    const char* says;
  };
  const Row table[] = {
      {Cannot("Host key verification failed."), StatusCode::kPermissionDenied,
       "the machine at 192.0.2.7 proves another host key than the pinned one"},
      {Cannot("builder@192.0.2.7: Permission denied (publickey)."), StatusCode::kUnauthenticated,
       "builder@192.0.2.7 refuses the key /etc/nix/key: its public half has to be among"},
      {Cannot("Warning: Identity file /etc/nix/key not accessible: No such file or directory.\n"
              "builder@192.0.2.7: Permission denied (publickey)."),
       StatusCode::kUnauthenticated, "cannot be read by whoever runs Nix here"},
      {Cannot("ssh: connect to host 192.0.2.7 port 22: Connection refused"),
       StatusCode::kUnavailable,
       "nobody answers: ssh: connect to host 192.0.2.7 port 22: Connection refused"},
      {Cannot("ssh: connect to host 192.0.2.7 port 22: Connection timed out"),
       StatusCode::kUnavailable, "timed out"},
      {Cannot("bash: line 1: nix-daemon: command not found"), StatusCode::kFailedPrecondition,
       "no nix-daemon on the PATH of a login without a terminal as builder@192.0.2.7"},
      {Cannot("something new"), StatusCode::kUnavailable, "cannot build on"},
      {Nobody(""), StatusCode::kFailedPrecondition,
       "Nix gave the build to nobody: no line promises cuda muster-b1"},
      {"building '/nix/store/x.drv' on 'ssh-ng://builder@192.0.2.7'...\nerror: build of 'x' on "
       "'ssh-ng://builder@192.0.2.7' failed: error: a 'x86_64-linux' with features {cuda, "
       "muster-b1} is required to build 'x', but I am a 'x86_64-linux' with features {cuda}\n",
       StatusCode::kFailedPrecondition,
       "system-features in the nix.conf of the builder lack muster-b1, which its line promises"},
      {"error: you are not privileged to build input-addressed derivations\n",
       StatusCode::kFailedPrecondition,
       "builder is not among trusted-users in the nix.conf of the"},
      {Nobody("warning: ignoring the user-specified setting 'builders', because it is a restricted "
              "setting and you are not a trusted user\n"),
       StatusCode::kFailedPrecondition, "whoever runs musterd is not among trusted-users"},
      {"error: cannot connect to daemon at '/nix/var/nix/daemon-socket/socket': Permission "
       "denied\n",
       StatusCode::kUnavailable, "Nix here cannot be used"},
      {"building 'x' on 'ssh-ng://builder@192.0.2.7'...\nerror: build of 'x' on "
       "'ssh-ng://builder@192.0.2.7' failed: error: the group 'nixbld' does not exist\nerror: "
       "builder for 'x' failed with exit code 1\n",
       StatusCode::kAborted, "the build failed on the builder: the group 'nixbld' does not exist"},
      {"building 'x' on 'ssh-ng://builder@192.0.2.7'...\nsad\nerror: builder for 'x' failed with "
       "exit code 3\n",
       StatusCode::kAborted, "the build failed on the builder (exit 1): building 'x' on"},
  };
  for (const Row& row : table) {
    EXPECT_THAT(ExplainFailure(row.output, 1, Line()), StatusIs(row.code, HasSubstr(row.says)))
        << row.output;
  }
}

}  // namespace
}  // namespace muster::nix
