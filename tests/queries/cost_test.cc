#include "queries/cost/model.h"
#include "queries/cost/projection.h"
#include "tests/queries/log_builder.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::queries {
namespace {

const CostRow* Find(const std::vector<CostRow>& rows, std::string_view key) {
  for (const CostRow& row : rows) {
    if (row.key == key) return &row;
  }
  return nullptr;
}

CostReport All(LogBuilder& log, std::string fleet = "") {
  return log.Models()->Cost(FleetName(std::move(fleet)), log.now());
}

TEST(CostModel, ALaunchThatWasNeverAnsweredCostsNothing) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {});
  log.After(absl::Hours(3));
  EXPECT_EQ(All(log).sum.total, MicroUsd(0));
  EXPECT_EQ(All(log).sum.burn, MicroUsdPerHour(0));
  log.End("k7f2q");
  EXPECT_EQ(All(log).sum.total, MicroUsd(0));
}

TEST(CostModel, CountsFromTheAcceptanceAtTheOffersPriceRoundedUp) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {.price = 90'000});
  log.After(absl::Minutes(5)).Accept("k7f2q", "123");
  log.After(absl::Minutes(20));
  EXPECT_EQ(All(log).sum.total, MicroUsd(30'000));
  log.After(absl::Seconds(1));
  EXPECT_EQ(All(log).sum.total, MicroUsd(30'025));
}

TEST(CostModel, FollowsTheObservedPriceToTheMicroDollar) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {.price = 81'000});
  log.Accept("k7f2q", "123");
  log.After(absl::Minutes(10)).See("k7f2q", 81'000);  // 13500
  log.After(absl::Minutes(7)).See("k7f2q", 100'001);  //  9450
  log.After(absl::Minutes(1)).End("k7f2q");           //  1666.68 -> 1667
  const CostReport report = All(log);
  EXPECT_EQ(report.sum.total, MicroUsd(24'617));
  EXPECT_EQ(report.sum.burn, MicroUsdPerHour(0));
}

TEST(CostModel, CountsAStoppedOneFromItsAcceptedStartAtTheOffersPrice) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {.price = 90'000});
  log.Accept("k7f2q", "123");
  log.See("k7f2q", 3'000);
  eventpb::StartAnswered answer;
  log.After(absl::Hours(1)).Write("worker/k7f2q", answer);  // refused
  EXPECT_EQ(All(log).sum.burn, MicroUsdPerHour(3'000));
  answer.set_accepted(true);
  log.Write("worker/k7f2q", answer);
  EXPECT_EQ(All(log).sum.burn, MicroUsdPerHour(90'000));
  log.After(absl::Hours(1)).End("k7f2q");
  EXPECT_EQ(All(log).sum.total, MicroUsd(93'000));
}

TEST(CostModel, SplitsAtMidnightUtc) {
  LogBuilder log(At("2026-11-21T23:30:00Z"));
  log.Launch("k7f2q", "zeb", {.price = 100'000});
  log.Accept("k7f2q", "123");
  log.After(absl::Hours(1));
  const CostReport report = All(log);
  EXPECT_EQ(report.sum.today, MicroUsd(50'000));
  EXPECT_EQ(report.sum.total, MicroUsd(100'000));
  ASSERT_EQ(report.days.size(), 2u);
  EXPECT_EQ(report.days[0].key, "2026-11-22");
  EXPECT_EQ(report.days[1].key, "2026-11-21");
  EXPECT_EQ(report.days[1].total, MicroUsd(50'000));
}

TEST(CostModel, AClockThatStepsBackAddsNothingAndTakesNothing) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {.price = 60'000});
  log.Accept("k7f2q", "123");
  log.After(absl::Minutes(30)).See("k7f2q", 60'000);
  EXPECT_EQ(All(log).sum.total, MicroUsd(30'000));
  log.After(-absl::Minutes(20));
  EXPECT_EQ(All(log).sum.total, MicroUsd(30'000));  // asked while the clock is behind
  log.See("k7f2q", 60'000);
  EXPECT_EQ(All(log).sum.total, MicroUsd(30'000));
  log.After(absl::Minutes(10)).End("k7f2q");
  EXPECT_EQ(All(log).sum.total, MicroUsd(40'000));
  for (const CostRow& day : All(log).days) EXPECT_GE(day.total.micros, 0);
}

TEST(CostModel, LostIsWhatWasSpentOnWorkersThatNeverProduced) {
  LogBuilder log;
  for (const std::string id : {"dud1", "good"}) {
    log.Launch(id, "zeb", {.price = 60'000});
    log.Accept(id, "i" + id);
  }
  log.After(absl::Minutes(10)).Read("good", {.counter = 1});
  EXPECT_EQ(All(log).sum.lost, MicroUsd(0));  // who may still produce is not lost
  log.End("dud1");
  log.End("good");
  const CostReport report = All(log);
  EXPECT_EQ(report.sum.lost, MicroUsd(10'000));
  EXPECT_EQ(report.sum.total, MicroUsd(20'000));
  ASSERT_NE(Find(report.workers, "dud1"), nullptr);
  EXPECT_EQ(Find(report.workers, "dud1")->lost, MicroUsd(10'000));
  EXPECT_EQ(Find(report.workers, "good")->lost, MicroUsd(0));
}

TEST(CostModel, RowsOfEveryKindAddUpToTheSum) {
  LogBuilder log(At("2026-11-20T20:00:00Z"));
  int n = 0;
  for (const std::string fleet : {"belief", "zeb"}) {
    for (const std::string gpu : {"RTX 3060", "RTX 4070 Ti"}) {
      const std::string id = Cat("w", ++n);
      log.Launch(id, fleet, {.gpu = gpu, .price = 70'001 + n});
      log.Accept(id, "i" + id);
      log.After(absl::Minutes(97)).See(id, 70'003 + n);
    }
  }
  log.After(absl::Hours(3)).End("w2");
  const CostReport report = All(log);
  const auto sum = [](const std::vector<CostRow>& rows) {
    MicroUsd total;
    for (const CostRow& row : rows) total += row.total;
    return total;
  };
  EXPECT_EQ(sum(report.fleets), report.sum.total);
  EXPECT_EQ(sum(report.gpus), report.sum.total);
  EXPECT_EQ(sum(report.days), report.sum.total);
  EXPECT_EQ(sum(report.workers), report.sum.total);
  EXPECT_EQ(All(log, "zeb").sum.total, Find(report.fleets, "zeb")->total);
}

TEST(CostModel, TheLogsOwnSumIsTheLastWord) {
  LogBuilder log;
  log.Launch("k7f2q", "zeb", {.price = 60'000});
  log.Accept("k7f2q", "123");
  log.After(absl::Minutes(10)).End("k7f2q", 10'007);
  EXPECT_EQ(All(log).sum.total, MicroUsd(10'007));
  EXPECT_EQ(All(log).days.at(0).total, MicroUsd(10'007));
}

TEST(CostModel, ADayBeforeTheEpochHasItsOwnNumber) {
  EXPECT_EQ(UnixDay(absl::FromUnixSeconds(-1)), -1);
  EXPECT_EQ(UnixDay(absl::FromUnixSeconds(0)), 0);
  EXPECT_EQ(UnixDay(absl::FromUnixSeconds(86'399)), 0);
  EXPECT_EQ(UnixDay(absl::FromUnixSeconds(86'400)), 1);
}

// The sums that are asked for every few seconds are kept beside the meters: they must never differ
// from what the meters say.
void ExpectSumsOfMeters(LogBuilder& log) {
  const auto models = log.Models();
  ReadModels loaded(log.store());
  ASSERT_TRUE(loaded.Load(models->Save()));
  for (const ReadModels* each : std::vector<const ReadModels*>{models.get(), &loaded}) {
    const CostReport report = each->Cost(FleetName("zeb"), log.now());
    const auto fleet = each->Fleet(FleetName("zeb"), log.now());
    ASSERT_THAT(fleet, IsOk());
    EXPECT_EQ(fleet->burn, report.sum.burn) << log.now();
    EXPECT_EQ(fleet->spent_today, report.sum.today) << log.now();
    EXPECT_EQ(fleet->spent_total, report.sum.total) << log.now();
    const auto lost = each->Lost();
    for (const CostRow& row : report.fleets) EXPECT_EQ(lost.at(row.key), row.lost) << row.key;
    const auto accounts = each->Accounts(log.now());
    ASSERT_EQ(accounts.size(), 1u);
    EXPECT_EQ(accounts[0].burn, report.sum.burn) << log.now();
  }
}

TEST(CostModel, AFleetsSumsAreThoseOfItsMeters) {
  LogBuilder log(At("2026-11-21T23:00:00Z"));
  log.Fleet("zeb", {.workers = 4});
  log.Write("account/vast", eventpb::CreditObserved());
  for (const char* id : {"aaaa", "bbbb", "cccc", "dddd"}) log.Launch(id, "zeb", {.price = 81'001});
  ExpectSumsOfMeters(log);
  log.After(absl::Minutes(1)).Accept("aaaa", "1");
  log.Accept("bbbb", "2");
  log.Accept("cccc", "3");
  log.After(absl::Minutes(7)).See("bbbb", 77'003);
  ExpectSumsOfMeters(log);
  log.After(absl::Minutes(20));
  ExpectSumsOfMeters(log);
  log.End("aaaa");  // the first of the row goes, the last takes its place
  ExpectSumsOfMeters(log);
  log.After(absl::Minutes(50));  // over midnight, at a price of yesterday
  ExpectSumsOfMeters(log);
  log.See("cccc", 90'000);
  log.After(absl::Seconds(61));
  ExpectSumsOfMeters(log);
  eventpb::ClockStepped stepped;
  stepped.set_by_us(absl::ToInt64Microseconds(absl::Hours(-2)));
  log.SetClock("2026-11-21T22:20:00Z").Write("installation", stepped);
  ExpectSumsOfMeters(log);
  log.After(absl::Hours(3)).End("bbbb");
  log.End("cccc");
  log.End("dddd");
  ExpectSumsOfMeters(log);
}

}  // namespace
}  // namespace muster::queries
