#include "services/sim/qemu_machines.h"

#include <filesystem>
#include <fstream>

#include "eventstore/base/strings.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

TEST(QemuMachines, DisksAreReadFromAList) {
  const auto read = QemuMachines::ReadDisks("nvme:4G,sata:16G");
  ASSERT_THAT(read.status(), IsOk());
  const std::vector<QemuMachines::Disk>& disks = *read;
  ASSERT_EQ(disks.size(), 2u);
  EXPECT_EQ(disks[0].bus, "nvme");
  EXPECT_EQ(disks[0].bytes, std::int64_t{4} << 30);
  EXPECT_EQ(disks[1].bus, "sata");
  EXPECT_EQ(disks[1].bytes, std::int64_t{16} << 30);
}

TEST(QemuMachines, DisksThatNobodySellsAreRefused) {
  for (const char* text :
       {"", "nvme", "nvme:4", "nvme:0G", "floppy:4G", "nvme:4G,", "nvme:4G:5G", "nvme:1001G",
        "sata:1G,sata:1G,sata:1G,sata:1G,sata:1G,sata:1G,sata:1G"}) {
    EXPECT_THAT(QemuMachines::ReadDisks(text), StatusIs(StatusCode::kInvalidArgument)) << text;
  }
}

TEST(QemuMachines, WithoutARescueSystemThereIsAReasonAndNoMachine) {
  const std::string folder = testing::TempDir() + "no-rescue-system";
  fs::create_directories(folder);
  EXPECT_THAT(QemuMachines::Make({.system = folder}), StatusIs(StatusCode::kFailedPrecondition));
}

TEST(QemuMachines, AMachineLeavesNothingBehind) {
  QemuMachines::Options options{.system = testing::TempDir() + "any-rescue-system"};
  fs::create_directories(options.system);
  for (const char* part : {"/vmlinuz", "/initrd"}) std::ofstream(options.system + part) << "none";
  if (const std::string missing = QemuMachines::Missing(options); !missing.empty()) {
    GTEST_SKIP() << missing;
  }
  auto made = QemuMachines::Make(options);
  ASSERT_THAT(made.status(), IsOk());
  std::unique_ptr<QemuMachines> machines = *std::move(made);
  const ServerNumber server("3100001");
  const std::vector<HostKeyFingerprint> told =
      machines->Boot({.server = server,
                      .address = "127.1.13.186",
                      .rescue = true,
                      .authorized_keys = {"ssh-ed25519 AAAA"},
                      .ipv4 = "198.18.13.186",
                      .ipv6_net = "2001:db8:2f:4d61::"});
  EXPECT_EQ(told.size(), 2u);
  const std::string folder = machines->FolderOf(server);
  EXPECT_EQ(fs::file_size(folder + "/disk1"), std::uintmax_t{4} << 30);
  machines->Off(server, /*forget=*/true);
  EXPECT_FALSE(fs::exists(folder));
  machines.reset();
  EXPECT_FALSE(fs::exists(fs::path(folder).parent_path()));
}

}  // namespace
}  // namespace muster
