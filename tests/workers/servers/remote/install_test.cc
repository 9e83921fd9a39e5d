// Plans of installations. What they come to as text is in tests/golden/install_plan.txt; write it
// anew with MUSTER_UPDATE_GOLDEN=1. That they work is tested where a machine carries them out
// (tests/services/sim, tests/workers/virtual).
#include "workers/servers/remote/install.h"

#include <fstream>
#include <sstream>

#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"
#include "tests/workers/servers/remote/samples.h"
#include "workers/servers/remote/layout.h"

namespace muster::remote {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> RootOf(std::string_view raid, const eventpb::Inspection& seen) {
  const StatusOr<Layout> layout = ChooseLayout(raid, seen);
  if (!layout.ok()) return {std::string(Message(layout.status()))};
  std::vector<std::string> root;
  for (const auto& disk : layout->root) root.push_back(disk.identity());
  return root;
}

eventpb::Inspection With(std::initializer_list<eventpb::DiskSeen> disks) {
  eventpb::Inspection seen = TwoAlike();
  seen.clear_disks();
  for (const auto& disk : disks) *seen.add_disks() = disk;
  return seen;
}

TEST(Layout, TwoAlikeAreAMirror) {
  EXPECT_THAT(RootOf("auto", TwoAlike()), ElementsAre("nvme-eui.0025385a", "nvme-eui.0025385b"));
  EXPECT_THAT(RootOf("", TwoAlike()), ElementsAre("nvme-eui.0025385a", "nvme-eui.0025385b"));
  EXPECT_THAT(RootOf("none", TwoAlike()), ElementsAre("nvme-eui.0025385a"));
}

TEST(Layout, AByteMoreOrMovingPartsAreNotAlike) {
  const auto more = With({Disk("a", "/dev/a", 1000), Disk("b", "/dev/b", 1001)});
  EXPECT_THAT(RootOf("auto", more), ElementsAre("b")) << "the larger";
  const auto moving = With({Disk("a", "/dev/a", 1000, true), Disk("b", "/dev/b", 1000)});
  EXPECT_THAT(RootOf("auto", moving), ElementsAre("b")) << "the one without moving parts";
  EXPECT_THAT(RootOf("raid1", moving), ElementsAre(HasSubstr("no two disks are alike")));
}

TEST(Layout, ThePairWithoutMovingPartsGoesFirstAndEveryDiskIsInThePlan) {
  const auto seen = With({Disk("h1", "/dev/sda", 9000, true), Disk("h2", "/dev/sdb", 9000, true),
                          Disk("n1", "/dev/nvme0n1", 500), Disk("n2", "/dev/nvme1n1", 500)});
  EXPECT_THAT(RootOf("auto", seen), ElementsAre("n1", "n2"));
  const auto plan = PlanPrepare(Builder(), seen, Facts());
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->disks_lost.size(), 4u);
}

TEST(Layout, DisksThatCannotBeToldApartAreRefused) {
  EXPECT_THAT(RootOf("auto", With({})), ElementsAre("the inspection saw no disk"));
  EXPECT_THAT(RootOf("auto", With({Disk("", "/dev/vda")})),
              ElementsAre(HasSubstr("/dev/vda has no identity")));
  EXPECT_THAT(RootOf("none", With({Disk("x", "/dev/sda"), Disk("x", "/dev/sdb")})),
              ElementsAre(HasSubstr("cannot be told from others")));
}

TEST(Install, APlanIsAFunctionOfItsArguments) {
  const auto one = PlanPrepare(Builder(), TwoAlike(), Facts());
  eventpb::Inspection turned = TwoAlike();
  turned.mutable_disks()->SwapElements(0, 1);
  turned.mutable_disks(0)->set_path("/dev/nvme0n1");
  turned.mutable_disks(1)->set_path("/dev/nvme1n1");
  const auto same = PlanPrepare(Builder(), turned, Facts());
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(same, IsOk());
  EXPECT_EQ(one->id, same->id) << "what the disks are called does not matter";
  specpb::ServerSpec other = Builder();
  other.mutable_install()->set_image_sha256(std::string(64, 'b'));
  EXPECT_NE(PlanPrepare(other, TwoAlike(), Facts())->id, one->id);
  InstallFacts facts = Facts();
  facts.ipv4 = "203.0.113.11";
  EXPECT_NE(PlanPrepare(Builder(), TwoAlike(), facts)->id, one->id);
}

TEST(Install, NoDestructiveCommandNamesADevice) {
  const auto plan = PlanPrepare(Builder(), TwoAlike(), Facts());
  ASSERT_THAT(plan, IsOk());
  for (const RemoteCommand& command : plan->commands) {
    EXPECT_THAT(command.shell, Not(HasSubstr("/dev/nvme"))) << command.name;
    EXPECT_LT(command.timeout, absl::Hours(3)) << command.name;
    EXPECT_LE(command.silence_max, command.timeout) << command.name;
  }
}

// A rescue system may have a disk that hangs, or a network one: what muster wrote is flushed.
TEST(Install, NothingWaitsForWhatOthersWrote) {
  const auto prepare = PlanPrepare(Builder(), TwoAlike(), Facts());
  const auto boot = PlanBoot(Builder(), TwoAlike(), Facts());
  ASSERT_THAT(prepare, IsOk());
  ASSERT_THAT(boot, IsOk());
  for (const InstallPlan* plan : {&*prepare, &*boot}) {
    for (const RemoteCommand& command : plan->commands) {
      EXPECT_THAT(command.shell, Not(HasSubstr("\nsync\n"))) << command.name;
    }
  }
  EXPECT_THAT(prepare->commands.back().shell, HasSubstr("\nsync -f /mnt\n"));
  EXPECT_GE(prepare->commands.back().silence_max, absl::Minutes(20)) << "all that is in memory";
}

TEST(Install, ASpecThatCannotBeCarriedOutIsRefused) {
  const auto refusal = [](const std::function<void(specpb::ServerSpec&)>& change) {
    specpb::ServerSpec spec = Builder();
    change(spec);
    const auto plan = PlanPrepare(spec, TwoAlike(), Facts());
    return plan.ok() ? "accepted" : std::string(Message(plan.status()));
  };
  EXPECT_THAT(refusal([](auto& s) { s.mutable_install()->set_image(""); }), HasSubstr("archive"));
  EXPECT_THAT(refusal([](auto& s) { s.mutable_install()->set_image_sha256("abc"); }),
              HasSubstr("64 hex digits"));
  EXPECT_THAT(refusal([](auto& s) { s.mutable_install()->set_filesystem("$(reboot)"); }),
              HasSubstr("ext4, xfs or btrfs"));
  EXPECT_THAT(refusal([](auto& s) { s.mutable_nix()->set_user("a b"); }), HasSubstr("no user"));
  EXPECT_THAT(refusal([](auto& s) { s.set_name("a;b"); }), HasSubstr("no host name"));
  EXPECT_THAT(refusal([](auto& s) { s.mutable_nix()->add_mandatory_features("a b"); }),
              HasSubstr("no feature"));
  EXPECT_THAT(refusal([](auto& s) { s.mutable_access()->clear_authorized_keys(); }),
              HasSubstr("nobody would be let in"));
  EXPECT_THAT(refusal([](auto& s) { s.mutable_install()->set_recipe("steps"); }),
              HasSubstr("there are none"));
  for (const std::string path : {"etc/motd", "/etc/../etc/shadow", "/a//b", "/", "", "/a/"}) {
    EXPECT_THAT(refusal([&](auto& s) { (*s.mutable_install()->mutable_files())[path] = "x"; }),
                HasSubstr("no path of a file"))
        << path;
  }
  EXPECT_THAT(refusal([](auto& s) {
                (*s.mutable_install()->mutable_files())["/etc/ssh/ssh_host_rsa_key"] = "x";
              }),
              HasSubstr("muster's to make"));
  InstallFacts rsa = Facts();
  rsa.host_public_key = "ssh-rsa AAAA";
  EXPECT_THAT(PlanPrepare(Builder(), TwoAlike(), rsa), StatusIs(StatusCode::kInvalidArgument));
  eventpb::Inspection no_gateway = TwoAlike();
  no_gateway.mutable_nics(0)->clear_gateway4();
  no_gateway.mutable_nics(0)->clear_gateway6();
  EXPECT_THAT(PlanPrepare(Builder(), no_gateway, Facts()),
              StatusIs(StatusCode::kFailedPrecondition));
}

TEST(Install, OwnStepsTakeThePlaceOfTheRecipe) {
  specpb::ServerSpec spec = Builder();
  spec.mutable_install()->set_recipe("steps");
  auto& step = *spec.mutable_install()->add_steps();
  step.set_name("disko");
  step.set_command("disko --to {root} --name {hostname} {disks}");
  step.set_timeout_s(1200);
  const auto plan = PlanPrepare(spec, TwoAlike(), Facts());
  ASSERT_THAT(plan, IsOk());
  const auto own = std::find_if(plan->commands.begin(), plan->commands.end(),
                                [](const auto& each) { return each.name == "step disko"; });
  ASSERT_NE(own, plan->commands.end());
  EXPECT_THAT(own->shell, HasSubstr("\ndisko --to /mnt --name builder-01 $muster_paths\n"));
  EXPECT_THAT(own->shell, HasSubstr("muster_expect 'nvme-eui.0025385a 1920383410176'"));
  EXPECT_EQ(own->timeout, absl::Minutes(20));
  EXPECT_THAT(Describe(plan->commands), Not(HasSubstr("sgdisk --zap-all")));
  const auto boot = PlanBoot(spec, TwoAlike(), Facts());
  ASSERT_THAT(boot, IsOk());
  EXPECT_THAT(Describe(boot->commands), Not(HasSubstr("grub-install")));
}

TEST(Install, TheAddressOfASystemIsInItsNetwork) {
  EXPECT_EQ(Ipv6Address("2001:db8:61:1f::", 2), "2001:db8:61:1f::2");
  EXPECT_EQ(Ipv6Address("2001:db8:61:1f::/64", 1), "2001:db8:61:1f::1");
  EXPECT_EQ(Ipv6Address("", 1), "");
}

TEST(Install, PlansComeOutAsAgreed) {
  const auto prepare = PlanPrepare(Builder(), TwoAlike(), Facts());
  const auto boot = PlanBoot(Builder(), TwoAlike(), Facts());
  ASSERT_THAT(prepare, IsOk());
  ASSERT_THAT(boot, IsOk());
  const std::string told = DescribePlan(*prepare) + "\n" + DescribePlan(*boot);
  const std::string path = SourceDir() + "/tests/golden/install_plan.txt";
  if (std::getenv("MUSTER_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << told;
  std::ifstream file(path);
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(told, golden.str());
}

}  // namespace
}  // namespace muster::remote
