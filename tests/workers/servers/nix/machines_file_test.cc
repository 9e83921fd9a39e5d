// The machines file says what the log says; what people write into it is kept, and told.
#include "workers/servers/nix/machines_file.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/memory_text_files.h"

namespace muster::nix {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kPath[] = "/var/lib/muster/machines";

TEST(MachinesFile, HoldsEachLineOnceInOrder) {
  const std::string text = MachinesText({"b", "a # port 2222: x", "b"});
  EXPECT_THAT(EntriesOf(text), ElementsAre("b", "a"));
  EXPECT_FALSE(ChangedByHand(text));
}

TEST(MachinesFile, WithoutBuildersItHasNoEntries) {
  EXPECT_THAT(EntriesOf(MachinesText({})), IsEmpty());
  EXPECT_FALSE(ChangedByHand(MachinesText({})));
}

// Nix splits at semicolons before it drops comments.
TEST(MachinesFile, ItsHeadHoldsNothingThatNixReadsAsAnEntry) {
  EXPECT_EQ(MachinesText({}).find(';'), std::string::npos);
  EXPECT_THAT(EntriesOf("# a; b\nc ; d # e\n\n"), ElementsAre("b", "c", "d"));
}

TEST(MachinesFile, AHandsWorkIsSeen) {
  const std::string text = MachinesText({"a", "b"});
  EXPECT_TRUE(ChangedByHand(text + "c\n"));
  EXPECT_TRUE(ChangedByHand(text.substr(0, text.size() - 2)));
  EXPECT_TRUE(ChangedByHand("a\n"));
  EXPECT_TRUE(ChangedByHand(""));
}

TEST(MachinesFile, IsNotWrittenWhenItSaysSoAlready) {
  MemoryTextFiles files;
  ASSERT_THAT(WriteMachinesFile(files, kPath, {"a"}), IsOk());
  files.fail_next = Unavailable("disk");
  EXPECT_THAT(WriteMachinesFile(files, kPath, {"a"}), IsOk());
  EXPECT_THAT(WriteMachinesFile(files, kPath, {"b"}), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(files.files[kPath], MachinesText({"a"}));
  EXPECT_THAT(WriteMachinesFile(files, kPath, {"b"}), IsOk());
  EXPECT_EQ(files.files[kPath], MachinesText({"b"}));
  EXPECT_EQ(files.files.size(), 1u);
}

TEST(MachinesFile, WhatWasWrittenByHandIsKeptBesideIt) {
  MemoryTextFiles files;
  const std::string edited = MachinesText({"a"}) + "mine\n";
  files.files[kPath] = edited;
  ASSERT_THAT(WriteMachinesFile(files, kPath, {"a", "b"}), IsOk());
  EXPECT_EQ(files.files[kPath], MachinesText({"a", "b"}));
  EXPECT_EQ(files.files[std::string(kPath) + ".edited"], edited);
}

TEST(MachinesFile, WhatWasWrittenByHandStaysUntilTheSetChanges) {
  MemoryTextFiles files;
  for (const std::string& edited :
       {MachinesText({"a"}) + "mine\n", "# note\n" + MachinesText({"a"})}) {
    files.files[kPath] = edited;
    ASSERT_THAT(WriteMachinesFile(files, kPath, {"a"}), IsOk());
    EXPECT_EQ(files.files[kPath], edited);
    ASSERT_THAT(WriteMachinesFile(files, kPath, {}), IsOk());
    EXPECT_EQ(files.files[kPath], MachinesText({}));
  }
}

TEST(MachinesFile, AHandsWorkThatCannotBeKeptStopsTheWriting) {
  MemoryTextFiles files;
  files.files[kPath] = "mine\n";
  files.fail_next = Unavailable("disk");
  EXPECT_THAT(WriteMachinesFile(files, kPath, {"a"}), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(files.files[kPath], "mine\n");
}

}  // namespace
}  // namespace muster::nix
