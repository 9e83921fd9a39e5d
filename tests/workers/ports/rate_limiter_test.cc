#include "workers/ports/rate_limiter.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using testing::ElementsAre;

constexpr char kCreate[] = "PUT asks/{id}";
constexpr char kDelete[] = "DELETE instances/{id}";

class RateLimiterTest : public testing::Test {
 protected:
  RateLimiterTest()
      : limiter_(MakeRateLimiter(rt_, {.interval_default = absl::Seconds(1),
                                       .intervals = {{kCreate, absl::Milliseconds(4500)},
                                                     {kDelete, absl::Seconds(3)}}})) {}

  static Task<void> Call(RateLimiterTest* t, std::string endpoint, CallPriority priority,
                         absl::Duration patience, std::string name) {
    const Status status = co_await t->limiter_->Acquire(endpoint, priority, t->start_ + patience);
    t->log_.push_back(Cat(name, " ", status.ok() ? "at" : "late", " ",
                          absl::ToInt64Milliseconds(t->rt_.Now() - t->start_)));
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kDeadlineExceeded);
  }
  void Start(std::string endpoint, CallPriority priority, absl::Duration patience,
             std::string name) {
    rt_.Spawn(name, Call(this, endpoint, priority, patience, name));
  }
  absl::Duration WaitOf(const std::string& endpoint) { return limiter_->Budgets()[endpoint].wait; }

  VirtualRuntime rt_{1};
  const absl::Time start_ = rt_.Now();
  std::unique_ptr<RateLimiter> limiter_;
  std::vector<std::string> log_;
};

TEST_F(RateLimiterTest, SpacesCallsByTheEndpointsInterval) {
  for (const char* name : {"a", "b", "c"}) {
    Start(kCreate, CallPriority::kCreate, absl::Hours(1), name);
  }
  rt_.RunFor(absl::Minutes(1));
  EXPECT_THAT(log_, ElementsAre("a at 0", "b at 4500", "c at 9000"));
}

TEST_F(RateLimiterTest, GivesUnlistedEndpointsTheDefaultAndKeepsEndpointsApart) {
  Start("GET other", CallPriority::kObserve, absl::Hours(1), "a");
  Start(kDelete, CallPriority::kDestroy, absl::Hours(1), "b");
  Start("GET other", CallPriority::kObserve, absl::Hours(1), "c");
  rt_.RunFor(absl::Minutes(1));
  EXPECT_THAT(log_, ElementsAre("a at 0", "b at 0", "c at 1000"));
}

TEST_F(RateLimiterTest, ServesDestroyBeforeCreateBeforeObserveBeforeSearch) {
  Start(kDelete, CallPriority::kSearch, absl::Hours(1), "first");
  rt_.RunFor(absl::Seconds(1));
  Start(kDelete, CallPriority::kSearch, absl::Hours(1), "search");
  Start(kDelete, CallPriority::kObserve, absl::Hours(1), "observe 1");
  Start(kDelete, CallPriority::kObserve, absl::Hours(1), "observe 2");
  Start(kDelete, CallPriority::kCreate, absl::Hours(1), "create");
  Start(kDelete, CallPriority::kDestroy, absl::Hours(1), "destroy");
  rt_.RunFor(absl::Minutes(1));
  EXPECT_THAT(log_, ElementsAre("first at 0", "destroy at 3000", "create at 6000",
                                "observe 1 at 9000", "observe 2 at 12000", "search at 15000"));
}

TEST_F(RateLimiterTest, ASlotAtTheDeadlineIsInTimeAndOneJustAfterIsNot) {
  Start(kDelete, CallPriority::kDestroy, absl::Hours(1), "a");
  Start(kDelete, CallPriority::kDestroy, absl::Seconds(3), "in time");
  Start(kDelete, CallPriority::kDestroy, absl::Milliseconds(5999), "too late");
  Start(kDelete, CallPriority::kDestroy, absl::Milliseconds(6000), "next");
  rt_.RunFor(absl::Minutes(1));
  EXPECT_THAT(log_, ElementsAre("a at 0", "in time at 3000", "too late late 5999", "next at 6000"));
}

TEST_F(RateLimiterTest, RefusesACallWhoseDeadlineHasPassedAndTakesNoSlot) {
  rt_.RunFor(absl::Seconds(1));
  Start(kDelete, CallPriority::kDestroy, absl::Milliseconds(999), "late");
  rt_.RunUntilIdle();
  EXPECT_THAT(log_, ElementsAre("late late 1000"));
  EXPECT_EQ(WaitOf(kDelete), absl::ZeroDuration());
}

TEST_F(RateLimiterTest, DoublesTheIntervalForEachRefusalInARow) {
  limiter_->Throttled(kDelete, absl::ZeroDuration());
  EXPECT_EQ(WaitOf(kDelete), absl::Seconds(3));
  limiter_->Throttled(kDelete, absl::ZeroDuration());
  EXPECT_EQ(WaitOf(kDelete), absl::Seconds(6));
  limiter_->Throttled(kDelete, absl::ZeroDuration());
  EXPECT_EQ(WaitOf(kDelete), absl::Seconds(12));
  for (int i = 0; i < 100; ++i) limiter_->Throttled(kDelete, absl::ZeroDuration());
  EXPECT_EQ(WaitOf(kDelete), absl::Minutes(5));
  EXPECT_EQ(limiter_->Budgets()[kDelete].throttled_total, 103);
}

TEST_F(RateLimiterTest, ObeysTheWaitTheProviderNamedAndGrowsPastItWhenRefusedAgain) {
  limiter_->Throttled(kDelete, absl::Milliseconds(1500));
  EXPECT_EQ(WaitOf(kDelete), absl::Milliseconds(1500));
  limiter_->Throttled(kDelete, absl::Milliseconds(1500));
  EXPECT_EQ(WaitOf(kDelete), absl::Seconds(6));
  limiter_->Throttled(kDelete, absl::Minutes(20));
  EXPECT_EQ(WaitOf(kDelete), absl::Minutes(20));
}

TEST_F(RateLimiterTest, KeepsTheIntervalFromTheAnswerOnAsTheProviderMayHaveBeenReachedLate) {
  Start(kCreate, CallPriority::kCreate, absl::Hours(1), "a");
  Start(kCreate, CallPriority::kCreate, absl::Hours(1), "b");
  rt_.RunFor(absl::Milliseconds(300));
  limiter_->Passed(kCreate);
  rt_.RunFor(absl::Minutes(1));
  EXPECT_THAT(log_, ElementsAre("a at 0", "b at 4800"));
}

TEST_F(RateLimiterTest, StartsOverAfterACallThatPassed) {
  limiter_->Throttled(kDelete, absl::ZeroDuration());
  limiter_->Throttled(kDelete, absl::ZeroDuration());
  limiter_->Passed(kDelete);
  EXPECT_EQ(WaitOf(kDelete), absl::Seconds(6));  // the closed time is not lifted
  rt_.RunFor(absl::Minutes(1));
  limiter_->Throttled(kDelete, absl::ZeroDuration());
  EXPECT_EQ(WaitOf(kDelete), absl::Seconds(3));
}

TEST_F(RateLimiterTest, MakesWhoeverWaitsAlreadyWaitOutARefusal) {
  Start(kDelete, CallPriority::kDestroy, absl::Hours(1), "a");
  Start(kDelete, CallPriority::kDestroy, absl::Hours(1), "b");
  Start(kDelete, CallPriority::kDestroy, absl::Seconds(9), "c");
  rt_.RunFor(absl::Seconds(1));
  limiter_->Throttled(kDelete, absl::Seconds(10));
  EXPECT_EQ(limiter_->Budgets()[kDelete].waiting, 2);
  rt_.RunFor(absl::Minutes(1));
  EXPECT_THAT(log_, ElementsAre("a at 0", "c late 9000", "b at 11000"));
}

TEST_F(RateLimiterTest, ThrottlesEvenAnEndpointWithoutAnInterval) {
  limiter_ = MakeRateLimiter(rt_, {});
  Start("GET x", CallPriority::kObserve, absl::Hours(1), "a");
  Start("GET x", CallPriority::kObserve, absl::Hours(1), "b");
  rt_.RunUntilIdle();
  EXPECT_THAT(log_, ElementsAre("a at 0", "b at 0"));
  limiter_->Throttled("GET x", absl::ZeroDuration());
  EXPECT_EQ(WaitOf("GET x"), absl::Seconds(1));
}

TEST_F(RateLimiterTest, AClockSetBackClosesNoEndpointForLong) {
  Start(kDelete, CallPriority::kDestroy, absl::Hours(1), "a");
  rt_.RunUntilIdle();
  rt_.StepClock(-absl::Minutes(30));
  EXPECT_EQ(WaitOf(kDelete), absl::Seconds(3));
  Start(kDelete, CallPriority::kDestroy, absl::Hours(1), "b");
  rt_.RunFor(absl::Seconds(3));
  EXPECT_THAT(log_, ElementsAre("a at 0", "b at -1797000"));
}

TEST_F(RateLimiterTest, AQuotaHoldsInEverySpanOfItsWindow) {
  limiter_ = MakeRateLimiter(rt_, {.quotas = {{"row", {.calls = 2, .window = absl::Seconds(10)}}}});
  Start("row", CallPriority::kObserve, absl::Hours(1), "a");
  rt_.RunFor(absl::Seconds(4));
  for (const char* name : {"b", "c", "d", "e"}) {
    Start("row", CallPriority::kObserve, absl::Hours(1), name);
  }
  Start("row", CallPriority::kObserve, absl::Seconds(9), "f");
  rt_.RunFor(absl::Minutes(1));
  EXPECT_THAT(log_, ElementsAre("a at 0", "b at 4000", "f late 9000", "c at 10000", "d at 14000",
                                "e at 20000"));
  EXPECT_EQ(limiter_->Budgets().size(), 1u);
}

class RateLimiterReserveTest : public RateLimiterTest {
 protected:
  RateLimiterReserveTest() {
    limiter_ = MakeRateLimiter(
        rt_, {.quotas = {{"row", {.calls = 5, .window = absl::Seconds(100), .reserve = 2}}}});
  }
  // So many calls, one a second, each sent.
  void Spend(int calls, CallPriority priority) {
    for (int i = 0; i < calls; ++i) {
      Start("row", priority, absl::Hours(1), "");
      rt_.RunFor(absl::Seconds(1));
    }
    EXPECT_EQ(log_.size(), static_cast<std::size_t>(calls));
    log_.clear();
  }
};

TEST_F(RateLimiterReserveTest, WhoLooksMayTakeAllCallsThatAreNotReserved) {
  Spend(2, CallPriority::kObserve);
  Start("row", CallPriority::kSearch, absl::Seconds(2), "third");
  rt_.RunFor(absl::Seconds(1));
  EXPECT_THAT(log_, ElementsAre("third at 2000"));
}

TEST_F(RateLimiterReserveTest, WhoLooksNeverTakesAReservedCall) {
  Spend(3, CallPriority::kObserve);
  Start("row", CallPriority::kObserve, absl::Milliseconds(99'999), "impatient");
  Start("row", CallPriority::kSearch, absl::Hours(1), "search");
  Start("row", CallPriority::kObserve, absl::Seconds(100), "observe");
  rt_.RunFor(absl::Minutes(5));
  EXPECT_THAT(log_, ElementsAre("impatient late 99999", "observe at 100000", "search at 101000"));
}

TEST_F(RateLimiterReserveTest, WhoChangesGoesAtOnceThoughOthersWait) {
  Spend(3, CallPriority::kObserve);
  Start("row", CallPriority::kObserve, absl::Hours(1), "observe");
  Start("row", CallPriority::kDestroy, absl::Seconds(3), "destroy");
  Start("row", CallPriority::kCreate, absl::Seconds(3), "create");
  rt_.RunFor(absl::Seconds(1));
  EXPECT_THAT(log_, ElementsAre("destroy at 3000", "create at 3000"));
  log_.clear();
  // The quota is the quota: the reserve is in it.
  Start("row", CallPriority::kDestroy, absl::Hours(1), "sixth");
  EXPECT_EQ(WaitOf("row"), absl::Seconds(96));
  rt_.RunFor(absl::Minutes(5));
  // With two reserved calls in the window only one of three is left to who looks.
  EXPECT_THAT(log_, ElementsAre("sixth at 100000", "observe at 103000"));
}

TEST_F(RateLimiterReserveTest, CallsOfWhoChangesCountForWhoLooks) {
  Spend(3, CallPriority::kDestroy);
  Start("row", CallPriority::kObserve, absl::Hours(1), "observe");
  Start("row", CallPriority::kDestroy, absl::Hours(1), "destroy");
  rt_.RunFor(absl::Minutes(5));
  EXPECT_THAT(log_, ElementsAre("destroy at 3000", "observe at 101000"));
}

TEST_F(RateLimiterTest, ShowsEveryListedEndpointInItsBudgetsFromTheStart) {
  const auto budgets = limiter_->Budgets();
  ASSERT_EQ(budgets.size(), 2u);
  EXPECT_EQ(budgets.at(kCreate).wait, absl::ZeroDuration());
  EXPECT_EQ(budgets.at(kCreate).waiting, 0);
}

}  // namespace
}  // namespace muster
