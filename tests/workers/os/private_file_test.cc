#include "workers/os/private_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

class PrivateFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }
  const std::string folder =
      (std::filesystem::path(testing::TempDir()) / Cat("muster-private-", getpid())).string();
  const std::string path = folder + "/key";
};

TEST_F(PrivateFile, IsMadeOnceForItsOwnerOnlyAndReadBackAfterwards) {
  const auto make = []() -> StatusOr<std::string> { return std::string("first"); };
  EXPECT_THAT(ReadOrMakePrivateFile(path, make), IsOkAndHolds("first"));
  struct stat about = {};
  ASSERT_EQ(stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_THAT(
      ReadOrMakePrivateFile(path, []() -> StatusOr<std::string> { return Internal("again"); }),
      IsOkAndHolds("first"));
}

TEST_F(PrivateFile, ThatOthersMayReadIsRefused) {
  std::ofstream(path) << "key";
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_THAT(ReadOrMakePrivateFile(path, []() -> StatusOr<std::string> { return std::string(); }),
              StatusIs(StatusCode::kFailedPrecondition, testing::HasSubstr("chmod 600")));
}

TEST_F(PrivateFile, LeavesNothingBehindWhenItsTextCannotBeMade) {
  EXPECT_THAT(ReadOrMakePrivateFile(path, []() -> StatusOr<std::string> { return Internal("no"); }),
              StatusIs(StatusCode::kInternal));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(PrivateFile, LinesAreAppendedOneAfterTheOther) {
  EXPECT_THAT(AppendLine(path, "a"), IsOk());
  EXPECT_THAT(AppendLine(path, "b"), IsOk());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "a\nb\n");
  EXPECT_THAT(AppendLine(folder + "/none/x", "a"), StatusIs(StatusCode::kUnavailable));
}

}  // namespace
}  // namespace muster
