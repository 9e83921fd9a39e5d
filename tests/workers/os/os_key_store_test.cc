#include "workers/os/os_key_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/os/os_program.h"
#include "workers/os/os_runtime.h"

namespace muster {
namespace {

using testing::HasSubstr;

class OsKeyStoreTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder); }
  const std::string folder =
      (std::filesystem::path(testing::TempDir()) / Cat("muster-keys-", getpid())).string();
  OsKeyStore keys{folder};
};

TEST_F(OsKeyStoreTest, KeepsWhatItMade) {
  const auto made = keys.GetOrMake("k7f2q.order");
  const auto again = keys.GetOrMake("k7f2q.order");
  const auto read = OsKeyStore(folder).Get("k7f2q.order");
  const auto other = keys.GetOrMake("k7f2q.host");
  ASSERT_THAT(made, IsOk());
  ASSERT_THAT(again, IsOk());
  ASSERT_THAT(read, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(again->private_key, made->private_key);
  EXPECT_EQ(read->public_key, made->public_key);
  EXPECT_NE(other->public_key, made->public_key);
}
TEST_F(OsKeyStoreTest, NobodyElseMayReadThem) {
  ASSERT_THAT(keys.GetOrMake("a"), IsOk());
  struct stat about = {};
  ASSERT_EQ(stat((folder + "/a").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(folder.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0700u);
  ASSERT_EQ(chmod((folder + "/a").c_str(), 0644), 0);
  EXPECT_THAT(keys.Get("a"), StatusIs(StatusCode::kFailedPrecondition));
}
TEST_F(OsKeyStoreTest, AForgottenKeyIsNotFound) {
  ASSERT_THAT(keys.GetOrMake("a"), IsOk());
  EXPECT_THAT(keys.Forget("a"), IsOk());
  EXPECT_THAT(keys.Forget("a"), IsOk());
  EXPECT_THAT(keys.Get("a"), StatusIs(StatusCode::kNotFound));
}
TEST_F(OsKeyStoreTest, OpenSshReadsThemAndAgreesOnTheFingerprints) {
  const auto made = keys.GetOrMake("a");
  ASSERT_THAT(made, IsOk());
  OsRuntime rt;
  OsProgramRunner runner(rt);
  const auto keygen = [&](std::vector<std::string> args) {
    args.insert(args.begin(), "/usr/bin/ssh-keygen");
    const auto ran = rt.BlockOn(runner.Run({.argv = args}));
    return ran.ok() ? ran->output : std::string(Message(ran.status()));
  };
  EXPECT_THAT(keygen({"-y", "-f", folder + "/a"}), testing::StartsWith(made->public_key));
  EXPECT_THAT(keygen({"-l", "-E", "md5", "-f", folder + "/a"}),
              HasSubstr("MD5:" + KeyMd5(made->public_key) + " "));
  EXPECT_THAT(keygen({"-l", "-f", folder + "/a"}),
              HasSubstr("SHA256:" + KeySha256(made->public_key) + " "));
}

}  // namespace
}  // namespace muster
