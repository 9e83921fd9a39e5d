// The World of a past moment starts from the nearest one that was kept, if that fits.
#include "commands/handler/log_fold.h"
#include "commands/snapshot.h"
#include "eventstore/memory/memory_event_store.h"
#include "eventstore/snapshot_shelf.h"
#include "tests/commands/fleet/plan/stage.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

class WorldPastTest : public testing::Test {
 protected:
  WorldPastTest() {
    EXPECT_THAT(rt_.Run(handler_.Load()), IsOk());
    for (int i = 1; i <= 40; ++i) {
      rt_.RunFor(absl::Minutes(1));
      fleet::Command apply = fleet::Apply{fleet::Stage::Spec(i)};
      EXPECT_THAT(rt_.Run(handler_.Fleet(fleet::kZeb, std::move(apply), {.actor = "operator:a"})),
                  IsOk());
    }
  }
  World FromZero(Position position) {
    World world;
    while (world.head < position) {
      EXPECT_THAT(FoldLog(store_, position, 1'000, world), IsOk());
    }
    return world;
  }
  void Keep(SnapshotShelf& shelf, Position position) {
    const auto snapshot = SnapshotOf(store_, FromZero(position));
    ASSERT_THAT(snapshot, IsOk());
    ASSERT_THAT(shelf.Save(*snapshot), IsOk());
  }
  void ExpectAllAsFromZero() {
    for (Position position = 1; position <= store_.Head(); ++position) {
      const auto past = rt_.Run(WorldAt(rt_, store_, position));
      ASSERT_THAT(past, IsOk());
      EXPECT_EQ(Digest(**past), Digest(FromZero(position))) << position;
    }
  }

  VirtualRuntime rt_{1};
  MemoryEventStore store_{rt_};
  Handler handler_{rt_, store_};
};

TEST_F(WorldPastTest, IsAFoldFromZeroWhereverItBegan) {
  ExpectAllAsFromZero();
  SnapshotShelf shelf(store_, kPastWorlds, {});
  for (const Position position : {5, 12, 30}) Keep(shelf, position);
  ExpectAllAsFromZero();
  EXPECT_THAT(handler_.SaveSnapshot(), IsOk());
  ExpectAllAsFromZero();
}

TEST_F(WorldPastTest, IgnoresOneThatDoesNotFit) {
  SnapshotShelf shelf(store_, kPastWorlds, {});
  for (const Position position : {5, 12, 30}) Keep(shelf, position);
  auto wrong = store_.LoadSnapshot(Cat(kPastWorlds, "/0"));
  ASSERT_THAT(wrong, IsOk());
  wrong->position = 12;  // the World of position 5 where that of 12 is looked for
  ASSERT_THAT(store_.SaveSnapshot(Cat(kPastWorlds, "/1"), *wrong), IsOk());
  ASSERT_THAT(store_.SaveSnapshot(Cat(kPastWorlds, "/2"), {30, "rubbish"}), IsOk());
  ExpectAllAsFromZero();
}

}  // namespace
}  // namespace muster
