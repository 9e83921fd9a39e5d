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
