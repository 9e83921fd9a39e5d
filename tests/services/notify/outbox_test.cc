// What one target is told next: repeats, summaries, limits, rules. All by the log's own times.
#include "services/notify/outbox.h"

#include "services/notify/digest.h"
#include "services/notify/routing.h"
#include "tests/support/pch.h"

namespace muster::notify {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const absl::Time kStart = absl::FromUnixSeconds(1'790'000'000);
constexpr absl::Duration kWindow = absl::Minutes(15);

queries::Notice At(Position position, absl::Duration after, const std::string& subject = "fleet/a",
                   std::string_view kind = "fleet-short") {
  queries::Notice notice;
  notice.position = position;
  notice.event = Cat("e", position);
  notice.at = kStart + after;
  notice.kind = FindNoticeKind(kind);
  notice.severity = notice.kind->severity;
  notice.state = "began";
  notice.subject = subject;
  notice.text = "text";
  return notice;
}

TEST(Outbox, ARepeatIsOneUntilItsTimeIsOver) {
  Outbox box({kWindow, 10});
  box.See(At(1, absl::ZeroDuration()));
  EXPECT_EQ(box.front().message.id, "e1");
  box.Arrived();
  box.See(At(2, kWindow - absl::Nanoseconds(1)));
  EXPECT_TRUE(box.empty());
  box.See(At(3, kWindow));
  ASSERT_FALSE(box.empty());
  EXPECT_EQ(box.front().message.id, "e1+more");
  EXPECT_EQ(box.front().message.more, 1);
  EXPECT_EQ(box.front().after.position, 2u) << "the third is not told yet";
  box.Arrived();
  EXPECT_EQ(box.front().message.id, "e3");
}

TEST(Outbox, AnotherSubjectStateOrPartIsNoRepeat) {
  Outbox box({kWindow, 10});
  box.See(At(1, absl::ZeroDuration()));
  box.See(At(2, absl::ZeroDuration(), "fleet/b"));
  box.See(At(3, absl::ZeroDuration(), "fleet/a", "orphan"));
  queries::Notice over = At(4, absl::ZeroDuration());
  over.state = "ended";
  box.See(over);
  queries::Notice part = At(5, absl::ZeroDuration());
  part.part = "GET instances";
  box.See(part);
  EXPECT_EQ(box.Waiting(), 5);
}

TEST(Outbox, ASummaryComesWhenTimeIsOverAndNotBefore) {
  Outbox box({kWindow, 10});
  box.See(At(1, absl::ZeroDuration()));
  box.Arrived();
  box.See(At(2, absl::Minutes(1)));
  box.Pass(7);
  EXPECT_EQ(box.next_close(), kStart + kWindow);
  box.Close(kStart + kWindow - absl::Nanoseconds(1));
  EXPECT_TRUE(box.empty());
  box.Close(kStart + kWindow);
  ASSERT_FALSE(box.empty());
  EXPECT_THAT(box.front().message.text, HasSubstr("and 1 more until"));
  EXPECT_EQ(box.front().message.since_position, 1u);
  EXPECT_EQ(box.front().message.position, 2u);
  EXPECT_EQ(box.front().after.position, 7u);
  box.Arrived();
  EXPECT_TRUE(box.done().windows.empty());
}

TEST(Outbox, NothingIsServedPastAMessageThatWaits) {
  Outbox box({kWindow, 10});
  box.Pass(4);
  EXPECT_EQ(box.done().position, 4u);
  box.See(At(5, absl::ZeroDuration()));
  box.Pass(9);
  EXPECT_EQ(box.done().position, 4u);
  box.Arrived();
  EXPECT_EQ(box.done().position, 9u);
  EXPECT_THAT(box.done().windows, SizeIs(1));
}

TEST(Outbox, ReadAgainFromItsProgressItGivesTheSameMessages) {
  const auto feed = [](Outbox& box, Position from) {
    const std::vector<queries::Notice> all = {
        At(1, absl::ZeroDuration()), At(2, absl::Minutes(1)),       At(3, absl::Minutes(2), "x"),
        At(4, absl::Minutes(3)),     At(5, absl::Minutes(16), "y"), At(6, absl::Minutes(17))};
    for (const queries::Notice& notice : all) {
      if (notice.position > from) box.See(notice);
    }
    box.Pass(8);
    box.Close(kStart + absl::Hours(1));
  };
  const auto drain = [](Outbox& box, std::vector<std::string>& ids) {
    for (; !box.empty(); box.Arrived()) ids.push_back(box.front().message.id);
  };
  Outbox whole({kWindow, 10});
  feed(whole, 0);
  std::vector<std::string> expected;
  drain(whole, expected);
  EXPECT_THAT(expected, ElementsAre("e1", "e3", "e1+more", "e5", "e6"));
  for (std::size_t crash = 1; crash < expected.size(); ++crash) {
    Outbox before({kWindow, 10});
    feed(before, 0);
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < crash; ++i, before.Arrived()) {
      ids.push_back(before.front().message.id);
    }
    Outbox after({kWindow, 10}, before.done());
    feed(after, before.done().position);
    drain(after, ids);
    EXPECT_EQ(ids, expected) << "after " << crash;
  }
}

TEST(Outbox, AboveItsLimitItTakesADigest) {
  Outbox box({kWindow, 3});
  for (Position p = 1; p <= 3; ++p) box.See(At(p, absl::ZeroDuration(), Cat("fleet/", p)));
  EXPECT_FALSE(box.TooMany());
  box.See(At(4, absl::ZeroDuration(), "fleet/4"));
  EXPECT_TRUE(box.TooMany());
  for (Position p = 5; p <= 100; ++p) box.See(At(p, absl::ZeroDuration(), Cat("fleet/", p)));
  EXPECT_EQ(box.Waiting(), 100);
  EXPECT_EQ(box.done().position, 0u);
  box.Restart({100, {}});
  EXPECT_TRUE(box.empty());
  EXPECT_FALSE(box.TooMany());
}

TEST(Digest, TellsTheMostUrgentFirstAndCountsTheRest) {
  Digest digest(2);
  digest.Add(At(1, absl::ZeroDuration(), "store", "disk-low"));
  for (Position p = 2; p <= 9; ++p) digest.Add(At(p, absl::Minutes(p), Cat("fleet/", p)));
  const NoticeMessage message = digest.Message("m7k2", 0, 9);
  EXPECT_EQ(message.id, "m7k2-digest-1-9");
  EXPECT_EQ(message.severity, "critical");
  EXPECT_THAT(message.lines,
              ElementsAre(HasSubstr("disk-low store"), HasSubstr("fleet/9"), "and 7 more"));
  EXPECT_THAT(message.text, HasSubstr("9 notices since"));
  EXPECT_EQ(digest.Unspelt(), 7);
}

TEST(Allowance, LetsABurstGoAndThenOneAtATime) {
  Allowance allowance({.per_hour = 60, .burst = 2}, 2, kStart);
  EXPECT_EQ(allowance.Next(kStart), kStart);
  allowance.Take(kStart);
  EXPECT_EQ(allowance.Next(kStart), kStart);
  allowance.Take(kStart);
  const absl::Time next = allowance.Next(kStart);
  EXPECT_GT(next, kStart + absl::Seconds(59));
  EXPECT_LE(next, kStart + absl::Minutes(1));
  EXPECT_GT(allowance.Next(kStart + absl::Seconds(59)), kStart + absl::Seconds(59));
  EXPECT_EQ(allowance.Next(kStart + absl::Minutes(1)), kStart + absl::Minutes(1));
  EXPECT_DOUBLE_EQ(allowance.Left(kStart + absl::Hours(9)), 2);
}

TEST(Routing, WithoutRulesEverybodyIsToldOfWarningsAndWorse) {
  EXPECT_TRUE(IsFor({}, "pager", At(1, absl::ZeroDuration())));
  EXPECT_FALSE(IsFor({}, "pager", At(1, absl::ZeroDuration(), "fleet/a", "fleet-changed")));
}

TEST(Routing, ARuleMatchesByAllThatItNames) {
  queries::Notice notice = At(1, absl::ZeroDuration(), "worker/k7f2q", "worker-condemned");
  notice.fleet = "zeb";
  notice.rule = "no-progress";
  const auto is_for = [&](Rule rule) {
    rule.to = {"pager"};
    return IsFor({rule}, "pager", notice);
  };
  EXPECT_TRUE(is_for({}));
  EXPECT_TRUE(is_for({.kinds = {"orphan", "worker-condemned"}}));
  EXPECT_FALSE(is_for({.kinds = {"orphan"}}));
  EXPECT_TRUE(is_for({.rules = {"no-progress"}}));
  EXPECT_FALSE(is_for({.rules = {"offline"}}));
  EXPECT_TRUE(is_for({.fleets = {"zeb"}}));
  EXPECT_FALSE(is_for({.fleets = {"other"}}));
  EXPECT_TRUE(is_for({.least = Severity::kWarning}));
  EXPECT_FALSE(is_for({.least = Severity::kCritical}));
  EXPECT_FALSE(IsFor({{.to = {"phone"}}}, "pager", notice)) << "to somebody else";
  EXPECT_TRUE(IsFor({{.to = {"phone"}}, {.to = {"pager"}}}, "pager", notice));
  notice.fleet.clear();
  EXPECT_FALSE(is_for({.fleets = {"zeb"}})) << "of no fleet";
}

}  // namespace
}  // namespace muster::notify
