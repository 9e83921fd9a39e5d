#include "eventstore/base/runtime.h"

#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

Task<void> Sleeper(Runtime& rt, absl::Duration span, std::vector<int>& order, int name) {
  co_await rt.SleepFor(span);
  order.push_back(name);
}

TEST(VirtualRuntime, SleepersWakeInTimeOrderAndTimeJumps) {
  VirtualRuntime rt(1);
  const absl::Time start = rt.Now();
  std::vector<int> order;
  rt.Spawn("b", Sleeper(rt, absl::Hours(2), order, 2));
  rt.Spawn("a", Sleeper(rt, absl::Hours(1), order, 1));
  rt.RunFor(absl::Hours(3));
  EXPECT_THAT(order, testing::ElementsAre(1, 2));
  EXPECT_EQ(rt.Now() - start, absl::Hours(3));
}

Task<int> WaitTwice(Runtime& rt, Signal& signal) {
  const bool first = co_await signal.WaitUntil(rt.Now() + absl::Seconds(1));
  const bool second = co_await signal.WaitUntil(rt.Now() + absl::Hours(1));
  co_return (first ? 10 : 0) + (second ? 1 : 0);
}

Task<void> NotifyAfter(Runtime& rt, Signal& signal, absl::Duration span) {
  co_await rt.SleepFor(span);
  signal.NotifyAll();
}

TEST(VirtualRuntime, ASignalTellsNotificationFromDeadline) {
  VirtualRuntime rt(1);
  auto signal = rt.MakeSignal();
  rt.Spawn("notify", NotifyAfter(rt, *signal, absl::Seconds(5)));
  EXPECT_EQ(rt.Run(WaitTwice(rt, *signal)), 1);
}

Task<void> Note(std::vector<int>& order, int name) {
  order.push_back(name);
  co_return;
}

std::vector<int> OrderOf(std::uint64_t seed, VirtualRuntime::Order how) {
  VirtualRuntime rt(seed);
  rt.SetOrder(how);
  std::vector<int> order;
  for (int i = 0; i < 6; ++i) rt.Spawn("note", Note(order, i));
  rt.RunUntilIdle();
  return order;
}

TEST(VirtualRuntime, ReadyCoroutinesGoOnInOrderOfArrivalOrOfTheSeed) {
  const std::vector<int> arrival = {0, 1, 2, 3, 4, 5};
  EXPECT_EQ(OrderOf(1, VirtualRuntime::Order::kArrival), arrival);
  const std::vector<int> one = OrderOf(1, VirtualRuntime::Order::kSeeded);
  EXPECT_EQ(OrderOf(1, VirtualRuntime::Order::kSeeded), one);
  EXPECT_NE(OrderOf(2, VirtualRuntime::Order::kSeeded), one);
  EXPECT_THAT(one, testing::UnorderedElementsAreArray(arrival));
}

TEST(VirtualRuntime, WhatWasPostedKeepsItsOrderAmongTheDrawn) {
  VirtualRuntime rt(3);
  rt.SetOrder(VirtualRuntime::Order::kSeeded);
  std::vector<int> posted, spawned;
  for (int i = 0; i < 8; ++i) {
    rt.Post([&posted, i] { posted.push_back(i); });
    rt.Spawn("note", Note(spawned, i));
  }
  rt.RunUntilIdle();
  EXPECT_THAT(posted, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_EQ(spawned.size(), 8u);
}

Task<void> Count(Runtime& rt, int& count) {
  while (true) {
    ++count;
    co_await rt.SleepFor(absl::Seconds(1));
  }
}

TEST(VirtualRuntime, ARunCanStopBetweenAnyTwoSteps) {
  VirtualRuntime rt(1);
  int a = 0, b = 0;
  rt.Spawn("a", Count(rt, a));
  rt.Spawn("b", Count(rt, b));
  for (std::uint64_t steps = 1; steps <= 7; ++steps) {
    rt.RunSteps(1, absl::Hours(1));
    EXPECT_EQ(rt.steps(), steps);
    EXPECT_EQ(static_cast<std::uint64_t>(a + b), steps);
  }
  rt.Post([&] { rt.Halt(); });
  rt.RunFor(absl::Hours(1));
  EXPECT_LE(a + b, 9);
  rt.DestroyTasks();
  rt.RunFor(absl::Hours(1));
  EXPECT_LE(a + b, 9);
}

TEST(VirtualRuntime, TheWallClockStepsAndTheTrueOneDoesNot) {
  VirtualRuntime rt(1);
  const absl::Time start = rt.Now();
  int count = 0;
  rt.Spawn("count", Count(rt, count));
  rt.RunFor(absl::Seconds(10));
  EXPECT_EQ(count, 11);
  rt.StepClock(-absl::Hours(1));
  rt.RunFor(absl::Seconds(10));
  EXPECT_EQ(count, 21) << "a step backwards holds nobody up";
  rt.StepClock(absl::Hours(3));
  EXPECT_EQ(rt.Now() - start, absl::Hours(2) + absl::Seconds(20));
  EXPECT_EQ(rt.TrueNow() - start, absl::Seconds(20));
  rt.DestroyTasks();
}

Task<void> Critical(Runtime& rt, AsyncMutex& mutex, int& inside, int& worst) {
  const auto held = co_await mutex.Lock();
  worst = std::max(worst, ++inside);
  co_await rt.SleepFor(absl::Seconds(1));
  --inside;
}

Task<bool> AllCritical(Runtime& rt, int& worst) {
  AsyncMutex mutex(rt);
  int inside = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(Critical(rt, mutex, inside, worst));
  co_await WhenAll(rt, std::move(tasks));
  co_return inside == 0;
}

TEST(AsyncMutex, LetsOneInAtATime) {
  VirtualRuntime rt(1);
  int worst = 0;
  EXPECT_TRUE(rt.Run(AllCritical(rt, worst)));
  EXPECT_EQ(worst, 1);
}

}  // namespace
}  // namespace muster
