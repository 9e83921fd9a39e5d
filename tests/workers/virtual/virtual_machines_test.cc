// Machines in memory, and with them the execution of plans.
#include "workers/virtual/virtual_machines.h"

#include "absl/strings/str_split.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/servers/remote/samples.h"
#include "workers/servers/remote/inspect.h"
#include "workers/servers/remote/run_commands.h"
#include "workers/servers/remote/vitals.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using remote::RemoteCommand;
using remote::RemoteOutcome;
using remote::RemoteProgress;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kOrderKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOrderOrderOrderOrderOrderOrderOrd";
constexpr char kImage[] = "an image";

class Machines : public testing::Test {
 protected:
  Machines() : machines(rt, {.public_key_of = PublicKeyOf}) { BootRescue(); }
  ~Machines() override { rt.DestroyTasks(); }

  static std::string PublicKeyOf(const std::string& identity) {
    if (identity == "order-secret") return kOrderKey;
    if (identity == "operator-secret") return "ssh-ed25519 AAAAC3op";
    const std::string pinned = remote::kHostPublicKey;
    if (identity == "host-secret") return pinned.substr(0, pinned.rfind(' '));
    return "";
  }
  void BootRescue() {
    rescue_keys = machines.Boot({.server = ServerNumber("31"),
                                 .address = "127.1.0.31",
                                 .rescue = true,
                                 .authorized_keys = {Cat(kOrderKey, " order")},
                                 .ada = true});
    rt.RunFor(absl::Seconds(80));
  }
  HostKeyPin RescuePin() const { return {.sha256 = {rescue_keys[0].sha256}, .public_key = ""}; }
  static HostKeyPin InstalledPin() { return {.sha256 = {}, .public_key = remote::kHostPublicKey}; }
  StatusOr<std::unique_ptr<SshSession>> Connect(HostKeyPin pin,
                                                const std::string& identity = "order-secret",
                                                const std::string& user = "root") {
    return rt.Run(machines.Connect({.address = "127.1.0.31",
                                    .user = user,
                                    .host_key = std::move(pin),
                                    .identity = identity,
                                    .deadline = rt.Now() + absl::Minutes(1)}));
  }
  remote::RemotePorts Ports() {
    return {.rt = rt,
            .mask = [](std::string_view text) { return std::string(text); },
            .secret = [this](const std::string&) -> StatusOr<std::string> { return host_secret; },
            .open = [](const std::string& path) -> StatusOr<remote::RemoteInput> {
              if (path != "/srv/images/builder.tar.zst") return NotFound(path);
              auto left = std::make_shared<std::string>(kImage);
              return remote::RemoteInput{[left] { return Next(left); },
                                         static_cast<std::int64_t>(left->size())};
            }};
  }
  static Task<StatusOr<std::string>> Next(std::shared_ptr<std::string> left) {
    co_return std::exchange(*left, "");
  }
  StatusOr<std::vector<RemoteOutcome>> Run(std::vector<RemoteCommand> commands) {
    auto session = Connect(RescuePin());
    if (!session.ok()) return session.status();
    const remote::RemotePorts ports = Ports();
    return rt.Run(RunCommands(**session, std::move(commands), ports,
                              [this](const RemoteProgress& at) { progress.push_back(at); }));
  }
  static specpb::ServerSpec Spec() {
    specpb::ServerSpec spec = remote::Builder();
    spec.mutable_install()->set_image_sha256(Sha256Hex(kImage));
    return spec;
  }
  StatusOr<remote::InstallPlan> Plan() {
    const auto seen = Run(remote::InspectCommands());
    if (!seen.ok()) return seen.status();
    const auto inspection = remote::ReadInspection(*seen);
    if (!inspection.ok()) return inspection.status();
    plan_boot = remote::PlanBoot(Spec(), *inspection, remote::Facts())->commands;
    return remote::PlanPrepare(Spec(), *inspection, remote::Facts());
  }
  VirtualMachines::Machine& machine() { return *machines.Find(ServerNumber("31")); }
  int Wipes() {
    int wipes = 0;
    for (const std::string& deed : machine().journal) wipes += deed.starts_with("prepare wipe");
    return wipes;
  }

  VirtualRuntime rt{1};
  VirtualMachines machines;
  std::vector<HostKeyFingerprint> rescue_keys;
  std::vector<RemoteProgress> progress;
  std::vector<RemoteCommand> plan_boot;
  std::string host_secret = "host-secret";
};

TEST_F(Machines, AreReachedOnlyUnderTheirPinAndWithAKeyTheyKnow) {
  EXPECT_THAT(Connect(RescuePin()), IsOk());
  EXPECT_THAT(Connect({.sha256 = {"x", Cat("SHA256:", rescue_keys[0].sha256, "=")}}), IsOk());
  EXPECT_THAT(Connect(InstalledPin()), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(Connect({}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Connect(RescuePin(), "operator-secret"), StatusIs(StatusCode::kUnauthenticated));
  const HostKeyPin old = RescuePin();
  BootRescue();
  EXPECT_THAT(Connect(old), StatusIs(StatusCode::kPermissionDenied)) << "fresh keys at each boot";
  EXPECT_THAT(Connect(RescuePin()), IsOk());
  machines.Off(ServerNumber("31"), false);
  EXPECT_THAT(Connect(RescuePin()), StatusIs(StatusCode::kUnavailable));
}

TEST_F(Machines, GoTheWholeWayFromTheRescueSystemToTheBuilder) {
  const auto plan = Plan();
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->disks_lost.size(), 2u);
  EXPECT_THAT(Run(plan->commands), IsOk());
  EXPECT_EQ(machine().root->marker, plan->id);
  EXPECT_THAT(Run(plan_boot), IsOk());
  EXPECT_THAT(Run({remote::RebootCommand()}), IsOk());
  EXPECT_THAT(Connect(RescuePin()), IsOk()) << "it takes its time to go down";
  rt.RunFor(absl::Seconds(10));
  EXPECT_THAT(Connect(InstalledPin(), "operator-secret"), StatusIs(StatusCode::kUnavailable));
  rt.RunFor(absl::Minutes(2));
  EXPECT_THAT(Connect(RescuePin()), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(Connect(InstalledPin()), StatusIs(StatusCode::kUnauthenticated))
      << "the order's key was for the rescue system";
  auto session = Connect(InstalledPin(), "operator-secret", "builder");
  ASSERT_THAT(session, IsOk());
  EXPECT_EQ(
      rt.Run((*session)->Run({.command = "hostname", .deadline = rt.Now() + absl::Minutes(1)}))
          ->out,
      "builder-01\n");
  const auto looked = rt.Run(RunCommands(**session, {remote::VitalsCommand()}, Ports(), nullptr));
  ASSERT_THAT(looked, IsOk());
  const auto vitals = remote::ReadVitals(looked->front().out);
  ASSERT_THAT(vitals, IsOk());
  EXPECT_EQ(vitals->gpus_size(), 1);
}

TEST_F(Machines, ARunThatWasDoneIsNotDoneAgain) {
  const auto plan = Plan();
  ASSERT_THAT(Run(plan->commands), IsOk());
  const auto again = Run(plan->commands);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->size(), 1u);
  EXPECT_EQ(Wipes(), 2);
}

TEST_F(Machines, AfterAConnectionLostAtAnyCommandTheSamePlanComesToItsEnd) {
  const auto plan = Plan();
  ASSERT_THAT(plan, IsOk());
  for (const auto& list : {plan->commands, plan_boot}) {
    for (const RemoteCommand& command : list) {
      const std::string line = command.shell.substr(0, command.shell.find('\n'));
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      machine().faults.break_after = Cat(words[2], " ", words[3]);
      if (words[2] == "prepare") machine().mounted = false;  // so that it is to be done again
      EXPECT_THAT(Run(list), StatusIs(StatusCode::kUnknown)) << command.name;
      EXPECT_THAT(Run(list), IsOk()) << command.name;
    }
  }
  EXPECT_THAT(Run({remote::RebootCommand()}), IsOk());
  rt.RunFor(absl::Minutes(2));
  EXPECT_THAT(Connect(InstalledPin(), "operator-secret"), IsOk());
}

TEST_F(Machines, DisksThatSwappedTheirNamesAreStillTheSameDisks) {
  const auto plan = Plan();
  machine().faults.swap_names = true;
  BootRescue();
  EXPECT_THAT(Run(plan->commands), IsOk());
  EXPECT_EQ(Wipes(), 2);
}

TEST_F(Machines, AnotherDiskThanInspectedIsARefusalAndNothingIsWiped) {
  const auto plan = Plan();
  machine().faults.other_disk = true;
  BootRescue();
  EXPECT_THAT(Run(plan->commands),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("other disks than inspected")));
  EXPECT_EQ(Wipes(), 0);
}

TEST_F(Machines, TheRunningSystemIsNeverWiped) {
  const auto plan = Plan();
  machine().rescue = false;
  EXPECT_THAT(Run(plan->commands), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_EQ(Wipes(), 0);
}

TEST_F(Machines, AnotherImageOrAnotherHostKeyThanPlannedEndsTheRun) {
  const auto plan = Plan();
  host_secret = "order-secret";
  EXPECT_THAT(Run(plan->commands),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("host key")));
  EXPECT_EQ(machine().root->marker, "");
  EXPECT_THAT(Run(plan_boot), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(Machines, ACommandThatHangsOrFailsIsTold) {
  const auto plan = Plan();
  machine().faults.hang_at = "prepare unpack";
  const absl::Time start = rt.Now();
  EXPECT_THAT(Run(plan->commands),
              StatusIs(StatusCode::kDeadlineExceeded, HasSubstr("unpack image")));
  EXPECT_LT(rt.Now() - start, absl::Minutes(15)) << "silence ends it, not the deadline of an hour";
  machine().faults = {.fail_at = "prepare unpack"};
  EXPECT_THAT(Run(plan->commands), StatusIs(StatusCode::kAborted, HasSubstr("status 1")));
  machine().faults = {};
  EXPECT_THAT(Run(plan->commands), IsOk());
}

TEST_F(Machines, ProgressTellsEachCommandAndTheBytesTaken) {
  const auto plan = Plan();
  progress.clear();
  ASSERT_THAT(Run(plan->commands), IsOk());
  EXPECT_EQ(progress.front().name, Cat("begin ", plan->id));
  EXPECT_EQ(progress.front().count, plan->commands.size());
  EXPECT_EQ(progress.back().state, RemoteProgress::State::kDone);
  std::vector<std::int64_t> image;
  for (const RemoteProgress& at : progress) {
    if (at.name == "receive image" && at.state == RemoteProgress::State::kMoved) {
      image.push_back(at.bytes_taken);
    }
  }
  EXPECT_THAT(image, ElementsAre(8));
}

TEST_F(Machines, NoSecretIsInAPlanOrInWhatTheMachineWasAsked) {
  const auto plan = Plan();
  ASSERT_THAT(Run(plan->commands), IsOk());
  EXPECT_THAT(remote::DescribePlan(*plan), Not(HasSubstr(host_secret)));
  for (const std::string& deed : machine().journal) EXPECT_THAT(deed, Not(HasSubstr(host_secret)));
}

TEST_F(Machines, WhatGoesWrongWithABootIsSeen) {
  machine().faults.wrong_host_key = true;
  BootRescue();
  EXPECT_THAT(Connect(RescuePin()), StatusIs(StatusCode::kPermissionDenied));
  machine().faults = {.silent = true};
  EXPECT_THAT(Connect(RescuePin()), StatusIs(StatusCode::kUnavailable));
  machine().faults = {.wrong_system = true};
  BootRescue();
  EXPECT_THAT(Connect(RescuePin()), StatusIs(StatusCode::kPermissionDenied));
  machine().faults = {};
  machines.Boot({.server = ServerNumber("31"), .address = "127.1.0.31"});
  rt.RunFor(absl::Minutes(5));
  EXPECT_THAT(Connect(InstalledPin(), "operator-secret"), StatusIs(StatusCode::kUnavailable))
      << "nothing is installed";
}

}  // namespace
}  // namespace muster
