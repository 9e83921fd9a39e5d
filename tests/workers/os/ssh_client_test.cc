// The SSH client against a real OpenSSH server.
#include "workers/os/ssh_client.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/os/raw_server.h"
#include "tests/workers/os/real_sshd.h"
#include "workers/os/ssh_keys.h"

namespace muster {
namespace {

using testing::HasSubstr;
using testing::Not;

class Ssh : public testing::Test {
 protected:
  void SetUp() override {
    const std::string missing = RealSshd::Missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
  }
  ~Ssh() override { rt.DestroyTasks(); }

  absl::Time Soon() { return rt.Now() + absl::Hours(1); }
  SshTarget Target(const RealSshd& sshd) {
    return {.address = "127.0.0.1",
            .port = sshd.port(),
            .user = UserName(),
            .host_key = {.sha256 = {}, .public_key = sshd.host_public_key()},
            .identity = sshd.identity(),
            .deadline = Soon()};
  }
  static std::string UserName() {
    const char* user = std::getenv("USER");
    return geteuid() == 0 || user == nullptr ? "root" : user;
  }
  Status Refusal(SshTarget target) {
    return rt.BlockOn(client.Connect(std::move(target))).status();
  }
  // Connects and runs; both must be possible.
  StatusOr<SshResult> Run(const RealSshd& sshd, SshCommand command) {
    auto session = rt.BlockOn(client.Connect(Target(sshd)));
    if (!session.ok()) return session.status();
    if (command.deadline == absl::Time()) command.deadline = Soon();
    return rt.BlockOn((*session)->Run(std::move(command)));
  }

  // An hour is 36 s, so that waiting for a deadline is short.
  OsRuntime rt{OsRuntime::Options{.speed = 100}};
  OsSshClient client{rt};
};

// Pieces of `text` as the input of a command.
std::function<Task<StatusOr<std::string>>()> Pieces(std::string text, std::size_t bytes) {
  struct Source {
    std::string text;
    std::size_t bytes;
    std::size_t at = 0;
    static Task<StatusOr<std::string>> Next(std::shared_ptr<Source> source) {
      std::string piece = source->text.substr(source->at, source->bytes);
      source->at += piece.size();
      co_return piece;
    }
  };
  auto source = std::make_shared<Source>(Source{std::move(text), bytes});
  return [source] { return Source::Next(source); };
}

TEST_F(Ssh, RunsCommandsOneAfterTheOtherAndTellsHowTheyEnded) {
  RealSshd sshd(rt);
  auto session = rt.BlockOn(client.Connect(Target(sshd)));
  ASSERT_THAT(session, IsOk());
  for (int i = 0; i < 3; ++i) {
    const StatusOr<SshResult> result = rt.BlockOn((*session)->Run(
        {.command = Cat("echo out", i, "; echo err >&2; exit ", i), .deadline = Soon()}));
    ASSERT_THAT(result, IsOk());
    EXPECT_EQ(result->out, Cat("out", i, "\n"));
    EXPECT_EQ(result->err, "err\n");
    EXPECT_EQ(result->exit_status, i);
    EXPECT_EQ(result->exit_signal, "");
    EXPECT_FALSE(result->cut);
  }
}

TEST_F(Ssh, AKilledCommandNamesItsSignal) {
  RealSshd sshd(rt);
  const StatusOr<SshResult> result = Run(sshd, {.command = "kill -TERM $$"});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->exit_signal, "TERM");
}

TEST_F(Ssh, AnyPinnedFingerprintWillDoHoweverItIsWritten) {
  RealSshd sshd(rt);
  SshTarget target = Target(sshd);
  const std::string print = sshd.host_fingerprint();
  const std::string other = Fingerprint(std::string(32, 'x'));
  for (const std::string& form : {print, print.substr(7), Cat(print, "=")}) {
    target.host_key = {.sha256 = {other, form}, .public_key = ""};
    EXPECT_THAT(Refusal(target), IsOk()) << form;
  }
}

TEST_F(Ssh, ToAMachineWithAnotherKeyNothingIsSent) {
  RealSshd sshd(rt, "LogLevel DEBUG1");
  const std::string other = Fingerprint(std::string(32, 'x'));
  RealSshd stranger(rt);
  for (const HostKeyPin& pin :
       {HostKeyPin{.sha256 = {other}, .public_key = ""},
        HostKeyPin{.sha256 = {}, .public_key = stranger.host_public_key()}}) {
    SshTarget target = Target(sshd);
    target.host_key = pin;
    const Status refused = Refusal(target);
    EXPECT_EQ(refused.code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(std::string(Message(refused)), HasSubstr(sshd.host_fingerprint()));
  }
  EXPECT_THAT(sshd.Log(), HasSubstr("kex:"));
  EXPECT_THAT(sshd.Log(), Not(HasSubstr("userauth-request")));
}

TEST_F(Ssh, AKeyThatTheMachineDoesNotKnowIsRefused) {
  RealSshd sshd(rt);
  SshTarget target = Target(sshd);
  target.identity = sshd.NewKey("-t ed25519 -N ''");
  EXPECT_EQ(Refusal(target).code(), StatusCode::kUnauthenticated);
}

TEST_F(Ssh, AnEcdsaKeyIsAsGood) {
  RealSshd sshd(rt, "", "ecdsa");
  EXPECT_THAT(Refusal(Target(sshd)), IsOk());
}

TEST_F(Ssh, ServersWithoutAnythingInCommonAreToldApart) {
  {
    RealSshd rsa(rt, "", "rsa -b 1024");
    SshTarget target = Target(rsa);
    target.host_key = {.sha256 = {rsa.host_fingerprint()}, .public_key = ""};
    const Status refused = Refusal(target);
    EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(Message(refused)), HasSubstr("RSA host keys"));
  }
  const std::string nixos =
      "MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com";
  RealSshd etm(rt, nixos);
  EXPECT_EQ(Refusal(Target(etm)).code(), StatusCode::kFailedPrecondition);
  RealSshd mended(rt, Cat(nixos, ",hmac-sha2-256"));
  EXPECT_THAT(Refusal(Target(mended)), IsOk());
}

TEST_F(Ssh, WhatCannotWorkIsRefusedBeforeAnythingIsSent) {
  RealSshd sshd(rt);
  const auto refuses = [&](auto change, const char* words) {
    SshTarget target = Target(sshd);
    change(target);
    const Status refused = Refusal(target);
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << words;
    EXPECT_THAT(std::string(Message(refused)), HasSubstr(words));
  };
  refuses([](SshTarget& t) { t.address = "machine.example"; }, "is not an IP address");
  refuses([](SshTarget& t) { t.port = 0; }, "0 is not a port");
  refuses([](SshTarget& t) { t.host_key = {}; }, "one of both");
  refuses([](SshTarget& t) { t.host_key.sha256 = {"x"}; }, "one of both");
  refuses([](SshTarget& t) { t.host_key = {.sha256 = {"SHA256:abc"}, .public_key = ""}; },
          "\"SHA256:abc\" is not SHA-256");
  refuses([](SshTarget& t) { t.host_key.public_key = "ssh-ed25519"; }, "not a public key");
  refuses([](SshTarget& t) { t.identity = "hunter2"; }, "not a private key");
  refuses([&](SshTarget& t) { t.identity = sshd.NewKey("-t rsa -b 1024 -N ''"); },
          "RSA cannot be used");
  refuses([&](SshTarget& t) { t.identity = sshd.NewKey("-t rsa -b 1024 -m PEM -N ''"); },
          "RSA cannot be used");
  refuses([&](SshTarget& t) { t.identity = sshd.NewKey("-t ed25519 -N secret"); }, "passphrase");
  refuses([&](SshTarget& t) { t.identity = sshd.NewKey("-t ecdsa -m PEM -N secret"); },
          "passphrase");
  RealSshd rsa(rt, "", "rsa -b 1024");
  refuses([&](SshTarget& t) { t.host_key.public_key = rsa.host_public_key(); },
          "RSA cannot be used");
  EXPECT_EQ(sshd.Log(), "");
}

TEST_F(Ssh, AStreamOfInputArrivesWholeAndItsProgressIsTold) {
  RealSshd sshd(rt);
  std::string text(3'000'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 % 251);
  std::vector<std::int64_t> told;
  const StatusOr<SshResult> result =
      Run(sshd, {.command = "cat; cat >/dev/null; echo >&2 end",
                 .input = Pieces(text, 70'001),
                 .progress = [&](std::int64_t bytes) { told.push_back(bytes); },
                 .output_bytes_max = 4'000'000});
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->out == text);
  EXPECT_EQ(result->err, "end\n");
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), 3'000'000);
}

TEST_F(Ssh, ACommandThatTakesNoMoreInputEndsAllTheSame) {
  RealSshd sshd(rt);
  const StatusOr<SshResult> result =
      Run(sshd, {.command = "head -c 5", .input = Pieces(std::string(8'000'000, 'x'), 500'000)});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->out, "xxxxx");
}

TEST_F(Ssh, AnErrorOfTheInputEndsTheCommand) {
  RealSshd sshd(rt);
  struct Bad {
    static Task<StatusOr<std::string>> Next() { co_return DataLoss("the image is damaged"); }
  };
  const StatusOr<SshResult> result = Run(sshd, {.command = "cat", .input = Bad::Next});
  EXPECT_EQ(result.status().code(), StatusCode::kDataLoss);
}

TEST_F(Ssh, TooMuchOutputIsCut) {
  RealSshd sshd(rt);
  const StatusOr<SshResult> result =
      Run(sshd, {.command = "head -c 2000000 /dev/zero", .output_bytes_max = 1000});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->out.size(), 1000u);
  EXPECT_TRUE(result->cut);
  EXPECT_EQ(result->exit_status, 0);
}

TEST_F(Ssh, SilenceAndDeadlineEndTheWaitingNotTheCommand) {
  RealSshd sshd(rt);
  const StatusOr<SshResult> silent =
      Run(sshd, {.command = "echo begun; sleep 60", .silence_max = absl::Seconds(40)});
  EXPECT_EQ(silent.status().code(), StatusCode::kDeadlineExceeded);
  const StatusOr<SshResult> late =
      Run(sshd, {.command = "while :; do echo; done", .deadline = rt.Now() + absl::Seconds(40)});
  EXPECT_EQ(late.status().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(Ssh, AConnectionThatBreaksLeavesTheEndUnknownAndTheSessionUnusable) {
  RealSshd sshd(rt);
  auto session = rt.BlockOn(client.Connect(Target(sshd)));
  ASSERT_THAT(session, IsOk());
  struct Killer {
    static Task<StatusOr<std::string>> Next(RealSshd* sshd) {
      sshd->KillNewest();
      co_return std::string("x");
    }
  };
  const StatusOr<SshResult> cut = rt.BlockOn((*session)->Run(
      {.command = "cat", .deadline = Soon(), .input = [&] { return Killer::Next(&sshd); }}));
  EXPECT_EQ(cut.status().code(), StatusCode::kUnknown) << cut.status();
  const StatusOr<SshResult> after =
      rt.BlockOn((*session)->Run({.command = "true", .deadline = Soon()}));
  EXPECT_EQ(after.status().code(), StatusCode::kUnavailable);
}

TEST_F(Ssh, WhoDoesNotAnswerIsUnavailable) {
  SshTarget target = Target(RealSshd(rt));  // which is gone by now
  EXPECT_EQ(Refusal(target).code(), StatusCode::kUnavailable);
  // Takes the connection and says nothing.
  asio::ip::tcp::acceptor mute(rt.context(),
                               asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  target.port = mute.local_endpoint().port();
  target.deadline = rt.Now() + absl::Seconds(30);
  const Status refused = Refusal(target);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(refused)), HasSubstr("no SSH handshake in time"));
}

// A string of SSH: its length, big-endian, and the bytes.
std::string SshString(std::string_view text) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(text.size() >> shift);
  return Cat(out, text);
}

// What a server says first: its name, and algorithms that we know.
std::string Greeting() {
  std::string payload(1, static_cast<char>(20));  // SSH_MSG_KEXINIT
  payload.append(16, 'c');                        // a cookie
  for (const char* names :
       {"ecdh-sha2-nistp256,diffie-hellman-group14-sha256", "ssh-ed25519,ecdsa-sha2-nistp256",
        "aes256-ctr", "aes256-ctr", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""}) {
    payload += SshString(names);
  }
  payload.append(5, '\0');  // no guess follows, and nothing is reserved
  const std::size_t padding = 8 + (8 - (5 + payload.size()) % 8) % 8;
  std::string packet(1, static_cast<char>(padding));
  packet += payload;
  packet.append(padding, '\0');
  return Cat("SSH-2.0-Going\r\n", SshString(packet));
}

// As a machine does that reboots: it is no other machine for that.
TEST_F(Ssh, AServerThatGoesAwayInTheMiddleOfTheHandshakeIsUnavailable) {
  RawServer server(rt, [](RawServer&, std::shared_ptr<Peer> peer, int) -> Task<void> {
    std::string greeting = Greeting();
    co_await peer->Write(std::move(greeting));
    peer->Close();
  });
  SshTarget target = Target(RealSshd(rt));
  const std::string origin = server.origin();
  ASSERT_TRUE(absl::SimpleAtoi(origin.substr(origin.rfind(':') + 1), &target.port)) << origin;
  const Status refused = Refusal(target);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable) << refused;
}

}  // namespace
}  // namespace muster
