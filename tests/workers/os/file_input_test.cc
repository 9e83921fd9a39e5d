#include "workers/os/file_input.h"

#include <filesystem>
#include <fstream>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

TEST(FileInput, GivesAFileInPiecesAndThenItsEnd) {
  const std::string path = testing::TempDir() + "file_input_test";
  std::string text(600'000, 'x');
  text[0] = '\0';
  std::ofstream(path, std::ios::binary) << text;
  const auto input = OpenFileInput(path);
  ASSERT_THAT(input, IsOk());
  EXPECT_EQ(input->bytes, 600'000);
  VirtualRuntime rt(1);
  std::string read;
  for (;;) {
    const StatusOr<std::string> piece = rt.Run(input->next());
    ASSERT_THAT(piece, IsOk());
    if (piece->empty()) break;
    read += *piece;
  }
  EXPECT_EQ(read, text);
  std::filesystem::remove(path);
}

TEST(FileInput, WhatIsNoFileIsSaid) {
  EXPECT_THAT(OpenFileInput("/no/such/image.tar"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(OpenFileInput("/"), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace muster
