#include "workers/pollers/tail_keeper.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

LogTail Text(std::string text) { return {LogTail::State::kText, std::move(text), false}; }

class TailKeeperTest : public testing::Test {
 protected:
  TailKeeperTest() {
    options.folder = testing::TempDir() + "/tails." + std::to_string(getpid()) + "." +
                     testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(options.folder);
  }
  ~TailKeeperTest() override { std::filesystem::remove_all(options.folder); }

  VirtualRuntime rt{1};
  TailKeeperOptions options;
  const WorkerId worker{"m7k2q"};
};

TEST_F(TailKeeperTest, KeepsTheLastTailOfEachWorker) {
  TailKeeper tails(rt, {});
  EXPECT_FALSE(tails.Find(worker).has_value());
  tails.Keep(worker, Text("one\n"));
  rt.RunFor(absl::Minutes(1));
  tails.Keep(worker, Text("two\n"));
  const auto tail = tails.Find(worker);
  ASSERT_TRUE(tail.has_value());
  EXPECT_EQ(tail->text, "two\n");
  EXPECT_EQ(tail->at, rt.Now());
  EXPECT_EQ(tail->change, 2u);
}

TEST_F(TailKeeperTest, TheSameTextIsNoChange) {
  TailKeeper tails(rt, {});
  int told = 0;
  tails.Listen([&](const WorkerId&, const TailKeeper::Tail&) { ++told; });
  tails.Keep(worker, Text("one\n"));
  const absl::Time changed = rt.Now();
  rt.RunFor(absl::Minutes(1));
  tails.Keep(worker, Text("one\n"));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(tails.Find(worker)->changed_at, changed);
  EXPECT_EQ(tails.Find(worker)->at, rt.Now());
}

TEST_F(TailKeeperTest, AContainerThatIsGoneTakesItsLastWordsNotAway) {
  TailKeeper tails(rt, {});
  tails.Keep(worker, Text("ValueError: bad\n"));
  tails.Keep(worker, {LogTail::State::kNoContainer, "No such container", false});
  EXPECT_EQ(tails.Find(worker)->text, "ValueError: bad\n");
}

TEST_F(TailKeeperTest, ForgetsWhatIsOlderThanTheAgeLimit) {
  TailKeeper tails(rt, {.age_max = absl::Hours(1)});
  tails.Keep(worker, Text("one\n"));
  rt.RunFor(absl::Hours(1));
  EXPECT_TRUE(tails.Find(worker).has_value());
  rt.RunFor(absl::Seconds(1));
  EXPECT_FALSE(tails.Find(worker).has_value());
}

TEST_F(TailKeeperTest, CutsTheFrontOfALongTextAtALine) {
  TailKeeper tails(rt, {.text_bytes_max = 8});
  tails.Keep(worker, Text("aaaa\nbbbb\ncc\n"));
  EXPECT_EQ(tails.Find(worker)->text, "bbbb\ncc\n");
  EXPECT_TRUE(tails.Find(worker)->cut);
}

TEST_F(TailKeeperTest, SurvivesARestart) {
  {
    TailKeeper tails(rt, options);
    ASSERT_THAT(tails.Start(), IsOk());
    tails.Keep(worker, Text("one\ntwo\n"));
    tails.Keep(WorkerId("../escape"), Text("never on disk"));
    tails.Stop();
  }
  TailKeeper again(rt, options);
  ASSERT_THAT(again.Start(), IsOk());
  ASSERT_TRUE(again.Find(worker).has_value());
  EXPECT_EQ(again.Find(worker)->text, "one\ntwo\n");
  EXPECT_FALSE(again.Find(WorkerId("../escape")).has_value());
  again.Stop();
}

TEST_F(TailKeeperTest, WritesChangesInTheBackground) {
  TailKeeper tails(rt, options);
  ASSERT_THAT(tails.Start(), IsOk());
  tails.Keep(worker, Text("one\n"));
  rt.RunFor(absl::Seconds(61));
  EXPECT_TRUE(std::filesystem::exists(options.folder + "/m7k2q.tail"));
  rt.RunFor(absl::Hours(24 * 8));
  EXPECT_FALSE(std::filesystem::exists(options.folder + "/m7k2q.tail"));
  tails.Stop();
}

TEST_F(TailKeeperTest, WritesManyChangesAFewAtATime) {
  const auto files = [&] {
    const auto all = std::filesystem::directory_iterator(options.folder);
    return std::distance(begin(all), std::filesystem::directory_iterator());
  };
  TailKeeper tails(rt, options);
  ASSERT_THAT(tails.Start(), IsOk());
  for (int i = 0; i < 100; ++i) tails.Keep(WorkerId(Cat("w", i)), Text("one\n"));
  rt.RunFor(options.write_every);
  EXPECT_GT(files(), 0);
  EXPECT_LT(files(), 20);
  rt.RunFor(absl::Seconds(1));
  EXPECT_EQ(files(), 100);
  for (int i = 0; i < 100; ++i) tails.Keep(WorkerId(Cat("x", i)), Text("two\n"));
  rt.RunFor(options.write_every - absl::Seconds(1) + absl::Milliseconds(1));
  EXPECT_LT(files(), 200);
  tails.Stop();  // the rest at once
  EXPECT_EQ(files(), 200);
}

TEST_F(TailKeeperTest, OverwritesAFileInPlaceAndReadsNoMoreOfItThanWasWrittenLast) {
  const std::string file = options.folder + "/m7k2q.tail";
  TailKeeper tails(rt, options);
  ASSERT_THAT(tails.Start(), IsOk());
  tails.Keep(worker, Text("a long line of text\n"));
  rt.RunFor(absl::Seconds(61));
  // A second name for the same blocks: a file put in its place would not show here.
  std::filesystem::create_hard_link(file, options.folder + "/same");
  tails.Keep(worker, Text("one\n"));
  tails.Stop();
  EXPECT_TRUE(std::filesystem::equivalent(file, options.folder + "/same"));
  TailKeeper again(rt, options);
  ASSERT_THAT(again.Start(), IsOk());
  ASSERT_TRUE(again.Find(worker).has_value());
  EXPECT_EQ(again.Find(worker)->text, "one\n");
}

TEST_F(TailKeeperTest, HalfATailIsNone) {
  const std::string file = options.folder + "/m7k2q.tail";
  {
    TailKeeper tails(rt, options);
    ASSERT_THAT(tails.Start(), IsOk());
    tails.Keep(worker, Text("one\ntwo\n"));
  }
  for (const bool cut : {false, true}) {
    if (cut) {
      std::filesystem::resize_file(file, std::filesystem::file_size(file) - 3);
    } else {
      std::fstream(file, std::ios::in | std::ios::out).seekp(-2, std::ios::end) << 'X';
    }
    TailKeeper tails(rt, options);
    ASSERT_THAT(tails.Start(), IsOk());
    EXPECT_FALSE(tails.Find(worker).has_value());
  }
}

TEST_F(TailKeeperTest, ReadsWhatAnEarlierRunKeptWhenItIsAskedForOrAFewAtATime) {
  const auto left = [&] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(options.folder)) {
      count += entry.path().extension() == ".tail" ? 1 : 0;
    }
    return count;
  };
  {
    TailKeeper tails(rt, options);
    ASSERT_THAT(tails.Start(), IsOk());
    for (int i = 0; i < 100; ++i) tails.Keep(WorkerId(Cat("w", i)), Text("one\n"));
  }
  TailKeeper tails(rt, options);
  ASSERT_THAT(tails.Start(), IsOk());
  EXPECT_EQ(tails.Find(WorkerId("w77"))->text, "one\n");
  tails.Keep(WorkerId("w50"), Text("one\n"));
  EXPECT_EQ(tails.Find(WorkerId("w50"))->change, 1u);  // no news
  rt.RunFor(absl::Minutes(1));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(tails.Find(WorkerId(Cat("w", i))).has_value()) << i;
  rt.RunFor(absl::Hours(24 * 8));  // those never asked for grow old too
  EXPECT_EQ(left(), 0);
}

TEST_F(TailKeeperTest, ADamagedFileIsNoTail) {
  std::filesystem::create_directories(options.folder);
  std::ofstream(options.folder + "/m7k2q.tail") << "muster-tail-2 nonsense";
  TailKeeper tails(rt, options);
  ASSERT_THAT(tails.Start(), IsOk());
  EXPECT_FALSE(tails.Find(worker).has_value());
  tails.Stop();
}

TEST_F(TailKeeperTest, AFolderThatCannotBeMadeLeavesItInMemory) {
  std::ofstream(options.folder) << "a file";
  TailKeeper tails(rt, options);
  EXPECT_THAT(tails.Start(), StatusIs(StatusCode::kUnavailable));
  tails.Keep(worker, Text("one\n"));
  EXPECT_TRUE(tails.Find(worker).has_value());
}

TEST_F(TailKeeperTest, WakesAFollowerWithTheNextChange) {
  TailKeeper tails(rt, {});
  tails.Keep(worker, Text("one\n"));
  std::optional<TailKeeper::Tail> got;
  rt.Spawn("follow",
           [](TailKeeper& t, WorkerId w, absl::Time by,
              std::optional<TailKeeper::Tail>& out) -> Task<void> {
             out = co_await t.Await(w, 1, by);
           }(tails, worker, rt.Now() + absl::Hours(1), got));
  rt.RunFor(absl::Minutes(1));
  EXPECT_FALSE(got.has_value());
  tails.Keep(WorkerId("other"), Text("x\n"));
  rt.RunUntilIdle();
  EXPECT_FALSE(got.has_value());
  tails.Keep(worker, Text("two\n"));
  rt.RunUntilIdle();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->text, "two\n");
}

TEST(NewLines, ShowsWhatFollowsOnWhatWasShown) {
  EXPECT_EQ(NewLines("", "a\nb\n"), "a\nb\n");
  EXPECT_EQ(NewLines("a\nb\n", "a\nb\n"), "");
  EXPECT_EQ(NewLines("a\nb\n", "a\nb\nc\n"), "c\n");
  EXPECT_EQ(NewLines("a\nb\nc\n", "c\nd\n"), "d\n");
  EXPECT_EQ(NewLines("b\nc\n", "a\nb\nc\nd\n"), "d\n");
  EXPECT_EQ(NewLines("a\nb\n", "x\ny\n"), "x\ny\n");
  EXPECT_EQ(NewLines("a\n-\n", "x\n-\ny\n"), "x\n-\ny\n");
  EXPECT_EQ(NewLines("-\n-\n", "-\n-\n-\n"), "-\n");
}

}  // namespace
}  // namespace muster
