#include "workers/servers/remote/vitals.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::remote {
namespace {

constexpr char kRest[] =
    "== load\n4.20 3.00 2.00 3/512 4242\n"
    "== memory\nMemTotal:       65536000 kB\nMemAvailable:   60000000 kB\n"
    "== disk\nFilesystem 1-blocks Used Available Capacity Mounted on\n"
    "/dev/md0 1900000000000 100000000000 1800000000000 6% /\n"
    "/dev/md1 500 100 400 20% /nix/store\n"
    "== builds\n7\n";

TEST(Vitals, AreReadFromOneAnswer) {
  const auto seen = ReadVitals(std::string(kRest) +
                               "== gpus\nNVIDIA RTX 4000 SFF Ada Generation, 97, 10240, 20475\n");
  ASSERT_THAT(seen, IsOk());
  EXPECT_TRUE(seen->reached());
  EXPECT_DOUBLE_EQ(seen->load1(), 4.2);
  EXPECT_EQ(seen->memory_total_kb(), 65'536'000);
  EXPECT_EQ(seen->memory_available_kb(), 60'000'000);
  EXPECT_EQ(seen->disk_total_bytes(), 500) << "the store's own file system is the one that fills";
  EXPECT_EQ(seen->disk_free_bytes(), 400);
  EXPECT_EQ(seen->build_processes(), 7);
  EXPECT_TRUE(seen->has_gpu_data());
  ASSERT_EQ(seen->gpus_size(), 1);
  EXPECT_EQ(seen->gpus(0).name(), "NVIDIA RTX 4000 SFF Ada Generation");
  EXPECT_DOUBLE_EQ(seen->gpus(0).utilization_percent(), 97);
  EXPECT_EQ(seen->gpus(0).memory_used_mib(), 10'240);
  EXPECT_EQ(seen->gpus(0).memory_total_mib(), 20'475);
}

TEST(Vitals, NoGpuToolOrABrokenOneIsNoGpuDataAndNoError) {
  for (const std::string gpus :
       {"", "== gpus\n", "== gpus\nFailed to initialize NVML: Driver/library version mismatch\n",
        "== gpus\n[N/A], [N/A], [N/A], [N/A]\n"}) {
    const auto seen = ReadVitals(kRest + gpus);
    ASSERT_THAT(seen, IsOk()) << gpus;
    EXPECT_FALSE(seen->has_gpu_data()) << gpus;
    EXPECT_EQ(seen->gpus_size(), 0) << gpus;
  }
}

TEST(Vitals, AnswersOfSomethingElseAreNone) {
  EXPECT_THAT(ReadVitals(""), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadVitals("This account is not available.\n"),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST(Vitals, TheCommandIsAnsweredByThisVeryMachine) {
  FILE* const pipe = popen(VitalsCommand().shell.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string out;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) out += static_cast<char>(c);
  EXPECT_EQ(pclose(pipe), 0);
  const auto seen = ReadVitals(out);
  ASSERT_THAT(seen, IsOk());
  EXPECT_GT(seen->memory_total_kb(), 0);
  EXPECT_GT(seen->disk_total_bytes(), 0);
}

}  // namespace
}  // namespace muster::remote
