// What muster says to a bare machine, said to real sshds: the shell lines run for real, and what
// they installed is what boots.
#include "services/sim/sshd_machines.h"

#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_split.h"
#include "eventstore/base/check.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/os/file_input.h"
#include "workers/os/ssh_client.h"
#include "workers/servers/remote/inspect.h"
#include "workers/servers/remote/install.h"
#include "workers/servers/remote/run_commands.h"
#include "workers/servers/remote/vitals.h"

namespace muster {
namespace {

namespace fs = std::filesystem;
using remote::RemoteCommand;
using remote::RemoteOutcome;
using testing::HasSubstr;
using testing::Not;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
void Shell(const std::string& command) { MUSTER_CHECK(std::system(command.c_str()) == 0); }

class SshdMachinesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = SshdMachines::Missing(); !missing.empty()) {
      GTEST_SKIP() << missing;
    }
    std::string pattern = testing::TempDir() + "sshd-machines-XXXXXX";
    MUSTER_CHECK(mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    for (const char* key : {"order", "operator", "host"}) {
      Shell(Cat("ssh-keygen -q -t ed25519 -N '' -C ", key, " -f ", folder, "/", key));
    }
    // An address that no other test has; the port is the machine's own there.
    address = Cat("127.1.", getpid() / 250 % 250, ".", getpid() % 250 + 2);
    machines = *SshdMachines::Make({});
    MakeImage("");
    BootRescue();
  }
  ~SshdMachinesTest() override {
    rt.DestroyTasks();
    machines.reset();
    std::error_code ignored;
    if (!folder.empty()) fs::remove_all(folder, ignored);
  }

  // A root file system with little in it; `more` is run where it is made.
  void MakeImage(const std::string& more) {
    Shell(Cat("rm -rf ", folder, "/image && mkdir -p ", folder, "/image && cd ", folder,
              "/image && mkdir -p etc/nix etc/ssh boot root && "
              "echo 'root:x:0:0::/root:/bin/sh' >etc/passwd && "
              "echo 'sandbox = false' >etc/nix/nix.conf && "
              "echo 'old host key' >etc/ssh/ssh_host_rsa_key && "
              "echo 'PermitRootLogin no' >etc/ssh/sshd_config && ",
              more.empty() ? "true" : more, " && tar -czf ../image.tar.gz ."));
  }
  void BootRescue() {
    pinned.clear();
    for (const HostKeyFingerprint& key :
         machines->Boot({.server = kServer,
                         .address = address,
                         .rescue = true,
                         .authorized_keys = {std::string(Trim(Read(folder + "/order.pub")))},
                         .ada = true})) {
      pinned.push_back(key.sha256);
    }
  }
  StatusOr<std::unique_ptr<SshSession>> Connect(HostKeyPin pin, const std::string& key,
                                                const std::string& user = "root") {
    for (int tries = 0;; ++tries) {
      auto session = rt.BlockOn(ssh.Connect({.address = address,
                                             .port = 2222,
                                             .user = user,
                                             .host_key = pin,
                                             .identity = Read(folder + "/" + key),
                                             .deadline = rt.Now() + absl::Minutes(10)}));
      const bool booting = session.status().code() == StatusCode::kUnavailable;
      if (!booting || tries == 300) return session;
      rt.BlockOn(Wait());
    }
  }
  Task<bool> Wait() {
    co_await rt.SleepFor(absl::Milliseconds(50));
    co_return true;
  }
  HostKeyPin RescuePin() const { return {.sha256 = pinned, .public_key = ""}; }
  HostKeyPin InstalledPin() const {
    return {.sha256 = {}, .public_key = Read(folder + "/host.pub")};
  }
  remote::RemotePorts Ports() {
    return {.rt = rt,
            .mask = [](std::string_view text) { return std::string(text); },
            .secret = [this](const std::string&) -> StatusOr<std::string> {
              return Read(folder + "/host");
            },
            .open = OpenFileInput};
  }
  StatusOr<std::vector<RemoteOutcome>> Run(std::vector<RemoteCommand> commands) {
    auto session = Connect(RescuePin(), "order");
    if (!session.ok()) return session.status();
    const remote::RemotePorts ports = Ports();
    return rt.BlockOn(RunCommands(**session, std::move(commands), ports, nullptr));
  }
  specpb::ServerSpec Spec() {
    specpb::ServerSpec spec;
    spec.set_name("builder-01");
    spec.mutable_access()->add_authorized_keys(std::string(Trim(Read(folder + "/operator.pub"))));
    spec.mutable_install()->set_recipe("image");
    spec.mutable_install()->set_image(folder + "/image.tar.gz");
    spec.mutable_install()->set_image_sha256(Sha256Hex(Read(folder + "/image.tar.gz")));
    spec.mutable_nix()->set_user("builder");
    spec.mutable_nix()->add_supported_features("benchmark");
    spec.mutable_nix()->add_mandatory_features("cuda");
    (*spec.mutable_install()->mutable_files())["/etc/motd; it's"] = "$(reboot)\n";
    return spec;
  }
  void Plan() {
    const auto answers = Run(remote::InspectCommands());
    ASSERT_THAT(answers, IsOk());
    const auto seen = remote::ReadInspection(*answers);
    ASSERT_THAT(seen, IsOk());
    inspection = *seen;
    const remote::InstallFacts facts = {.host_public_key = Read(folder + "/host.pub"),
                                        .ipv4 = address};
    const auto first = remote::PlanPrepare(Spec(), inspection, facts);
    const auto second = remote::PlanBoot(Spec(), inspection, facts);
    ASSERT_THAT(first, IsOk());
    ASSERT_THAT(second, IsOk());
    prepare = *first;
    boot = *second;
  }
  std::string Box(const std::string& path) { return Cat(machines->FolderOf(kServer), "/", path); }
  // The new root file system as it is on the disks.
  std::string Root(const std::string& path) {
    for (const char* disk : {"d0", "d1"}) {
      const std::string place = Box(Cat("disk/", disk, "/p3/fs", path));
      if (fs::exists(place)) return Read(place);
    }
    return "(none)";
  }
  bool OldDataIsThere() { return fs::exists(Box("disk/d0/old_data")); }

  const ServerNumber kServer{"3100001"};
  OsRuntime rt;  // in real time, as what runs over there
  OsSshClient ssh{rt};
  std::string folder, address;
  std::unique_ptr<SshdMachines> machines;
  std::vector<std::string> pinned;
  eventpb::Inspection inspection;
  remote::InstallPlan prepare, boot;
};

TEST_F(SshdMachinesTest, GoTheWholeWayFromTheRescueSystemToTheBuilder) {
  ASSERT_NO_FATAL_FAILURE(Plan());
  EXPECT_EQ(inspection.threads(), 20);
  EXPECT_EQ(inspection.disks_size(), 2);
  EXPECT_EQ(inspection.gpus_size(), 1);
  EXPECT_EQ(inspection.nics(0).driver(), "igb");
  EXPECT_TRUE(OldDataIsThere());
  ASSERT_THAT(Run(prepare.commands), IsOk());
  EXPECT_FALSE(OldDataIsThere());
  EXPECT_EQ(Read(Box("disk/d1/raw"))[446], '\0') << "some EFI would ignore the disk";
  EXPECT_THAT(Root("/etc/nix/nix.conf"),
              "sandbox = false\ntrusted-users = root builder\nsystem-features = benchmark cuda\n");
  EXPECT_THAT(Root("/etc/systemd/network/10-muster.network"), HasSubstr("\nDNS=192.0.2.53\n"));
  EXPECT_EQ(Root("/etc/motd; it's"), "$(reboot)\n");
  EXPECT_EQ(Root("/etc/ssh/ssh_host_rsa_key"), "(none)") << "no key of the image's is left";
  EXPECT_EQ(Root("/.muster-image"), "(none)");
  ASSERT_THAT(Run(boot.commands), IsOk());
  ASSERT_THAT(Run({remote::RebootCommand()}), IsOk());

  auto installed = Connect(InstalledPin(), "operator");
  while (installed.status().code() == StatusCode::kPermissionDenied) {  // not yet down
    rt.BlockOn(Wait());
    installed = Connect(InstalledPin(), "operator");
  }
  ASSERT_THAT(installed, IsOk()) << Read(Box("log"));
  EXPECT_THAT(Connect(InstalledPin(), "order"), StatusIs(StatusCode::kUnauthenticated));
  EXPECT_THAT(Connect(RescuePin(), "operator"), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_EQ(
      rt.BlockOn((*installed)->Run({.command = "hostname", .deadline = rt.Now() + absl::Hours(1)}))
          ->out,
      "builder-01\n");
  auto builder = Connect(InstalledPin(), "operator", "builder");
  ASSERT_THAT(builder, IsOk());
  const remote::RemotePorts ports = Ports();
  const auto looked = rt.BlockOn(RunCommands(**builder, {remote::VitalsCommand()}, ports, nullptr));
  ASSERT_THAT(looked, IsOk());
  const auto vitals = remote::ReadVitals(looked->front().out);
  ASSERT_THAT(vitals, IsOk());
  EXPECT_EQ(vitals->gpus(0).name(), "NVIDIA RTX 4000 SFF Ada Generation");
  EXPECT_GT(vitals->memory_total_kb(), 0);
}

// The recipe's nix.conf, accounts and keys are right when Nix says so.
TEST_F(SshdMachinesTest, NixBuildsOnTheInstalledMachineWhatOnlyItCan) {
  if (!fs::exists("/usr/bin/nix-daemon")) GTEST_SKIP() << "nix-bin is not installed";
  MakeImage("printf 'sandbox = false\nsubstituters =\nbuild-users-group =\n' >etc/nix/nix.conf");
  ASSERT_NO_FATAL_FAILURE(Plan());
  ASSERT_THAT(Run(prepare.commands), IsOk());
  ASSERT_THAT(Run(boot.commands), IsOk());
  machines->Boot({.server = kServer, .address = address, .ada = true});
  ASSERT_THAT(Connect(InstalledPin(), "operator", "builder"), IsOk()) << Read(Box("log"));

  std::ofstream(folder + "/probe.nix")
      << "{ nonce, features }: derivation { name = \"probe-${nonce}\";"
         " system = builtins.currentSystem; builder = \"/bin/sh\";"
         " args = [ \"-c\" \"echo ${nonce} > $out\" ];"
         " requiredSystemFeatures = builtins.fromJSON features; }";
  Shell(Cat("printf 'ssh-ng://builder@", address, " x86_64-linux ", folder,
            "/operator 2 1 benchmark cuda %s\n' \"$(base64 -w0 <", folder, "/host.pub)\" >", folder,
            "/machines"));
  const auto build = [this](const std::string& nonce, const std::string& features) {
    return std::system(
        Cat("cd ", folder, " && timeout 60 env HOME=", folder,
            " NIX_SSHOPTS='-F none -p 2222 -o BatchMode=yes -o IdentitiesOnly=yes'"
            " NIX_CONFIG='experimental-features = nix-command flakes\nsubstituters =\n"
            "sandbox = false\nbuild-users-group =\nsandbox-paths = /bin /usr /lib /lib64'"
            " nix build --store ",
            folder, "/client -f probe.nix --argstr nonce ", nonce, " --argstr features '", features,
            "' --builders @", folder, "/machines --no-link -L -v >nix.log 2>&1")
            .c_str());
  };
  EXPECT_EQ(build("gpu", R"(["cuda"])"), 0) << Read(folder + "/nix.log") << Read(Box("log"));
  EXPECT_THAT(Read(folder + "/nix.log"), HasSubstr("on 'ssh-ng://builder@"));
  EXPECT_EQ(build("cpu", "[]"), 0) << Read(folder + "/nix.log");
  EXPECT_THAT(Read(folder + "/nix.log"), Not(HasSubstr("on 'ssh-ng://builder@")))
      << "the mandatory feature keeps the rest away";
  Shell(Cat("chmod -R u+w ", folder));
}

TEST_F(SshdMachinesTest, WhatAProgramOfTheImageMayDoItMayDoThere) {
  MakeImage("mkdir bin && cp /bin/true bin/ping");
  constexpr char kCapability[] = "security.capability";
  // cap_net_raw, permitted and effective, in the attribute's second version.
  const std::string raw("\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  if (setxattr((folder + "/image/bin/ping").c_str(), kCapability, raw.data(), raw.size(), 0) != 0) {
    GTEST_SKIP() << "the file system keeps no capabilities";
  }
  Shell(Cat("tar --xattrs -C ", folder, "/image -czf ", folder, "/image.tar.gz ."));
  ASSERT_NO_FATAL_FAILURE(Plan());
  ASSERT_THAT(Run(prepare.commands), IsOk());
  for (const char* disk : {"d0", "d1"}) {
    const std::string ping = Box(Cat("disk/", disk, "/p3/fs/bin/ping"));
    if (!fs::exists(ping)) continue;
    std::string kept(64, '\0');
    const ssize_t size = getxattr(ping.c_str(), kCapability, kept.data(), kept.size());
    EXPECT_EQ(kept.substr(0, size < 0 ? 0 : static_cast<std::size_t>(size)), raw);
  }
}

TEST_F(SshdMachinesTest, WhereADaemonOfNixKnowsItsUsersTheBuilderIsOneOfThem) {
  MakeImage("printf 'root:x:0:\nnix-users:x:999:\n' >etc/group");
  ASSERT_NO_FATAL_FAILURE(Plan());
  ASSERT_THAT(Run(prepare.commands), IsOk());
  EXPECT_EQ(Root("/etc/group"), "root:x:0:\nnix-users:x:999:builder\n");
}

TEST_F(SshdMachinesTest, DisksThatSwappedTheirNamesAreStillTheSameDisks) {
  ASSERT_NO_FATAL_FAILURE(Plan());
  const std::string id = prepare.id;
  const std::string path = inspection.disks(0).path();
  const std::vector<RemoteCommand> agreed = prepare.commands;
  BootRescue();
  ASSERT_NO_FATAL_FAILURE(Plan());
  EXPECT_NE(inspection.disks(0).path(), path);
  EXPECT_EQ(prepare.id, id);
  EXPECT_THAT(Run(agreed), IsOk());
  EXPECT_THAT(Run(boot.commands), IsOk());
}

TEST_F(SshdMachinesTest, AMachineStartedByABiosGetsAnActiveProtectiveEntryAndBothLoaders) {
  machines = *SshdMachines::Make({.efi = false});
  BootRescue();
  ASSERT_NO_FATAL_FAILURE(Plan());
  EXPECT_FALSE(inspection.efi());
  ASSERT_THAT(Run(prepare.commands), IsOk());
  EXPECT_EQ(Read(Box("disk/d1/raw"))[446], '\200');
  ASSERT_THAT(Run(boot.commands), IsOk());
  for (const char* disk : {"disk/d0", "disk/d1"}) {
    EXPECT_TRUE(fs::exists(Box(Cat(disk, "/bios_loader"))));
    EXPECT_TRUE(fs::exists(Box(Cat(disk, "/p2/fs/EFI/BOOT/BOOTX64.EFI"))));
  }
}

TEST_F(SshdMachinesTest, AnotherDiskThanInspectedIsARefusalAndNothingIsWiped) {
  ASSERT_NO_FATAL_FAILURE(Plan());
  std::ofstream(Box("disk/d1/wwn")) << "eui.ffff\n";
  EXPECT_THAT(Run(prepare.commands),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("other disks than inspected")));
  EXPECT_TRUE(OldDataIsThere());
  std::ofstream(Box("disk/d1/wwn")) << "";
  std::ofstream(Box("disk/d1/bytes")) << "0\n";
  EXPECT_THAT(Run(prepare.commands), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_TRUE(OldDataIsThere());
  EXPECT_THAT(Read(Box("journal")), Not(HasSubstr("sgdisk")));
}

TEST_F(SshdMachinesTest, AfterAnEndAtAnyCommandTheSamePlanComesToItsEnd) {
  ASSERT_NO_FATAL_FAILURE(Plan());
  for (std::size_t done = 1; done < prepare.commands.size(); done += 3) {
    const std::vector<RemoteCommand> part(prepare.commands.begin(),
                                          prepare.commands.begin() + static_cast<long>(done));
    ASSERT_THAT(Run(part), IsOk()) << part.back().name;
  }
  ASSERT_THAT(Run(prepare.commands), IsOk());
  const auto again = Run(prepare.commands);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->size(), 1u) << "all was done before";
  for (std::size_t done = 1; done <= boot.commands.size(); ++done) {
    const std::vector<RemoteCommand> part(boot.commands.begin(),
                                          boot.commands.begin() + static_cast<long>(done));
    ASSERT_THAT(Run(part), IsOk()) << part.back().name;
  }
}

TEST_F(SshdMachinesTest, WhatWaitsForALostConnectionIsEnded) {
  ASSERT_NO_FATAL_FAILURE(Plan());
  RemoteCommand left{.name = "left",
                     .shell =
                         "{ exec 9>/run/muster.lock; flock 9; exec sleep 1000; }"
                         " </dev/null >/dev/null 2>&1 &\necho left\n"};
  ASSERT_THAT(Run({left}), IsOk());
  EXPECT_THAT(Run(prepare.commands), IsOk());
  EXPECT_NE(Root("/etc/passwd"), "(none)");
}

TEST_F(SshdMachinesTest, AnImageThatChangedOnItsWayIsNotUnpacked) {
  ASSERT_NO_FATAL_FAILURE(Plan());
  std::ofstream(folder + "/image.tar.gz", std::ios::app) << "more";
  EXPECT_THAT(Run(prepare.commands),
              StatusIs(StatusCode::kAborted, HasSubstr("the image that arrived is")));
  EXPECT_EQ(Root("/etc/passwd"), "(none)");
  EXPECT_THAT(Run(boot.commands),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("not prepared by this plan")));
}

TEST_F(SshdMachinesTest, ALinkThatLeadsOutOfTheImageIsNotFollowed) {
  MakeImage("rm -r etc/ssh && ln -s /etc/ssh etc/ssh");
  ASSERT_NO_FATAL_FAILURE(Plan());
  EXPECT_THAT(Run(prepare.commands),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("leads out of it")));
  MakeImage("ln -s /root/.ssh root/.ssh");
  ASSERT_NO_FATAL_FAILURE(Plan());
  EXPECT_THAT(Run(prepare.commands),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("leads out of it")));
}

TEST_F(SshdMachinesTest, AnSshdThatMusterCouldNotTalkToIsNotBooted) {
  MakeImage(
      "printf 'MACs hmac-sha2-512-etm@openssh.com\\nInclude /etc/ssh/sshd_config.d/*.conf\\n'"
      " >etc/ssh/sshd_config && mkdir -p etc/ssh/sshd_config.d && "
      "echo 'MACs hmac-sha2-256-etm@openssh.com' >etc/ssh/sshd_config.d/00-first.conf");
  ASSERT_NO_FATAL_FAILURE(Plan());
  ASSERT_THAT(Run(prepare.commands), IsOk());
  EXPECT_THAT(Run(boot.commands),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("no MAC that muster knows")));
}

TEST_F(SshdMachinesTest, TheRunningSystemIsNeverWiped) {
  ASSERT_NO_FATAL_FAILURE(Plan());
  std::ofstream(Box("mounts")) << "/run/box/disk/d1/p3/fs /\n";
  fs::create_directories(Box("disk/d1/p3/fs"));
  EXPECT_THAT(Run(prepare.commands),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("is this the rescue system?")));
  EXPECT_TRUE(OldDataIsThere());
}

TEST_F(SshdMachinesTest, NothingIsLeftOfAMachineThatIsOff) {
  EXPECT_THAT(Connect(RescuePin(), "order"), IsOk());
  const std::string box = Box("");
  machines->Off(kServer, true);
  EXPECT_FALSE(fs::exists(box));
  machines.reset();
  const Status gone = rt.BlockOn(ssh.Connect({.address = address,
                                              .port = 2222,
                                              .user = "root",
                                              .host_key = RescuePin(),
                                              .identity = Read(folder + "/order"),
                                              .deadline = rt.Now() + absl::Minutes(10)}))
                          .status();
  EXPECT_EQ(gone.code(), StatusCode::kUnavailable);
  // In brackets, so that the looking process does not find itself.
  const std::string look = Cat("pgrep -f '[/]", box.substr(1), "' >/dev/null");
  for (int tries = 0; tries < 100 && std::system(look.c_str()) == 0; ++tries) rt.BlockOn(Wait());
  EXPECT_NE(std::system(look.c_str()), 0);
}

}  // namespace
}  // namespace muster
