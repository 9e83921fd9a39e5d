// Planted bugs of money: what is spent, what may be, and what is left of the credit.
#include "tests/storm/planted/planted.h"
#include "tests/support/pch.h"

namespace muster::storm {
namespace {

TEST_F(Planted, MoneyThatTheLogForgot) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  Pass(absl::Hours(2));
  deeds.workers_named["a1"].push_back({rt.Now(), false});
  Condemn("a1", id, "operator");
  Destroy(id);
  Ended("a1", 0.05);
  EXPECT_EQ(Broken(), Names{"TheLedgerIsWhatTheLogSays"}) << told;
}

TEST_F(Planted, MoneyThatWasNeverSpent) {
  Fleet(1);
  const std::int64_t id = Worker("a1");
  Pass(absl::Hours(2));
  deeds.workers_named["a1"].push_back({rt.Now(), false});
  Condemn("a1", id, "operator");
  Destroy(id);
  Ended("a1", 0.25);
  EXPECT_EQ(Broken(), Names{"TheLedgerIsWhatTheLogSays"}) << told;
}

TEST_F(Planted, ABurnOverTheBudgetOfTheHour) {
  specpb::Budget budget;
  budget.set_per_hour_micro_usd(100'000);
  Fleet(2, budget);
  Worker("a1");
  EXPECT_EQ(Broken(), Names{}) << told;
  Intend("a2");  // asked for is as good as rented
  EXPECT_EQ(Broken(), Names{"BurnWithinTheBudget"}) << told;
}

TEST_F(Planted, ABurnOverTheBudgetOfTheAccount) {
  weather.account_budget.set_per_hour_micro_usd(100'000);
  Fleet(2);
  Worker("a1");
  Worker("a2");
  EXPECT_EQ(Broken(), Names{"BurnWithinTheBudget"}) << told;
}

TEST_F(Planted, ARentThatCannotRunUntilMidnight) {
  specpb::Budget budget;
  budget.set_per_day_micro_usd(50'000);
  Fleet(1, budget);
  Worker("a1");
  EXPECT_EQ(Broken(), Names{"WorstCaseWithinTheBudget"}) << told;
}

TEST_F(Planted, SpendingOverTheTotalAndOn) {
  specpb::Budget budget;
  budget.set_total_micro_usd(70'000);
  Fleet(1, budget);
  const std::int64_t id = Worker("a1");
  EXPECT_EQ(Broken(), Names{}) << told;
  Pass(absl::Hours(2));
  EXPECT_TRUE(Broken().contains("SpentWithinTheBudget")) << told;
  Condemn("a1", id, "over-budget");  // what can be done was done
  EXPECT_FALSE(Broken().contains("SpentWithinTheBudget")) << told;
}

TEST_F(Planted, ALaunchWhileThereIsNoCredit) {
  Fleet(1);
  eventpb::CreditWaitBegan wait;
  *wait.mutable_evidence() = Citing("credit-wait");
  Write(AccountStream(kVast), Wrap(wait));
  Worker("a1");
  EXPECT_EQ(Broken(), Names{"NoSpendWhileWaitingForCredit"}) << told;
}

TEST_F(Planted, AWaitForCreditThatEndsWithoutAny) {
  Fleet(1);
  deeds.credit_out.emplace_back(rt.Now(), absl::InfiniteFuture());
  Pass(absl::Minutes(10));
  eventpb::CreditWaitEnded over;
  *over.mutable_evidence() = Citing("credit-back");
  Write(AccountStream(kVast), Wrap(over));
  EXPECT_EQ(Broken(), Names{"CreditWaitEndsWithCredit"}) << told;
}

}  // namespace
}  // namespace muster::storm
