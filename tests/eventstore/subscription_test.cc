#include "eventstore/subscription.h"

#include "eventstore/memory/memory_event_store.h"
#include "tests/eventstore/store_testing.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SubscriptionTest : public testing::Test {
 protected:
  std::vector<std::string> Next(Subscription& subscription, std::size_t max,
                                absl::Duration span = absl::ZeroDuration()) {
    const auto batch = rt_.Run(subscription.Next(max, rt_.Now() + span));
    EXPECT_THAT(batch, IsOk());
    std::vector<std::string> ids;
    for (const RecordedEvent& event : *batch) ids.push_back(event.event.id.str());
    return ids;
  }

  VirtualRuntime rt_{1, kLogStart};
  MemoryEventStore store_{rt_};
};

TEST_F(SubscriptionTest, CatchesUpInOrderAndNoFasterThanPulled) {
  ASSERT_THAT(AppendTo(rt_, store_, "a", 0, {"1", "2", "3"}), IsOk());
  Subscription log(store_, 0);
  EXPECT_EQ(log.lag(), 3u);
  EXPECT_THAT(Next(log, 2), ElementsAre("1", "2"));
  EXPECT_EQ(log.position(), 2u);
  EXPECT_EQ(log.lag(), 1u);
  EXPECT_THAT(Next(log, 2), ElementsAre("3"));
  EXPECT_EQ(log.lag(), 0u);
}

TEST_F(SubscriptionTest, StartsAfterItsPosition) {
  ASSERT_THAT(AppendTo(rt_, store_, "a", 0, {"1", "2", "3"}), IsOk());
  Subscription log(store_, 2);
  EXPECT_THAT(Next(log, 9), ElementsAre("3"));
  log.SkipTo(1);
  EXPECT_THAT(Next(log, 9), ElementsAre("2", "3"));
}

TEST_F(SubscriptionTest, IsEmptyAtTheDeadline) {
  Subscription log(store_, 0);
  const absl::Time start = rt_.Now();
  EXPECT_THAT(Next(log, 9, absl::Seconds(30)), IsEmpty());
  EXPECT_EQ(rt_.Now(), start + absl::Seconds(30));
  EXPECT_EQ(log.position(), 0u);
}

Task<void> Follow(EventStore* store, Position after, std::size_t count,
                  std::vector<std::string>* seen) {
  Subscription log(*store, after);
  while (seen->size() < count) {
    const auto batch = co_await log.Next(2, absl::InfiniteFuture());
    for (const RecordedEvent& event : *batch) seen->push_back(event.event.id.str());
  }
}

TEST_F(SubscriptionTest, GoesFromCatchingUpToLiveWithoutGapOrRepeat) {
  ASSERT_THAT(AppendTo(rt_, store_, "a", 0, {"1", "2", "3"}), IsOk());
  std::vector<std::string> seen, late;
  rt_.Spawn("follow", Follow(&store_, 0, 6, &seen));
  rt_.Spawn("follow-late", Follow(&store_, 4, 2, &late));
  ASSERT_THAT(AppendTo(rt_, store_, "a", 3, {"4"}), IsOk());
  ASSERT_THAT(AppendTo(rt_, store_, "b", 0, {"5", "6"}), IsOk());
  rt_.RunUntilIdle();
  EXPECT_THAT(seen, ElementsAre("1", "2", "3", "4", "5", "6"));
  EXPECT_THAT(late, ElementsAre("5", "6"));
}

}  // namespace
}  // namespace muster
