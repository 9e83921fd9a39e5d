// Alerts: at, just under and just over each threshold; raised once, ended once, over a restart.
#include "services/notify/alert_rules.h"

#include "tests/support/pch.h"

namespace muster::notify {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

queries::FleetStatus Fleet(int healthy, int wanted) {
  queries::FleetStatus fleet;
  fleet.name = FleetName("zeb");
  fleet.healthy = healthy;
  fleet.wanted = wanted;
  return fleet;
}

AlertInputs With(queries::FleetStatus fleet) {
  AlertInputs inputs;
  inputs.fleets = {std::move(fleet)};
  inputs.watching_since = kNow;
  return inputs;
}

// What a book decides, folded as the log would have it.
class Book {
 public:
  explicit Book(AlertThresholds thresholds = {}) : book_(thresholds) {}
  Events Step(const AlertInputs& inputs, absl::Time now) {
    Events events = book_.Decide(inputs, now);
    for (const auto& event : events) book_.Fold(event, ++position_);
    return events;
  }
  AlertBook& book() { return book_; }

 private:
  AlertBook book_;
  std::uint64_t position_ = 0;
};

TEST(Alerts, ABuilderThatDoesNotAnswerIsRaisedAfterItsTimeAndEnds) {
  Book book;
  AlertInputs silent;
  silent.builders = {{"builder-01", "connection refused"}};
  EXPECT_THAT(book.Step(silent, kNow), IsEmpty());
  EXPECT_THAT(book.Step(silent, kNow + absl::Minutes(15) - absl::Seconds(1)), IsEmpty());
  const Events raised = book.Step(silent, kNow + absl::Minutes(15));
  ASSERT_THAT(raised, SizeIs(1));
  EXPECT_EQ(raised[0].alert_raised().evidence().rule(), "builder-silent");
  EXPECT_EQ(raised[0].alert_raised().subject(), "server/builder-01");
  EXPECT_THAT(raised[0].alert_raised().evidence().summary(), HasSubstr("connection refused"));
  AlertInputs answers;
  answers.builders = {{"builder-01", ""}};
  const Events ended = book.Step(answers, kNow + absl::Minutes(16));
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].alert_ended().subject(), "server/builder-01");
}

TEST(Alerts, AFleetIsShortBelowItsShareForItsTime) {
  Book book;
  EXPECT_THAT(book.Step(With(Fleet(5, 8)), kNow), IsEmpty());
  EXPECT_THAT(book.Step(With(Fleet(5, 8)), kNow + absl::Minutes(30) - absl::Seconds(1)), IsEmpty());
  const Events raised = book.Step(With(Fleet(5, 8)), kNow + absl::Minutes(30));
  ASSERT_THAT(raised, SizeIs(1));
  EXPECT_EQ(raised[0].alert_raised().evidence().rule(), "fleet-short");
  EXPECT_THAT(raised[0].alert_raised().evidence().summary(), HasSubstr("5 of 8 healthy"));
  EXPECT_EQ(raised[0].alert_raised().since_us(), absl::ToUnixMicros(kNow));
  EXPECT_THAT(book.Step(With(Fleet(5, 8)), kNow + absl::Hours(3)), IsEmpty()) << "once";
  const Events ended = book.Step(With(Fleet(6, 8)), kNow + absl::Hours(4));
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].alert_ended().kind(), "fleet-short");
  EXPECT_EQ(ended[0].alert_ended().raised(), 1u);
  EXPECT_THAT(book.Step(With(Fleet(6, 8)), kNow + absl::Hours(9)), IsEmpty());
}

TEST(Alerts, ExactlyItsShareIsEnough) {
  EXPECT_FALSE(IsShort(6, 8, 0.75));
  EXPECT_TRUE(IsShort(5, 8, 0.75));
  EXPECT_FALSE(IsShort(0, 0, 0.75));
}

TEST(Alerts, AGoodMomentStartsTheClockAnew) {
  Book book;
  book.Step(With(Fleet(1, 8)), kNow);
  book.Step(With(Fleet(8, 8)), kNow + absl::Minutes(20));
  book.Step(With(Fleet(1, 8)), kNow + absl::Minutes(21));
  EXPECT_THAT(book.Step(With(Fleet(1, 8)), kNow + absl::Minutes(50)), IsEmpty());
  EXPECT_THAT(book.Step(With(Fleet(1, 8)), kNow + absl::Minutes(51)), SizeIs(1));
}

TEST(Alerts, AFleetThatGoesDownIsNotShort) {
  queries::FleetStatus fleet = Fleet(1, 8);
  fleet.down_requested = true;
  Book book;
  book.Step(With(fleet), kNow);
  EXPECT_THAT(book.Step(With(fleet), kNow + absl::Hours(2)), IsEmpty());
}

TEST(Alerts, ARestartNeitherForgetsNorRepeats) {
  Book first;
  first.Step(With(Fleet(1, 8)), kNow);
  const Events raised = first.Step(With(Fleet(1, 8)), kNow + absl::Hours(1));
  ASSERT_THAT(raised, SizeIs(1));
  Book second;
  second.book().Fold(raised[0], 7);
  second.book().BeginShort(FleetName("zeb"), kNow);
  EXPECT_THAT(second.Step(With(Fleet(1, 8)), kNow + absl::Hours(2)), IsEmpty());
  const Events ended = second.Step(With(Fleet(8, 8)), kNow + absl::Hours(3));
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].alert_ended().raised(), 7u);
  Book third;  // not raised yet, but short for long by the log
  third.book().BeginShort(FleetName("zeb"), kNow);
  EXPECT_THAT(third.Step(With(Fleet(1, 8)), kNow + absl::Minutes(30)), SizeIs(1));
}

TEST(Alerts, WhatWasNotWrittenIsDecidedAgain) {
  AlertBook book;
  AlertInputs inputs;
  inputs.disk_free_bytes = 1;
  EXPECT_THAT(book.Decide(inputs, kNow), SizeIs(1));
  EXPECT_THAT(book.Decide(inputs, kNow), SizeIs(1));
}

TEST(Alerts, NineTenthsOfADayAreNearlyAll) {
  queries::FleetStatus fleet = Fleet(8, 8);
  fleet.cap_day = MicroUsd(10'000'000);
  fleet.spent_today = MicroUsd(8'999'999);
  Book book;
  EXPECT_THAT(book.Step(With(fleet), kNow), IsEmpty());
  fleet.spent_today = MicroUsd(9'000'000);
  const Events raised = book.Step(With(fleet), kNow);
  ASSERT_THAT(raised, SizeIs(1));
  EXPECT_EQ(raised[0].alert_raised().evidence().rule(), "budget-near");
  fleet.spent_today = MicroUsd(0);  // midnight
  EXPECT_THAT(book.Step(With(fleet), kNow + absl::Hours(1)), SizeIs(1));
  fleet.cap_day = MicroUsd(0);  // none
  fleet.spent_today = MicroUsd(9'000'000);
  EXPECT_THAT(book.Step(With(fleet), kNow + absl::Hours(2)), IsEmpty());
}

TEST(Alerts, ABudgetThatHoldsAFleetBackIsReached) {
  queries::FleetStatus fleet = Fleet(8, 8);
  queries::WaitStatus offers;
  offers.kind = "offers";
  fleet.waits = {offers};
  Book book;
  EXPECT_THAT(book.Step(With(fleet), kNow), IsEmpty());
  queries::WaitStatus budget;
  budget.kind = "budget";
  budget.detail = "fleet zeb per day: $9.11 + $8.90 > $18.00";
  fleet.waits.push_back(budget);
  const Events raised = book.Step(With(fleet), kNow);
  ASSERT_THAT(raised, SizeIs(1));
  EXPECT_THAT(raised[0].alert_raised().evidence().summary(), HasSubstr("$9.11 + $8.90"));
}

TEST(Alerts, ADiskIsLowBelowItsLimitAndFineOnlyWellAboveIt) {
  Book book({.disk_low_bytes = 1000});
  AlertInputs inputs;
  for (const std::int64_t free : {-1, 1000, 5000}) {
    inputs.disk_free_bytes = free;
    EXPECT_THAT(book.Step(inputs, kNow), IsEmpty()) << free;
  }
  inputs.disk_free_bytes = 999;
  EXPECT_THAT(book.Step(inputs, kNow), SizeIs(1));
  inputs.disk_free_bytes = 1199;
  EXPECT_THAT(book.Step(inputs, kNow), IsEmpty());
  inputs.disk_free_bytes = 1200;
  EXPECT_THAT(book.Step(inputs, kNow), SizeIs(1));
}

TEST(Alerts, AProviderOfWhichNothingIsSeenForLongIsABlindSpot) {
  AlertInputs inputs;
  inputs.watching_since = kNow;
  inputs.providers = {{ProviderName("vast"), true, absl::InfinitePast()}};
  Book book;
  const absl::Time due = kNow + absl::Minutes(15);
  EXPECT_THAT(book.Step(inputs, due - absl::Nanoseconds(1)), IsEmpty()) << "just started";
  EXPECT_THAT(book.Step(inputs, due), SizeIs(1));
  inputs.providers[0].listed = due;
  EXPECT_THAT(book.Step(inputs, due), SizeIs(1)) << "over";
  inputs.providers[0].in_use = false;
  EXPECT_THAT(book.Step(inputs, due + absl::Hours(1)), IsEmpty()) << "nobody rents there";
}

TEST(Alerts, ABrokenChainIsAnAlert) {
  AlertInputs inputs;
  inputs.chain_problem = "event 7 was changed";
  Book book;
  const Events raised = book.Step(inputs, kNow);
  ASSERT_THAT(raised, SizeIs(1));
  EXPECT_EQ(raised[0].alert_raised().subject(), "log");
  EXPECT_THAT(raised[0].alert_raised().evidence().summary(), HasSubstr("event 7"));
}

}  // namespace
}  // namespace muster::notify
