// Many appends of one turn of the reactor: handed over in parts, written and answered as one group.
#include <thread>

#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "tests/eventstore/fault_fs.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;

constexpr int kMany = 100;  // several hand-overs to the committing thread, the last one short

using NewStreams = std::vector<std::pair<std::string, std::vector<std::string>>>;

// Streams s0, s1, ... with the events e0, e1, ...
NewStreams Streams(int count) {
  NewStreams streams;
  for (int i = 0; i < count; ++i) streams.push_back({Cat("s", i), {Cat("e", i)}});
  return streams;
}

std::vector<std::string> Ids(int count) {
  std::vector<std::string> ids;
  ids.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) ids.push_back(Cat("e", i));
  return ids;
}

// Appends the event eN to the stream sN, after time for the committing thread to do what it must
// not: write before the turn has ended.
Task<void> SlowAppend(EventStore* store, int n, std::optional<StatusOr<Appended>>* out) {
  for (int pause = 0; pause < 20; ++pause) std::this_thread::yield();
  *out = co_await store->Append(StreamId(Cat("s", n)), Expect::NoStream(),
                                MakeEvents({Cat("e", n)}), kLogStart);
}

class GroupCommit : public testing::TestWithParam<bool> {
 protected:
  void Open() {
    store_.reset();
    auto opened = RocksDbEventStore::Open(
        rt_, {.path = path_, .commit_thread = GetParam(), .env = faults_.env()});
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }
  void SetUp() override { Open(); }

  TempFolder folder_;
  const std::string path_ = folder_.path("store");
  FaultFs faults_;
  VirtualRuntime rt_{1, kLogStart};
  std::unique_ptr<RocksDbEventStore> store_;
};

INSTANTIATE_TEST_SUITE_P(CommitOn, GroupCommit, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Thread" : "Reactor");
});

TEST_P(GroupCommit, AllAppendsOfATurnShareOneSyncInTheOrderTheyWereAskedFor) {
  const auto results = AppendTogether(rt_, *store_, Streams(kMany));
  for (int i = 0; i < kMany; ++i) {
    ASSERT_THAT(results[i], IsOk());
    EXPECT_EQ(results[i]->position, Position(i + 1));
    EXPECT_EQ(results[i]->version, 1u);
  }
  EXPECT_EQ(store_->counters().groups, 1u);
  EXPECT_EQ(store_->counters().appends, kMany);
  EXPECT_THAT(ReadIds(*store_).ids, ElementsAreArray(Ids(kMany)));
  EXPECT_THAT(store_->Verify(0), IsOk());
}

TEST_P(GroupCommit, ATurnThatRepeatsItselfIsWrittenOnce) {
  const NewStreams once = Streams(kMany);
  NewStreams twice = once;
  twice.insert(twice.end(), once.begin(), once.end());
  const auto results = AppendTogether(rt_, *store_, twice);
  for (int i = 0; i < kMany; ++i) {
    ASSERT_THAT(results[i], IsOk());
    ASSERT_THAT(results[kMany + i], IsOk());
    EXPECT_FALSE(results[i]->repeated);
    EXPECT_TRUE(results[kMany + i]->repeated);
    EXPECT_EQ(results[kMany + i]->position, results[i]->position);
  }
  EXPECT_EQ(store_->Head(), kMany);
}

TEST_P(GroupCommit, AKnownEventIsRecognisedBehindARepetitionInTheSameTurn) {
  ASSERT_THAT(AppendTo(rt_, *store_, "old", 0, {"old"}), IsOk());
  const auto results = AppendTogether(
      rt_, *store_, {{"a", {"a1", "a2"}}, {"a", {"a1", "a2"}}, {"old", {"old"}}, {"b", {"b1"}}});
  ASSERT_THAT(results, Each(IsOk()));
  EXPECT_FALSE(results[0]->repeated);
  EXPECT_TRUE(results[1]->repeated);
  EXPECT_TRUE(results[2]->repeated);
  EXPECT_EQ(results[2]->position, 1u);
  EXPECT_FALSE(results[3]->repeated);
  EXPECT_THAT(ReadIds(*store_).ids, ElementsAre("old", "a1", "a2", "b1"));
}

TEST_P(GroupCommit, ATurnThatTakesLongStillSharesOneSync) {
  std::vector<std::optional<StatusOr<Appended>>> results(kMany);
  for (int i = 0; i < kMany; ++i) {
    rt_.Spawn("append", SlowAppend(store_.get(), i, &results[i]));
  }
  for (const auto& result : results) {
    while (!result.has_value()) rt_.RunUntilIdle();
    EXPECT_THAT(*result, IsOk());
  }
  EXPECT_EQ(store_->counters().groups, 1u);
}

TEST_P(GroupCommit, TheSecondToWriteAStreamInATurnIsAbortedHoweverFarBehindItIs) {
  NewStreams streams = Streams(kMany);
  streams.push_back({"s0", {"late"}});
  const auto results = AppendTogether(rt_, *store_, streams);
  EXPECT_THAT(results[0], IsOk());
  EXPECT_THAT(results[kMany], StatusIs(StatusCode::kAborted));
  EXPECT_EQ(store_->Head(), kMany);
}

TEST_P(GroupCommit, ATurnThatFindsTheDiskFullIsNotWrittenAtAll) {
  ASSERT_THAT(AppendTo(rt_, *store_, "before", 0, {"before"}), IsOk());
  faults_.set_room(500);  // some of the appends would fit
  EXPECT_THAT(AppendTogether(rt_, *store_, Streams(kMany)),
              Each(StatusIs(StatusCode::kResourceExhausted)));
  EXPECT_THAT(ReadIds(*store_).ids, ElementsAre("before"));
  faults_.set_room(FaultFs::kPlenty);
  EXPECT_THAT(AppendTogether(rt_, *store_, Streams(kMany)), Each(IsOk()));
  EXPECT_EQ(store_->Head(), kMany + 1);
  Open();
  EXPECT_EQ(store_->Head(), kMany + 1);
  EXPECT_THAT(store_->Verify(0), IsOk());
}

TEST_P(GroupCommit, NoAppendOfATurnWhoseSyncFailedIsAcknowledgedOrShown) {
  faults_.set_syncs_fail(true);
  EXPECT_THAT(AppendTogether(rt_, *store_, Streams(kMany)),
              Each(StatusIs(StatusCode::kUnavailable)));
  EXPECT_EQ(store_->Head(), 0u);
  EXPECT_THAT(ReadIds(*store_).ids, IsEmpty());
}

TEST_P(GroupCommit, WhatWasAskedForIsFinishedWhenTheStoreIsDestroyed) {
  std::vector<std::optional<StatusOr<Appended>>> results(kMany);
  for (int i = 0; i < kMany; ++i) {
    rt_.Spawn("append", SlowAppend(store_.get(), i, &results[i]));
  }
  // The last of the turn: all is asked for, and the end of the turn has not come.
  rt_.Spawn("destroy", [](std::unique_ptr<RocksDbEventStore>* store) -> Task<void> {
    store->reset();
    co_return;
  }(&store_));
  rt_.RunUntilIdle();
  Position acknowledged = 0;
  for (const auto& result : results) {
    if (result.has_value() && result->ok()) ++acknowledged;
  }
  EXPECT_EQ(acknowledged, kMany);
  Open();
  EXPECT_EQ(store_->Head(), kMany);
}

}  // namespace
}  // namespace muster
