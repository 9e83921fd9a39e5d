#include "workers/servers/remote/inspect.h"

#include <map>

#include "eventstore/base/strings.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::remote {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// As a rescue system with two NVMe drives and one card answers.
std::map<std::string, std::string> Answers() {
  return {
      {"cpu", R"({"lscpu":[{"field":"Architecture:","data":"x86_64"},
                  {"field":"CPU(s):","data":"20"},{"field":"Model name:","data":"i5-13500"}]})"},
      {"identities",
       "nvme-eui.0025385a 1920383410176 /dev/nvme1n1\n"
       "wwn-0x5000c500a1b2c3d4 16000900661248 /dev/sda\n"},
      {"disks",
       R"({"blockdevices":[
          {"name":"zram0","path":"/dev/zram0","type":"disk","size":0,"model":null,"serial":null,
           "rota":false,"tran":null,"fstype":null},
          {"name":"nvme1n1","path":"/dev/nvme1n1","type":"disk","size":1920383410176,
           "model":"SAMSUNG MZVL21T0","serial":"S1","rota":false,"tran":"nvme","fstype":null,
           "children":[{"name":"nvme1n1p1","path":"/dev/nvme1n1p1","fstype":"linux_raid_member"}]},
          {"name":"sda","path":"/dev/sda","type":"disk","size":"16000900661248",
           "model":"ST16000NM001G  ","serial":"ZL2","rota":"1","tran":"sata","fstype":"ext4"}]})"},
      {"memory", "MemTotal:       65536000 kB\nMemFree:  1 kB\n"},
      {"firmware", "efi\n"},
      {"gpus",
       "01:00.0 VGA compatible controller [0300]: NVIDIA Corporation AD104GL [10de:27b0]\n"
       "01:00.1 Audio device [0403]: NVIDIA Corporation Device [10de:22bc]\n"},
      {"links",
       R"([{"ifname":"lo","link_type":"loopback","addr_info":[]},
           {"ifname":"docker0","link_type":"ether","address":"02:42:00:00:00:01","addr_info":[]},
           {"ifname":"eth0","link_type":"ether","address":"a8:a1:59:8b:00:01","addr_info":[
             {"local":"203.0.113.10","prefixlen":32,"scope":"global"},
             {"local":"fe80::1","prefixlen":64,"scope":"link"}]}])"},
      {"routes4", R"([{"dst":"default","gateway":"203.0.113.1","dev":"eth0"}])"},
      {"routes6", R"([{"dst":"default","gateway":"fe80::1","dev":"eth0"}])"},
      {"drivers", "eth0 igb\n"},
      {"arrays", "ARRAY /dev/md/0 metadata=1.2\n  vg0\n"},
  };
}

StatusOr<eventpb::Inspection> Read(const std::map<std::string, std::string>& answers) {
  std::vector<RemoteOutcome> outcomes;
  for (const auto& [name, out] : answers) outcomes.push_back({.name = name, .out = out});
  return ReadInspection(outcomes);
}

TEST(Inspect, ReadsWhatARescueSystemAnswers) {
  const StatusOr<eventpb::Inspection> seen = Read(Answers());
  ASSERT_THAT(seen, IsOk());
  EXPECT_EQ(seen->cpu(), "i5-13500");
  EXPECT_EQ(seen->threads(), 20);
  EXPECT_EQ(seen->memory_kb(), 65'536'000);
  EXPECT_TRUE(seen->efi());
  ASSERT_EQ(seen->disks_size(), 2);
  EXPECT_EQ(seen->disks(0).identity(), "nvme-eui.0025385a");
  EXPECT_EQ(seen->disks(0).path(), "/dev/nvme1n1");
  EXPECT_EQ(seen->disks(0).bytes(), 1'920'383'410'176);
  EXPECT_EQ(seen->disks(0).holds(), "linux_raid_member");
  EXPECT_FALSE(seen->disks(0).rotates());
  EXPECT_EQ(seen->disks(1).model(), "ST16000NM001G");
  EXPECT_TRUE(seen->disks(1).rotates()) << "older versions write flags as text";
  EXPECT_EQ(seen->gpus_size(), 1) << "the card's sound is no GPU";
  ASSERT_EQ(seen->nics_size(), 1) << "only cards have a driver of their own";
  EXPECT_EQ(seen->nics(0).mac(), "a8:a1:59:8b:00:01");
  EXPECT_EQ(seen->nics(0).gateway4(), "203.0.113.1");
  EXPECT_EQ(seen->nics(0).gateway6(), "fe80::1");
  EXPECT_EQ(seen->nics(0).driver(), "igb");
  EXPECT_THAT(seen->nics(0).addresses(), ElementsAre("203.0.113.10/32"));
  EXPECT_THAT(seen->arrays(), ElementsAre("ARRAY /dev/md/0 metadata=1.2", "vg0"));
}

TEST(Inspect, ProcessorsNestedByANewerToolAreFound) {
  auto answers = Answers();
  answers["cpu"] = R"({"lscpu":[{"field":"CPU(s):","data":"8","children":[]},
      {"field":"Vendor ID:","data":"X","children":[{"field":"Model name:","data":"EPYC"}]}]})";
  const auto seen = Read(answers);
  ASSERT_THAT(seen, IsOk());
  EXPECT_EQ(seen->cpu(), "EPYC");
}

TEST(Inspect, WhatIsMissingIsMissedOnlyWhereEverythingRestsOnIt) {
  for (const std::string name : {"memory", "gpus", "links", "routes4", "routes6", "arrays"}) {
    auto answers = Answers();
    answers[name] = "no such tool <html>";
    EXPECT_THAT(Read(answers), IsOk()) << name;
  }
  for (const std::string name : {"cpu", "disks"}) {
    auto answers = Answers();
    answers[name] = "{";
    EXPECT_THAT(Read(answers), StatusIs(StatusCode::kInvalidArgument)) << name;
  }
  auto answers = Answers();
  answers["identities"] = "sh: lsblk: not found, is it?\n";
  EXPECT_THAT(Read(answers), StatusIs(StatusCode::kInvalidArgument));
}

TEST(Inspect, ADiskWithoutIdentityHasNone) {
  auto answers = Answers();
  answers["identities"] = "- 1000204886016 /dev/vda\n";
  const auto seen = Read(answers);
  ASSERT_THAT(seen, IsOk());
  EXPECT_EQ(seen->disks(0).identity(), "");
}

TEST(Inspect, OnlyReads) {
  for (const RemoteCommand& command : InspectCommands()) {
    EXPECT_TRUE(command.may_fail) << command.name;
    EXPECT_THAT(command.shell, HasSubstr(Cat(": muster inspect ", command.name, "\n")));
  }
}

}  // namespace
}  // namespace muster::remote
