#include "tests/support/canary.h"

#include <stdlib.h>

#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::IsEmpty;

// A search that finds nothing must be known to be able to find.
TEST(FindCanaries, FindsEachOneInEachForm) {
  for (const Canary& canary : kCanaries) {
    for (const std::string& form : SecretForms(canary.value)) {
      const std::vector<CanaryFound> found = FindCanaries(Cat("log line: ", form, "; more"));
      ASSERT_EQ(found.size(), 1u) << form;
      EXPECT_EQ(found[0].canary, canary.name);
      EXPECT_LE(found[0].at, 10u);
    }
  }
  EXPECT_THAT(FindCanaries("nothing here, c4nary or not"), IsEmpty());
}

TEST(FindCanaries, TheMaskLeavesNoneAlive) {
  SecretMask mask;
  std::string text;
  for (const Canary& canary : kCanaries) {
    mask.Learn(canary.value);
    for (const std::string& form : SecretForms(canary.value)) text += Cat("[", form, "] ");
  }
  EXPECT_THAT(FindCanaries(mask.Mask(text)), IsEmpty());
}

TEST(FindCanaries, SearchesAllFilesBelowAFolder) {
  std::string pattern = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(pattern.data());
  std::filesystem::create_directories(folder / "a" / "b");
  std::ofstream(folder / "clean") << "clean";
  EXPECT_THAT(FindCanariesIn(folder), IsEmpty());
  std::ofstream(folder / "a" / "b" / "leak", std::ios::binary)
      << std::string(100'000, '\0') << CanaryValue("hf-token");
  const std::vector<CanaryFound> found = FindCanariesIn(folder);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].canary, "hf-token");
  EXPECT_EQ(found[0].where, (folder / "a" / "b" / "leak").string());
  EXPECT_EQ(found[0].at, 100'000u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace muster
