// muster simulate: the same request gives the same study, and the study tells what happened.
#include "services/simulate/simulate.h"

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_split.h"
#include "services/files/fleet_file.h"
#include "services/files/market_file.h"
#include "services/simulate/chart.h"
#include "services/simulate/render.h"
#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster::simulate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kFleet[] = R"(name: zeb
workers: 2
market:
  price_max: $0.12/h
launch:
  onstart: echo hello
  env: {HF_TOKEN: env:HF_TOKEN}
preflight:
  - {name: weights, url: "https://example.org/weights.pt", bearer: env:HF_TOKEN}
)";

Request SmallRequest(std::string_view fleet = kFleet) {
  Request request;
  auto spec = ParseFleetFile(fleet, "fleet.yaml");
  EXPECT_THAT(spec, IsOk());
  request.fleet = *std::move(spec);
  request.span = absl::Hours(3);
  request.settings = {{"machines", "30"}};
  return request;
}

Study Studied(const Request& request) {
  auto study = Simulate(request);
  EXPECT_THAT(study, IsOk());
  return study.ok() ? *std::move(study) : Study();
}

TEST(Simulate, ASmallRunLooksLikeTheGoldenOne) {
  const Request request = SmallRequest();
  const std::string text = ToText(request, Studied(request), {});
  const std::string path = SourceDir() + "/tests/golden/simulate.txt";
  if (std::getenv("MUSTER_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::stringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, golden.str());
  for (const auto line : absl::StrSplit(ToAbsl(text), '\n')) EXPECT_LE(line.size(), 80u) << line;
}

TEST(Simulate, TheSameRequestGivesTheSameStudyWhateverTheJobs) {
  Request request = SmallRequest();
  request.seeds = 3;
  const std::string one = ToJson(request, Studied(request));
  request.jobs = 3;
  EXPECT_EQ(ToJson(request, Studied(request)), one);
  request.seed = 2;
  EXPECT_NE(ToJson(request, Studied(request)), one);
}

TEST(Simulate, WhatIsSpentIsWhatTheProviderCharges) {
  Request request = SmallRequest();
  request.span = absl::Hours(12);
  const Report run = Studied(request).runs.at(0);
  EXPECT_GT(run.spent.usd(), 0.5);
  EXPECT_NEAR(run.spent.usd(), run.charged.usd(), 0.03 * run.charged.usd());
  MicroUsd sum;
  double units = 0;
  for (const Report::Hour& hour : run.hours) {
    sum += hour.spent;
    units += hour.units;
  }
  EXPECT_EQ(sum, run.spent);
  EXPECT_NEAR(units, run.units, 1e-6);
}

TEST(Simulate, AFleetWhoseCapIsTooLowNeverFillsAndTheTextSaysWhy) {
  const Request request = SmallRequest(
      "name: zeb\nworkers: 4\nmarket: {price_max: $0.12/h}\n"
      "launch: {onstart: echo hello}\nbudget: {per_hour: $0.15/h}\n");
  const Study study = Studied(request);
  const Report& run = study.runs.at(0);
  EXPECT_EQ(run.to_full, absl::InfiniteDuration());
  EXPECT_EQ(run.availability, 0);
  EXPECT_LE(run.burn_max.usd(), 0.15);
  EXPECT_GT(run.waits.at("BUDGET").total, absl::Hours(2));
  const std::string text = ToText(request, study, {});
  EXPECT_THAT(text, AllOf(HasSubstr("never: at best"), HasSubstr("waited: budget")));
  EXPECT_THAT(ToJson(request, study), HasSubstr("\"to_full_s\": null"));
}

TEST(Simulate, APriceNobodyOffersIsAWaitForOffers) {
  const Request request = SmallRequest(
      "name: zeb\nworkers: 1\nmarket: {price_max: $0.01/h}\n"
      "launch: {onstart: echo hello}\n");
  const Report run = Studied(request).runs.at(0);
  EXPECT_EQ(run.launches, 0);
  EXPECT_EQ(run.spent.micros, 0);
  EXPECT_GT(run.waits.at("OFFERS").total, absl::Hours(2));
}

TEST(Simulate, BadMachinesCostMoneyAndAreReplacedByRule) {
  Request request = SmallRequest();
  request.span = absl::Hours(6);
  request.settings["bad_machines"] = "4";
  const Report run = Studied(request).runs.at(0);
  EXPECT_GT(run.replaced.at("no-progress"), 0);
  EXPECT_GT(run.lost.micros, 0);
  EXPECT_GT(run.strikes, 0);
}

TEST(Simulate, AnEmptyAccountIsACreditWait) {
  Request request = SmallRequest();
  request.settings["credit_usd"] = "0.1";
  const Report run = Studied(request).runs.at(0);
  EXPECT_EQ(run.credit_waits, 1);
  EXPECT_GT(run.credit_wait, absl::Hours(1));
}

TEST(Simulate, UnknownSettingsAndOtherProvidersMarketsAreRefusedWithWhatWasExpected) {
  Request request = SmallRequest();
  request.settings = {{"machnes", "3"}};
  EXPECT_THAT(std::string(Message(Simulate(request).status())),
              AllOf(HasSubstr("machnes"), HasSubstr("churn_share")));
  request.settings = {{"boot_min", "soon"}};
  EXPECT_THAT(std::string(Message(Simulate(request).status())), HasSubstr("a duration"));
  request.settings.clear();
  MarketRecord market;
  market.provider = ProviderName("elsewhere");
  request.market = std::make_shared<const MarketRecord>(market);
  EXPECT_THAT(std::string(Message(Simulate(request).status())), HasSubstr("elsewhere"));
}

constexpr char kMarket[] = R"(muster_market: 1
provider: vast
from: 2026-11-14T00:00:00Z
to: 2026-11-14T04:00:00Z
machines:
  - id: 501
    gpu: RTX 3070
    offers: 2
    reliability: 99%
    cuda: 12.8
    inet_down: 900Mbps
    inet_up: 900Mbps
    disk: 500GB
    remaining: 30d
    location: Sweden, SE
    listings:
      - {seen: 2026-11-14T01:00:00Z, gone: 2026-11-14T04:00:00Z, price: $0.07/h}
    rentals:
      - {boot: 2m, ran: 10m, rate: 2.4/s, failed: stall}
      - {boot: 2m, ran: 1h, rate: 2.4/s}
  - id: 502
    gpu: RTX 3070
    reliability: 99%
    cuda: 12.8
    inet_down: 900Mbps
    inet_up: 900Mbps
    disk: 500GB
    remaining: 30d
    location: Sweden, SE
    listings:
      - {seen: 2026-11-14T01:00:00Z, gone: 2026-11-14T04:00:00Z, price: $0.08/h}
)";

TEST(Simulate, ARecordedMarketIsPlayedBack) {
  Request request = SmallRequest();
  auto market = ParseMarketFile(kMarket, "market.yaml");
  ASSERT_THAT(market, IsOk());
  request.market = std::make_shared<const MarketRecord>(*market);
  request.settings = {{"failures_per_hour", "0"}};
  request.span = absl::Hours(4);
  const Study study = Studied(request);
  const Report& run = study.runs.at(0);
  // Nothing is offered in the first hour; then two machines, at their prices.
  EXPECT_EQ(run.start, market->from);
  EXPECT_EQ(run.hours.at(0).rented, 0);
  EXPECT_GT(run.to_full, absl::Hours(1));
  EXPECT_LT(run.to_full, absl::Hours(1) + absl::Minutes(15));
  EXPECT_EQ(run.burn_max.micros, 150'000);
  // The first worker there stalls as the record's first one did.
  EXPECT_EQ(run.replaced.at("no-progress"), 1);
  EXPECT_THAT(ToText(request, study, {}), HasSubstr("The market is recorded: 2 machines"));
}

TEST(Simulate, ARecordShorterThanTheRunRepeatsItself) {
  Request request = SmallRequest("name: zeb\nworkers: 0\nlaunch: {onstart: echo hello}\n");
  auto market = ParseMarketFile(kMarket, "market.yaml");
  ASSERT_THAT(market, IsOk());
  request.market = std::make_shared<const MarketRecord>(*market);
  request.span = absl::Hours(9);
  EXPECT_THAT(ToText(request, Studied(request), {}), HasSubstr("repeats itself"));
}

TEST(SimulateText, SeveralSeedsShowTheirSpread) {
  Request request = SmallRequest();
  request.seeds = 3;
  request.jobs = 2;
  const Study study = Studied(request);
  EXPECT_THAT(ToText(request, study, {}),
              AllOf(HasSubstr("seeds 1 to 3"), HasSubstr("MEDIAN"), HasSubstr("P90")));
  const auto json = nlohmann::json::parse(ToJson(request, study), nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  EXPECT_EQ(json["runs"].size(), 3u);
  EXPECT_EQ(json["digest"], study.digest);
  EXPECT_LE(json["spread"]["spent_usd"]["p10"], json["spread"]["spent_usd"]["p90"]);
}

TEST(SimulateChart, ShowsWorkersAtWorkAndIdleOnesAndColoursOnlyOnRequest) {
  Report run;
  run.wanted = 2;
  run.hours = {
      {.working = 0, .rented = 2}, {.working = 1, .rented = 2}, {.working = 2, .rented = 2}};
  EXPECT_EQ(WorkersChart(run, false), Cat("   2 |", std::string(48, '.'), std::string(24, '#'),
                                          "\n   1 |", std::string(24, '.'), std::string(48, '#'),
                                          "\n   0 +", std::string(72, '-'), "\n      |day 1\n"));
  EXPECT_THAT(WorkersChart(run, true), HasSubstr("\033[32m#"));
}

TEST(SimulateSpread, IsInterpolatedAndNeverIsTheLargest) {
  const Spread of_eleven = SpreadOf({10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  EXPECT_EQ(of_eleven.p10, 1);
  EXPECT_EQ(of_eleven.median, 5);
  EXPECT_EQ(of_eleven.p90, 9);
  EXPECT_EQ(SpreadOf({3}).p90, 3);
  const double never = std::numeric_limits<double>::infinity();
  EXPECT_EQ(SpreadOf({1, never, never}).median, never);
  EXPECT_EQ(SpreadOf({never, never}).p10, never);
}

}  // namespace
}  // namespace muster::simulate
