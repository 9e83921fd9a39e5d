#include "tests/stage/crash_disk.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

std::vector<NewEvent> Event(int number) {
  NewEvent event;
  event.id = EventId(Cat("e", number));
  event.type = "test.event";
  event.payload = std::string(200, static_cast<char>('a' + number % 26));
  return {std::move(event)};
}

struct Appender {
  VirtualRuntime& rt;
  int acknowledged = 0;

  static Task<void> Write(Appender* self, EventStore* store, int number) {
    const Expect expect = Expect::At(static_cast<Version>(number));
    const auto appended =
        co_await store->Append(StreamId("s"), expect, Event(number), self->rt.Now());
    if (appended.ok()) ++self->acknowledged;
  }
};

TEST(CrashDisk, KeepsWhatWasAcknowledgedWhereverTheLogIsCutAndWhateverIsTorn) {
  int lost = 0;
  std::uint64_t at_risk = 0, left = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    VirtualRuntime rt(seed);
    CrashDisk disk(seed);
    Appender appender{rt};
    auto store = disk.Open(rt);
    ASSERT_THAT(store, IsOk());
    bool cut = false;
    disk.CutAfter(static_cast<int>(1 + seed % 11), [&] {
      cut = true;
      rt.Halt();
    });
    int asked = 0;
    while (!cut) {
      rt.Spawn("write", Appender::Write(&appender, store->get(), asked++));
      rt.RunUntilIdle();
    }
    const Position seen = (*store)->Head();
    rt.DestroyTasks();
    store->reset();
    disk.Crash(CrashDisk::Loss::kPower);
    at_risk += disk.bytes_at_risk();
    left += disk.bytes_left();
    store = disk.Open(rt);
    ASSERT_THAT(store, IsOk());
    EXPECT_GE((*store)->Head(), seen);
    EXPECT_GE((*store)->Head(), static_cast<Position>(appender.acknowledged));
    EXPECT_LE((*store)->Head(), static_cast<Position>(asked));
    EXPECT_THAT((*store)->Verify(0), IsOk());
    lost += (*store)->Head() < static_cast<Position>(asked);
    // It goes on from there.
    const int next = static_cast<int>((*store)->Head());
    rt.Spawn("write", Appender::Write(&appender, store->get(), next));
    rt.RunUntilIdle();
    EXPECT_EQ((*store)->Head(), static_cast<Position>(next) + 1);
    rt.DestroyTasks();
    store->reset();
  }
  EXPECT_GT(lost, 5) << "some of what nobody was told of must be gone";
  EXPECT_LT(lost, 40) << "and some must have stayed";
  EXPECT_GT(left, 0u);
  EXPECT_LT(left, at_risk);
}

TEST(CrashDisk, AKilledProcessLosesNothingThatItWrote) {
  VirtualRuntime rt(1);
  CrashDisk disk(1);
  Appender appender{rt};
  auto store = disk.Open(rt);
  ASSERT_THAT(store, IsOk());
  disk.CutAfter(2, [&] { rt.Halt(); });  // the write, then the sync
  rt.Spawn("write", Appender::Write(&appender, store->get(), 0));
  rt.RunUntilIdle();
  EXPECT_EQ((*store)->Head(), 0u);
  rt.DestroyTasks();
  store->reset();
  disk.Crash(CrashDisk::Loss::kProcess);
  store = disk.Open(rt);
  ASSERT_THAT(store, IsOk());
  EXPECT_EQ((*store)->Head(), 1u);
}

}  // namespace
}  // namespace muster
