// Text files are replaced as a whole or not at all.
#include "workers/os/os_text_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::HasSubstr;

class TextFilesOnDisk : public testing::Test {
 protected:
  void SetUp() override {
    folder = testing::TempDir() + "/text_files_" + Cat(getpid());
    std::filesystem::create_directory(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string folder;
  OsTextFiles files;
};

TEST_F(TextFilesOnDisk, WhatWasWrittenIsReadByEverybody) {
  const std::string path = folder + "/machines";
  const mode_t before = umask(077);
  const Status written = files.Write(path, "one\n");
  umask(before);
  ASSERT_THAT(written, IsOk());
  EXPECT_THAT(files.Read(path), IsOkAndHolds("one\n"));
  struct stat about = {};
  ASSERT_EQ(stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0644u);
  ASSERT_THAT(files.Write(path, ""), IsOk());
  EXPECT_THAT(files.Read(path), IsOkAndHolds(""));
}

TEST_F(TextFilesOnDisk, WhatACrashLeftBehindIsInNobodysWay) {
  const std::string path = folder + "/machines";
  std::ofstream(path + ".new") << "half";
  ASSERT_THAT(files.Write(path, "whole"), IsOk());
  EXPECT_THAT(files.Read(path), IsOkAndHolds("whole"));
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_F(TextFilesOnDisk, WithoutAFolderNothingIsWritten) {
  EXPECT_THAT(files.Write(folder + "/none/machines", "x"),
              StatusIs(StatusCode::kUnavailable, HasSubstr("cannot make")));
}

TEST_F(TextFilesOnDisk, WhatIsNoTextFileIsNotRead) {
  EXPECT_THAT(files.Read(folder + "/absent"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(files.Read(folder), StatusIs(StatusCode::kUnavailable, HasSubstr("is no file")));
  std::ofstream(folder + "/large") << std::string((1u << 20) + 1, 'x');
  EXPECT_THAT(files.Read(folder + "/large"),
              StatusIs(StatusCode::kUnavailable, HasSubstr("larger than 1 MiB")));
}

}  // namespace
}  // namespace muster
