// The check that stands at the end of every scenario: it must be able to fail.
#include "tests/stage/causes.h"

#include "tests/queries/log_builder.h"

namespace muster {
namespace {

using queries::LogBuilder;
using ::testing::HasSubstr;

eventpb::DestroyRequested DestroyOn(std::vector<std::uint64_t> positions) {
  eventpb::DestroyRequested destroy;
  *destroy.mutable_evidence() = MakeEvidence("offline", "offline for 11m", {}, positions, "zeb@v1");
  return destroy;
}

TEST(DeedWithoutCause, FollowsEvidenceToWhatWasSeen) {
  LogBuilder log;
  const Position seen = log.See("k7f2q", 70'000);
  eventpb::WorkerHealthChanged health;
  *health.mutable_evidence() = MakeEvidence("", "offline", {}, {seen}, "zeb@v1");
  const Position judged = log.Write("worker/k7f2q", health);
  log.Write("worker/k7f2q", DestroyOn({judged}));
  EXPECT_EQ(DeedWithoutCause(log.store()), "");
}

TEST(DeedWithoutCause, FindsADestructionThatRestsOnNothing) {
  LogBuilder log;
  log.See("k7f2q", 70'000);
  const Position bare = log.Write("worker/k7f2q", DestroyOn({}));
  EXPECT_THAT(DeedWithoutCause(log.store()), HasSubstr(Cat(bare)));
}

TEST(DeedWithoutCause, DoesNotTakeALaterEventForACause) {
  LogBuilder log;
  const Position early = log.Write("worker/k7f2q", DestroyOn({2}));
  log.See("k7f2q", 70'000);
  EXPECT_THAT(DeedWithoutCause(log.store()), HasSubstr(Cat(early)));
}

TEST(DeedWithoutCause, FollowsChainsThatEndNowhere) {
  LogBuilder log;
  const Position first = log.Write("worker/k7f2q", DestroyOn({}));
  EXPECT_NE(DeedWithoutCause(log.store()), "");
  LogBuilder other;
  eventpb::WorkerHealthChanged health;
  const Position judged = other.Write("worker/k7f2q", health);
  const Position on_it = other.Write("worker/k7f2q", DestroyOn({judged}));
  EXPECT_THAT(DeedWithoutCause(other.store()), HasSubstr(Cat(on_it)));
  EXPECT_EQ(first, judged);
}

}  // namespace
}  // namespace muster
