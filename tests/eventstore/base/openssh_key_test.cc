// The real ssh-keygen reads what is made here, in tests/workers/os/os_key_store_test.cc.
#include "eventstore/base/openssh_key.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

const std::string kSeed(32, 's');

TEST(OpenSshKey, OneSeedIsOneKey) {
  const SshKeyPair a = MakeSshKeyPair(kSeed, "builder-01"), b = MakeSshKeyPair(kSeed, "builder-01");
  EXPECT_EQ(a.private_key, b.private_key);
  EXPECT_EQ(a.public_key, b.public_key);
  EXPECT_NE(MakeSshKeyPair(std::string(32, 't'), "builder-01").public_key, a.public_key);
  EXPECT_THAT(a.public_key, testing::StartsWith("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"));
  EXPECT_THAT(a.public_key, testing::EndsWith(" builder-01"));
}
TEST(OpenSshKey, ThePublicHalfIsReadFromThePrivateOne) {
  const SshKeyPair pair = MakeSshKeyPair(kSeed, "");
  EXPECT_THAT(PublicKeyOf(pair.private_key), IsOkAndHolds(pair.public_key));
}
TEST(OpenSshKey, WhatIsNoKeyIsRefusedWithoutBeingRepeated) {
  const std::string good = MakeSshKeyPair(kSeed, "").private_key;
  for (const std::string& bad :
       {std::string(), std::string("secret"), good.substr(0, 120), good.substr(40)}) {
    const auto read = PublicKeyOf(bad);
    EXPECT_EQ(read.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(Message(read.status())), testing::Not(testing::HasSubstr("secret")));
  }
}
TEST(OpenSshKey, FingerprintsAreOfTheBlobAlone) {
  const SshKeyPair named = MakeSshKeyPair(kSeed, "name"), bare = MakeSshKeyPair(kSeed, "");
  EXPECT_EQ(KeyMd5(named.public_key), KeyMd5(bare.public_key));
  EXPECT_EQ(KeyMd5(bare.public_key).size(), 47u);
  EXPECT_EQ(KeySha256(named.public_key).size(), 43u);
  EXPECT_EQ(KeyMd5("ssh-ed25519"), "");
  EXPECT_EQ(KeySha256("no key at all"), "");
}

}  // namespace
}  // namespace muster
