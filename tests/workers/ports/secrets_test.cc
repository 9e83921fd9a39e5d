#include "workers/ports/secrets.h"

#include "tests/support/map_secrets.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/ports/secret_mask.h"

namespace muster {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(IsSecretRef, KnowsAReferenceFromAValue) {
  for (const char* good :
       {"env:HF_TOKEN", "env:_x1", "file:/run/keys/vast", "file:key with space"}) {
    EXPECT_TRUE(IsSecretRef(good)) << good;
  }
  for (const char* bad : {"", "env:", "file:", "hf_abcdefgh", "env:1X", "env:A-B", "env:A B",
                          "ENV:X", "file:a\nb", " env:X", "https://x"}) {
    EXPECT_FALSE(IsSecretRef(bad)) << bad;
  }
}

TEST(SecretMask, PaintsOverTheLiteralValueWhereverItStands) {
  SecretMask mask;
  mask.Learn("hf_s3cr3t");
  EXPECT_EQ(mask.Mask("a hf_s3cr3t, b=hf_s3cr3thf_s3cr3t"), "a [secret], b=[secret][secret]");
  EXPECT_EQ(mask.Mask("hf_s3cr3t"), "[secret]");
  EXPECT_EQ(mask.Mask("hf_s3cr3"), "hf_s3cr3");
  EXPECT_EQ(mask.Mask(""), "");
}

TEST(SecretMask, FindsEscapedAndEncodedForms) {
  const std::string secret = "p\"a/s\\s &<w\xc3\xb6rd>?";
  SecretMask mask;
  mask.Learn(secret);
  for (const char* form : {
           "p\\\"a/s\\\\s &<w\xc3\xb6rd>?",                    // JSON
           "p\\\"a\\/s\\\\s &<w\xc3\xb6rd>?",                  // JSON, PHP's slashes
           "p\\\"a/s\\\\s \\u0026\\u003cw\xc3\xb6rd\\u003e?",  // JSON, Go's HTML safety
           "p\\\\\\\"a/s\\\\\\\\s &<w\xc3\xb6rd>?",            // JSON in JSON
           "p%22a%2Fs%5Cs%20%26%3Cw%C3%B6rd%3E%3F",            // URL
           "p%22a%2fs%5cs%20%26%3cw%c3%b6rd%3e%3f",            // URL, lower case
           "p%22a%2Fs%5Cs+%26%3Cw%C3%B6rd%3E%3F",              // form field
           "p%22a/s%5Cs%20%26%3Cw%C3%B6rd%3E%3F",              // path
           "cCJhL3NccyAmPHfDtnJkPj8=",                         // base64
       }) {
    EXPECT_EQ(mask.Mask(Cat("[", form, "]")), "[[secret]]") << form;
  }
}

TEST(SecretMask, FindsASecretInsideALongerBase64Text) {
  SecretMask mask;
  mask.Learn("correcthorse");
  // base64 of "u:correcthorse", "us:correcthorse!" and "use:correcthorse!!"
  EXPECT_THAT(mask.Mask("Basic dTpjb3JyZWN0aG9yc2U="), Not(HasSubstr("JyZWN0aG9")));
  EXPECT_THAT(mask.Mask("Basic dXM6Y29ycmVjdGhvcnNlIQ=="), Not(HasSubstr("ycmVjdGhvc")));
  EXPECT_THAT(mask.Mask("Basic dXNlOmNvcnJlY3Rob3JzZSEh"), Not(HasSubstr("vcnJlY3Rob3J")));
}

TEST(SecretMask, PrefersTheLongerAndLeavesNoTailOfWhatOverlaps) {
  SecretMask mask;
  mask.Learn("abcdef");
  mask.Learn("abcdefghij");
  mask.Learn("hijklmnop");
  EXPECT_EQ(mask.Mask("x abcdefghij y"), "x [secret] y");
  EXPECT_EQ(mask.Mask("x abcdefghijklmnop y"), "x [secret] y");
}

TEST(SecretMask, IgnoresWhatIsTooShortToBeTold) {
  SecretMask mask;
  mask.Learn("12345");
  mask.Learn("");
  EXPECT_EQ(mask.Mask("12345"), "12345");
  mask.Learn("123456");
  EXPECT_EQ(mask.Mask("1234567"), "[secret]7");
}

TEST(SecretMask, FindsEachLineOfAPrivateKey) {
  SecretMask mask;
  mask.Learn(
      "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\r\nshort\nAgEAAoIBAQC7VJTUt9Us\n-----END "
      "KEY-----");
  EXPECT_EQ(mask.Mask("a MIIEvQIBADANBgkqhkiG b"), "a [secret] b");
  EXPECT_EQ(mask.Mask("AgEAAoIBAQC7VJTUt9Us"), "[secret]");
  EXPECT_EQ(mask.Mask("-----BEGIN KEY----- short"), "-----BEGIN KEY----- short");
}

TEST(SecretMask, FindsOneOfManySecrets) {
  SecretMask mask;
  for (int i = 0; i < 5000; ++i) mask.Learn(Cat("token-", i, "-of-many"));
  EXPECT_EQ(mask.Mask("a token-4711-of-many b token-5000-of-many"),
            "a [secret] b token-5000-of-many");
}

TEST(MapSecrets, ResolvesAndMasksLikeTheRealOne) {
  MapSecrets secrets{{"env:HF_TOKEN", "hf_s3cr3t"}};
  EXPECT_EQ(secrets.Mask("hf_s3cr3t"), "hf_s3cr3t");
  EXPECT_THAT(secrets.Resolve("env:HF_TOKEN"), IsOkAndHolds("hf_s3cr3t"));
  EXPECT_EQ(secrets.Mask("hf_s3cr3t"), "[secret]");
  EXPECT_THAT(secrets.Resolve("env:OTHER"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(secrets.Resolve("HF"), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace muster
