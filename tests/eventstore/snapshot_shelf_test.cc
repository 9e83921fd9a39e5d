#include "eventstore/snapshot_shelf.h"

#include "eventstore/memory/memory_event_store.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

class SnapshotShelfTest : public testing::Test {
 protected:
  // A log of so many events; snapshots past its head are none.
  void GrowTo(Position head) {
    while (store_.Head() < head) {
      NewEvent event;
      event.id = EventId(Cat("e", store_.Head() + 1));
      event.type = "t";
      std::vector<NewEvent> one = {event};
      const auto version = store_.StreamVersion(StreamId("s"));
      ASSERT_THAT(rt_.Run(store_.Append(StreamId("s"), Expect{version}, one, rt_.Now())), IsOk());
    }
  }
  std::optional<Position> Nearest(
      Position position,
      const std::function<bool(const Snapshot&)>& usable = [](const Snapshot&) { return true; }) {
    const auto found = NearestSnapshot(store_, "w", position, usable);
    if (!found.has_value()) return std::nullopt;
    EXPECT_EQ(found->state, Cat("state ", found->position));
    return found->position;
  }
  static Snapshot At(Position position) { return {position, Cat("state ", position)}; }

  VirtualRuntime rt_{1};
  MemoryEventStore store_{rt_};
};

TEST_F(SnapshotShelfTest, GivesTheNewestAtOrBefore) {
  GrowTo(100);
  SnapshotShelf shelf(store_, "w", {.every = 10, .kept = 8});
  EXPECT_EQ(Nearest(100), std::nullopt);
  EXPECT_FALSE(shelf.Due(9));
  EXPECT_TRUE(shelf.Due(10));
  for (const Position position : {10, 20, 35}) EXPECT_THAT(shelf.Save(At(position)), IsOk());
  EXPECT_FALSE(shelf.Due(44));
  EXPECT_TRUE(shelf.Due(45));
  EXPECT_EQ(Nearest(9), std::nullopt);
  EXPECT_EQ(Nearest(10), 10u);
  EXPECT_EQ(Nearest(34), 20u);
  EXPECT_EQ(Nearest(100), 35u);
}

TEST_F(SnapshotShelfTest, StaysBoundedAndEvenlySpread) {
  GrowTo(1000);
  SnapshotShelf shelf(store_, "w", {.every = 10, .kept = 8});
  for (Position position = 10; position <= 1000; position += 10) {
    ASSERT_TRUE(shelf.Due(position));
    EXPECT_THAT(shelf.Save(At(position)), IsOk());
    EXPECT_LE(shelf.size(), 8);
  }
  EXPECT_EQ(Nearest(1000), 1000u);
  for (Position position = 300; position <= 1000; position += 7) {
    const auto nearest = Nearest(position);
    ASSERT_TRUE(nearest.has_value()) << position;
    EXPECT_LE(position - *nearest, 250u) << position;
  }
  EXPECT_THAT(store_.LoadSnapshot("w/7"), IsOk());
  EXPECT_THAT(store_.LoadSnapshot("w/8"), StatusIs(StatusCode::kNotFound));
}

TEST_F(SnapshotShelfTest, BytesAreBoundedToo) {
  GrowTo(100);
  SnapshotShelf shelf(store_, "w", {.every = 1, .kept = 50, .bytes_max = 40});
  for (Position position = 1; position <= 60; ++position) {
    EXPECT_THAT(shelf.Save(At(position)), IsOk());  // of eight bytes or so
  }
  EXPECT_LE(shelf.size(), 5);
  EXPECT_GE(shelf.size(), 3);
}

TEST_F(SnapshotShelfTest, ALargeOneIsMadeLessOften) {
  GrowTo(100);
  SnapshotShelf shelf(store_, "w", {.every = 10, .kept = 8});
  EXPECT_THAT(shelf.Save({10, std::string(3'000, 'x')}), IsOk());
  EXPECT_FALSE(shelf.Due(39));
  EXPECT_TRUE(shelf.Due(40));
}

TEST_F(SnapshotShelfTest, IsTakenUpAgainAfterARestart) {
  GrowTo(100);
  {
    SnapshotShelf shelf(store_, "w", {.every = 10, .kept = 8});
    for (const Position position : {10, 20, 30}) EXPECT_THAT(shelf.Save(At(position)), IsOk());
  }
  SnapshotShelf shelf(store_, "w", {.every = 10, .kept = 8});
  EXPECT_EQ(shelf.size(), 3);
  EXPECT_FALSE(shelf.Due(39));
  EXPECT_THAT(shelf.Save(At(40)), IsOk());
  EXPECT_EQ(Nearest(29), 20u);
}

TEST_F(SnapshotShelfTest, OneThatDoesNotFitIsPassedOver) {
  GrowTo(100);
  SnapshotShelf shelf(store_, "w", {.every = 10, .kept = 8});
  for (const Position position : {10, 20, 30}) EXPECT_THAT(shelf.Save(At(position)), IsOk());
  EXPECT_EQ(Nearest(100, [](const Snapshot& one) { return one.position != 30; }), 20u);
  EXPECT_EQ(Nearest(100, [](const Snapshot&) { return false; }), std::nullopt);
  ASSERT_THAT(store_.SaveSnapshot("w/2", {99, "state 99"}), IsOk());  // and not in the index yet
  EXPECT_EQ(Nearest(100), 20u);
  ASSERT_THAT(store_.SaveSnapshot("w/index", {30, "no index\n"}), IsOk());
  EXPECT_EQ(Nearest(100), std::nullopt);
}

}  // namespace
}  // namespace muster
