#include "workers/os/os_runtime.h"

#include <atomic>
#include <csignal>
#include <thread>

#include "tests/support/pch.h"

namespace muster {
namespace {

OsRuntime::Options Fast() { return {.speed = 1000, .seed = 1}; }

Task<int> SleepThen(OsRuntime& rt, absl::Duration span, int value) {
  co_await rt.SleepFor(span);
  co_return value;
}

Task<void> Note(OsRuntime& rt, absl::Duration span, int value, std::vector<int>* order) {
  co_await rt.SleepFor(span);
  order->push_back(value);
}

TEST(OsRuntime, RunsATaskToItsValue) {
  OsRuntime rt(Fast());
  EXPECT_EQ(rt.BlockOn(SleepThen(rt, absl::Seconds(2), 7)), 7);
}

TEST(OsRuntime, NeverWakesASleeperEarly) {
  OsRuntime rt(Fast());
  const absl::Time wake = rt.Now() + absl::Seconds(3);
  rt.BlockOn(SleepThen(rt, absl::Seconds(3), 0));
  EXPECT_GE(rt.Now(), wake);
}

TEST(OsRuntime, WakesSleepersInTheOrderOfTheirTimes) {
  OsRuntime rt(Fast());
  std::vector<int> order;
  rt.Spawn("c", Note(rt, absl::Seconds(30), 3, &order));
  rt.Spawn("a", Note(rt, absl::Seconds(10), 1, &order));
  rt.Spawn("b", Note(rt, absl::Seconds(20), 2, &order));
  rt.BlockOn(SleepThen(rt, absl::Seconds(40), 0));
  EXPECT_THAT(order, testing::ElementsAre(1, 2, 3));
}

TEST(OsRuntime, ScalesTheClock) {
  OsRuntime rt({.speed = 3600, .seed = 1});
  const absl::Time start = rt.Now();
  rt.BlockOn(SleepThen(rt, absl::Minutes(10), 0));  // 167 ms
  EXPECT_GE(rt.Now() - start, absl::Minutes(10));
  EXPECT_EQ(rt.RealSpan(absl::Hours(1)), absl::Seconds(1));
}

Task<bool> WaitFor(Signal& signal, absl::Time deadline) {
  co_return co_await signal.WaitUntil(deadline);
}

Task<void> NotifyLater(OsRuntime& rt, Signal& signal) {
  co_await rt.SleepFor(absl::Seconds(1));
  signal.NotifyAll();
}

TEST(OsRuntime, TellsANotifiedWaiterFromALateOne) {
  OsRuntime rt(Fast());
  const auto signal = rt.MakeSignal();
  EXPECT_FALSE(rt.BlockOn(WaitFor(*signal, rt.Now() + absl::Seconds(1))));
  rt.Spawn("notify", NotifyLater(rt, *signal));
  EXPECT_TRUE(rt.BlockOn(WaitFor(*signal, rt.Now() + absl::Hours(1))));
  EXPECT_FALSE(rt.BlockOn(WaitFor(*signal, absl::InfinitePast())));
}

TEST(OsRuntime, ServesOthersWhileManyAreWokenTogether) {
  OsRuntime rt;
  const auto signal = rt.MakeSignal();
  int woken = 0;
  int woken_before_others = 0;
  for (int i = 0; i < 1000; ++i) {
    rt.Spawn("waiter", [](OsRuntime& rt, Signal& signal, int& woken, int& before) -> Task<void> {
      co_await signal.WaitUntil(absl::InfiniteFuture());
      if (++woken == 1) rt.Post([&] { before = woken; });
    }(rt, *signal, woken, woken_before_others));
  }
  rt.Post([&] { signal->NotifyAll(); });
  while (woken < 1000) rt.RunFor(absl::Milliseconds(1));
  EXPECT_LE(woken_before_others, 100);
  EXPECT_GE(woken_before_others, 1);
}

TEST(OsRuntime, TakesWorkFromOtherThreads) {
  OsRuntime rt(Fast());
  Promise<int> promise(rt);
  std::thread other([&] { rt.Post([&] { promise.Set(5); }); });
  EXPECT_EQ(rt.BlockOn(promise.Take()), 5);
  other.join();
}

TEST(OsRuntime, StopsFromAnotherThreadEvenBeforeItRuns) {
  OsRuntime rt(Fast());
  std::thread([&] { rt.Stop(); }).join();
  rt.Run();
  rt.Post([&] { rt.Stop(); });
  rt.Run();
}

TEST(OsRuntime, AStepForwardsOfTheWallClockWakesWhoIsDue) {
  std::atomic<std::int64_t> ahead{0};
  OsRuntime rt({.seed = 1, .recheck = absl::Milliseconds(2), .wall_clock = [&] {
                  return absl::Now() + absl::Seconds(ahead.load());
                }});
  const absl::Time start = rt.Now();
  rt.Post([&] { ahead = 7200; });
  EXPECT_EQ(rt.BlockOn(SleepThen(rt, absl::Hours(1), 4)), 4);
  EXPECT_GE(rt.Now() - start, absl::Hours(2));
}

TEST(OsRuntime, AStepBackwardsOfTheWallClockDelaysNobody) {
  std::atomic<std::int64_t> ahead{0};
  OsRuntime rt({.seed = 1, .recheck = absl::Milliseconds(2), .wall_clock = [&] {
                  return absl::Now() + absl::Seconds(ahead.load());
                }});
  const absl::Time start = rt.Now();
  rt.Post([&] { ahead = -7200; });
  EXPECT_EQ(rt.BlockOn(SleepThen(rt, absl::Milliseconds(60), 4)), 4);
  EXPECT_LT(rt.Now(), start - absl::Hours(1));
}

TEST(OsRuntime, SeedsItsChance) {
  OsRuntime a({.seed = 42}), b({.seed = 42}), c, d;
  EXPECT_EQ(a.rng().Next(), b.rng().Next());
  EXPECT_NE(c.rng().Next(), d.rng().Next());
}

TEST(OsRuntime, DeliversSignalsOnTheReactor) {
  OsRuntime rt(Fast());
  int hups = 0;
  rt.OnSignal(SIGHUP, [&] {
    if (++hups == 2) return rt.Stop();
    std::raise(SIGHUP);
  });
  rt.Post([] { std::raise(SIGHUP); });
  rt.Run();
  EXPECT_EQ(hups, 2);
}

// Counts the frames that live, and touches what its task refers to when it dies.
struct Witness {
  explicit Witness(int* count) : alive(count) { ++*alive; }
  Witness(const Witness&) = delete;
  ~Witness() { --*alive; }
  int* alive;
};

Task<void> Forever(OsRuntime& rt, Signal& signal, int* alive) {
  const Witness witness(alive);
  while (true) {
    co_await signal.WaitUntil(rt.Now() + absl::Hours(1));
  }
}

Task<void> HoldAndSleep(OsRuntime& rt, AsyncMutex& mutex, int* alive) {
  const Witness witness(alive);
  const auto held = co_await mutex.Lock();
  co_await rt.SleepFor(absl::Hours(1));
}

TEST(OsRuntime, DestroysTheFramesOfPendingTasks) {
  OsRuntime rt(Fast());
  int alive = 0;
  const auto signal = rt.MakeSignal();
  AsyncMutex mutex(rt);
  for (int i = 0; i < 10; ++i) {
    rt.Spawn("forever", Forever(rt, *signal, &alive));
    rt.Spawn("holder", HoldAndSleep(rt, mutex, &alive));
  }
  rt.RunFor(absl::Seconds(5));
  EXPECT_EQ(alive, 20);
  signal->NotifyAll();  // some are ready, some sleep, some wait for the mutex
  rt.Spawn("late", Forever(rt, *signal, &alive));
  rt.DestroyTasks();
  EXPECT_EQ(alive, 0);
}

TEST(OsRuntime, DestroysPendingTasksWithItself) {
  int alive = 0;
  {
    OsRuntime rt(Fast());
    const auto signal = rt.MakeSignal();
    rt.Spawn("forever", Forever(rt, *signal, &alive));
    rt.RunFor(absl::Seconds(1));
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(OsRuntime, MeasuresHowLongItsThreadWasHeld) {
  OsRuntime rt({.seed = 1, .recheck = absl::Milliseconds(1)});
  rt.BlockOn(SleepThen(rt, absl::Milliseconds(5), 0));
  rt.Post([] {
    const absl::Time end = absl::Now() + absl::Milliseconds(30);
    while (absl::Now() < end) {
    }
  });
  rt.BlockOn(SleepThen(rt, absl::Milliseconds(5), 0));
  const ReactorLag::Numbers lag = rt.lag().Read();
  EXPECT_GE(lag.max, absl::Milliseconds(20));
  EXPECT_GT(lag.count, 2u);
  EXPECT_GE(lag.sum, lag.max);
}

TEST(ReactorLag, SortsEachDelayIntoItsBucket) {
  ReactorLag lag;
  lag.Record(absl::Milliseconds(1));
  lag.Record(absl::Microseconds(1001));
  lag.Record(absl::Seconds(2));
  lag.Record(-absl::Seconds(1));
  const ReactorLag::Numbers numbers = lag.Read();
  EXPECT_EQ(numbers.buckets[0], 2u);
  EXPECT_EQ(numbers.buckets[1], 1u);
  EXPECT_EQ(numbers.buckets.back(), 1u);
  EXPECT_EQ(numbers.max, absl::Seconds(2));
}

}  // namespace
}  // namespace muster
