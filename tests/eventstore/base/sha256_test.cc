#include "eventstore/base/sha256.h"

#include "tests/support/pch.h"

namespace muster {
namespace {

TEST(Sha256, HasThePublishedDigests) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, OfPartsIsThatOfTheirConcatenation) {
  EXPECT_EQ(Sha256({"a", "", "bc"}), Sha256("abc"));
  EXPECT_NE(Sha256({"a", "bd"}), Sha256("abc"));
}

}  // namespace
}  // namespace muster
