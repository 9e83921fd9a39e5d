// The chain is walked all the time, a little at a time, and a change is noticed.
#include "workers/audit/chain_watch.h"

#include "eventstore/events/values.h"
#include "eventstore/memory/memory_event_store.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using testing::HasSubstr;

class Watch : public testing::Test {
 protected:
  ~Watch() override { rt.DestroyTasks(); }
  void Write(int events) {
    for (int i = 0; i < events; ++i) {
      eventpb::CreditObserved credit;
      credit.set_credit_micro_usd(i);
      const StreamId stream("account/vast");
      NewEvent event{.id = EventId(Cat("e", store.Head() + 1)),
                     .type = "account.credit_observed",
                     .payload = EncodeEvent(Wrap(credit)),
                     .occurred_at = rt.Now()};
      EXPECT_THAT(
          rt.Run(store.Append(stream, Expect::At(store.StreamVersion(stream)), {event}, rt.Now())),
          IsOk());
    }
  }

  VirtualRuntime rt{1};
  std::shared_ptr<MemoryLog> log = std::make_shared<MemoryLog>();
  MemoryEventStore store{rt, log};
  ChainWatch watch{
      rt, store, {.at_once = 10, .pause = absl::Seconds(1), .every = absl::Minutes(1)}};
};

TEST_F(Watch, ReadsTheLogInSlicesAndThenWhatIsNew) {
  Write(25);
  rt.Spawn("watch", watch.Run());
  rt.RunUntilIdle();
  EXPECT_EQ(watch.verified(), 10u);
  rt.RunFor(absl::Seconds(1));
  EXPECT_EQ(watch.verified(), 20u);
  rt.RunFor(absl::Seconds(2));
  EXPECT_EQ(watch.verified(), 25u);
  Write(3);
  rt.RunFor(absl::Seconds(57));
  EXPECT_EQ(watch.verified(), 25u);
  rt.RunFor(absl::Minutes(1));
  EXPECT_EQ(watch.verified(), 28u);
  EXPECT_EQ(watch.problem(), "");
}

TEST_F(Watch, NamesTheFirstEventThatIsNotAsItWasWritten) {
  Write(25);
  {
    absl::MutexLock lock(&log->mutex);
    log->events[16].event.actor = "operator:mallory";
  }
  rt.Spawn("watch", watch.Run());
  rt.RunFor(absl::Minutes(5));
  EXPECT_EQ(watch.verified(), 16u);
  EXPECT_THAT(watch.problem(), HasSubstr("event 17"));
  Write(1);
  rt.RunFor(absl::Minutes(5));
  EXPECT_THAT(watch.problem(), HasSubstr("event 17")) << "it stays so";
}

}  // namespace
}  // namespace muster
