// The RocksDB store against the memory store: the same random operations, the same answers.
#include "eventstore/memory/memory_event_store.h"
#include "eventstore/rocksdb/rocksdb_event_store.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

class ModelComparison : public testing::TestWithParam<int> {
 protected:
  ModelComparison() { Reopen(); }

  void Reopen() {
    store_.reset();
    auto opened = RocksDbEventStore::Open(
        rt_, {.path = folder_.path("store"), .commit_thread = rng_.Chance(0.5)});
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }
  std::string AnyStream() { return Cat("stream/", rng_.Below(5)); }

  // Mostly right, sometimes with a wrong version, a known id or ids in mixed company.
  void AppendSomething() {
    const std::string stream = AnyStream();
    Version expected = model_.StreamVersion(StreamId(stream));
    if (rng_.Chance(0.1)) expected += rng_.Below(3);
    std::vector<std::string> ids;
    for (std::uint64_t i = rng_.Below(4); i < 4; ++i) {
      const bool old = next_id_ > 0 && rng_.Chance(0.05);
      ids.push_back(Cat("id", old ? rng_.Below(next_id_) : next_id_++));
    }
    if (!last_ids_.empty() && rng_.Chance(0.1)) ids = last_ids_;
    last_ids_ = ids;
    const auto expect = AppendTo(rt_, model_, stream, expected, ids);
    const auto got = AppendTo(rt_, *store_, stream, expected, ids);
    ASSERT_EQ(got.status().code(), expect.status().code()) << got.status() << expect.status();
    if (!expect.ok()) return;
    EXPECT_EQ(got->position, expect->position);
    EXPECT_EQ(got->version, expect->version);
    EXPECT_EQ(got->repeated, expect->repeated);
  }
  void ReadSomething() {
    const std::string stream = AnyStream();
    const Version after = rng_.Below(model_.StreamVersion(StreamId(stream)) + 2);
    EXPECT_EQ(ReadStreamIds(*store_, stream, after).ids, ReadStreamIds(model_, stream, after).ids);
    const Position position = rng_.Below(model_.Head() + 2);
    EXPECT_EQ(ReadIds(*store_, position).ids, ReadIds(model_, position).ids);
    EXPECT_EQ(store_->StreamVersion(StreamId(stream)), model_.StreamVersion(StreamId(stream)));
    EXPECT_EQ(store_->Head(), model_.Head());
  }
  void SnapshotSomething() {
    const std::string name = Cat("name/", rng_.Below(3));
    const Snapshot snapshot{.position = model_.Head(), .state = rng_.Token(20)};
    ASSERT_THAT(model_.SaveSnapshot(name, snapshot), IsOk());
    ASSERT_THAT(store_->SaveSnapshot(name, snapshot), IsOk());
  }
  void CompareAll() {
    const auto expected = ReadEvents(model_), got = ReadEvents(*store_);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].hash, expected[i].hash) << "position " << i + 1;
      ASSERT_EQ(got[i].event.payload, expected[i].event.payload);
    }
    for (int i = 0; i < 3; ++i) {
      const auto expect = model_.LoadSnapshot(Cat("name/", i));
      const auto snapshot = store_->LoadSnapshot(Cat("name/", i));
      ASSERT_EQ(snapshot.ok(), expect.ok());
      if (expect.ok()) {
        EXPECT_EQ(snapshot->state, expect->state);
      }
    }
    EXPECT_THAT(store_->Verify(0), IsOk());
  }

  TempFolder folder_;
  VirtualRuntime rt_{1, kLogStart};
  Rng rng_{static_cast<std::uint64_t>(GetParam())};
  MemoryEventStore model_{rt_};
  std::unique_ptr<RocksDbEventStore> store_;
  std::uint64_t next_id_ = 0;
  std::vector<std::string> last_ids_;
};

TEST_P(ModelComparison, RandomOperationsAndReopeningsGiveTheSameAnswers) {
  for (int step = 0; step < 300 && !HasFatalFailure(); ++step) {
    SCOPED_TRACE(Cat("seed ", GetParam(), " step ", step));
    const double dice = rng_.Unit();
    if (dice < 0.70) {
      AppendSomething();
    } else if (dice < 0.90) {
      ReadSomething();
    } else if (dice < 0.97) {
      SnapshotSomething();
    } else {
      Reopen();
    }
  }
  CompareAll();
  Reopen();
  CompareAll();
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelComparison, testing::Range(1, 7));

TEST(MemoryEventStore, FailNextAppendFailsOneAppendAndWritesNothing) {
  VirtualRuntime rt(1, kLogStart);
  MemoryEventStore store(rt);
  store.FailNextAppend(ResourceExhausted("full"));
  EXPECT_THAT(AppendTo(rt, store, "a", 0, {"1"}), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(store.Head(), 0u);
  EXPECT_THAT(AppendTo(rt, store, "a", 0, {"1"}), IsOk());
}

}  // namespace
}  // namespace muster
