#include "workers/os/os_secrets.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::HasSubstr;
using testing::Not;

class OsSecretsTest : public testing::Test {
 protected:
  OsSecretsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    ref_ = Cat("file:", folder_.string(), "/key");
  }
  ~OsSecretsTest() override { std::filesystem::remove_all(folder_); }
  void Write(std::string_view text) { std::ofstream(folder_ / "key") << text; }

  std::filesystem::path folder_;
  std::string ref_;
  std::unique_ptr<Secrets> secrets_ = MakeOsSecrets();
};

TEST_F(OsSecretsTest, ReadsAVariable) {
  setenv("MUSTER_TEST_SECRET", "v4lue-of-it", 1);
  EXPECT_THAT(secrets_->Resolve("env:MUSTER_TEST_SECRET"), IsOkAndHolds("v4lue-of-it"));
  EXPECT_EQ(secrets_->Mask("<v4lue-of-it>"), "<[secret]>");
  unsetenv("MUSTER_TEST_SECRET");
  EXPECT_THAT(secrets_->Resolve("env:MUSTER_TEST_SECRET"),
              StatusIs(StatusCode::kNotFound, HasSubstr("env:MUSTER_TEST_SECRET")));
}

TEST_F(OsSecretsTest, ReadsAFileAnewEachTimeAndCutsOneNewline) {
  Write("first-value\n");
  EXPECT_THAT(secrets_->Resolve(ref_), IsOkAndHolds("first-value"));
  Write("second-value\r\n");
  EXPECT_THAT(secrets_->Resolve(ref_), IsOkAndHolds("second-value"));
  Write("third value\n\n");
  EXPECT_THAT(secrets_->Resolve(ref_), IsOkAndHolds("third value\n"));
  EXPECT_EQ(secrets_->Mask("first-value second-value"), "[secret] [secret]");
}

TEST_F(OsSecretsTest, TellsMissingEmptyAndHugeFilesByName) {
  EXPECT_THAT(secrets_->Resolve(ref_), StatusIs(StatusCode::kNotFound, HasSubstr(ref_)));
  EXPECT_THAT(secrets_->Resolve(Cat("file:", folder_.string())), StatusIs(StatusCode::kNotFound));
  Write("\n");
  EXPECT_THAT(secrets_->Resolve(ref_), StatusIs(StatusCode::kNotFound, HasSubstr("empty")));
  Write(std::string(100'000, 'x'));
  EXPECT_THAT(secrets_->Resolve(ref_), StatusIs(StatusCode::kNotFound, HasSubstr("too large")));
}

TEST_F(OsSecretsTest, NeverRepeatsWhatIsNotAReference) {
  EXPECT_THAT(secrets_->Resolve("hf_pasted_token"),
              StatusIs(StatusCode::kInvalidArgument, Not(HasSubstr("hf_pasted_token"))));
}

TEST_F(OsSecretsTest, MasksWhatItLearned) {
  secrets_->Learn("jupyter-token-1");
  EXPECT_EQ(secrets_->Mask("?token=jupyter-token-1"), "?token=[secret]");
}

}  // namespace
}  // namespace muster
