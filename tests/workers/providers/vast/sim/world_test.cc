// The world behind the wire: determinism, churn, the journal, the control API, settings.
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/providers/vast/sim/sim_driver.h"

namespace muster::vastsim {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Everything a client could see of six hours of a small fleet.
std::string Story(std::uint64_t seed) {
  VastSimOptions options;
  options.seed = seed;
  SimDriver d(options);
  std::string story;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(d.Rent("w" + std::to_string(i)));
    d.Wait(absl::Minutes(70));
    story += d.List().dump();
    for (const std::int64_t id : ids) story += d.Log(id, 20);
  }
  for (const LedgerLine& line : d.sim.Ledger()) story += Cat(line.instance, "=", line.total.micros);
  return story;
}

TEST(VastSimWorld, IsTheSameFromTheSameSeedAndAnotherFromAnother) {
  EXPECT_EQ(Story(7), Story(7));
  EXPECT_NE(Story(7), Story(8));
}

TEST(VastSimWorld, DoesNotDependOnHowOftenItIsLookedAt) {
  SimDriver often, once;
  const std::int64_t a = often.Rent("w"), b = once.Rent("w");
  for (int i = 0; i < 360; ++i) {
    often.Wait(absl::Seconds(10));
    often.sim.Instances();
  }
  once.Wait(absl::Hours(1));
  EXPECT_EQ(often.Log(a, 1000), once.Log(b, 1000));
  EXPECT_EQ(often.sim.Ledger()[0].total, once.sim.Ledger()[0].total);
}

TEST(VastSimWorld, TimeNeverMovesBackwards) {
  SimDriver d;
  d.Wait(absl::Hours(1));
  d.now -= absl::Minutes(30);
  EXPECT_EQ(d.Do("GET", "/api/v0/users/current").status, 200);
  EXPECT_EQ(d.sim.now(), d.now + absl::Minutes(30));
}

TEST(VastSimWorld, TheMarketChurnsOnlyWhenItMay) {
  VastSimOptions options = SimDriver::Calm();
  options.churn_interval = absl::Minutes(5);
  SimDriver moving(options), still;
  const auto prices = [](SimDriver& d) {
    std::string text;
    for (const OfferView& offer : d.sim.Offers()) text += Cat(offer.id, ":", offer.usd_per_hour);
    return text;
  };
  const std::string before = prices(moving), calm = prices(still);
  moving.Wait(absl::Minutes(5) - absl::Nanoseconds(1));
  EXPECT_EQ(prices(moving), before);
  moving.Wait(absl::Nanoseconds(1));
  EXPECT_NE(prices(moving), before);
  still.Wait(absl::Hours(10));
  EXPECT_EQ(prices(still), calm);
}

TEST(VastSimWorld, ARunningContractKeepsItsPriceWhileTheMarketMoves) {
  SimDriver d{VastSimOptions{}};
  const std::int64_t id = d.Rent("w");
  const json before = d.Row(id)["dph_total"];
  d.Wait(absl::Hours(5));
  EXPECT_EQ(d.Row(id)["dph_total"], before);
}

TEST(VastSimWorld, HasAffordableOffersOfEveryKindForTheExampleFleets) {
  SimDriver d;
  std::map<std::string, int> affordable;
  for (const OfferView& offer : d.sim.Offers()) {
    if (offer.gpus == 1 && offer.verified && offer.usd_per_hour < 0.088) ++affordable[offer.gpu];
  }
  int all = 0;
  for (const auto& [gpu, count] : affordable) all += count;
  EXPECT_GE(all, 24);
  EXPECT_GE(affordable.size(), 9u);
}

TEST(VastSimWorld, TenThousandInstancesAreListedAndAgedInReasonableTime) {
  SimDriver d;
  for (int i = 0; i < 10'000; ++i) d.sim.AddForeign({.label = Cat("w", i)});
  d.Wait(absl::Hours(24));
  EXPECT_EQ(d.List()["total_instances"], 10'000);
}

TEST(VastSimJournal, SaysWhoDidWhatAndHoldsNoKey) {
  SimDriver d;
  const std::int64_t offer = d.Cheapest()["id"];
  const std::int64_t id = d.CreateAt(offer, "zeb.k7f2q").json["new_contract"];
  d.CreateAt(offer, "late");
  const std::vector<JournalEntry> journal = d.sim.Journal();
  const JournalEntry& made = journal[journal.size() - 2];
  EXPECT_EQ(made.endpoint, "PUT asks/{id}");
  EXPECT_EQ(made.instance, id);
  EXPECT_EQ(made.offer, offer);
  EXPECT_EQ(made.label, "zeb.k7f2q");
  EXPECT_EQ(made.caller, "key1");
  EXPECT_EQ(journal.back().status, 410);
  EXPECT_EQ(journal.back().instance, 0);
  d.Do("GET", "/api/v0/users/current?api_key=sim-key");
  EXPECT_EQ(d.Do("GET", "/control/journal").text.find("sim-key"), std::string::npos);
}

TEST(VastSimJournal, ForgetsTheOldestBeyondItsLimit) {
  VastSimOptions options = SimDriver::Calm();
  options.journal_max = 3;
  SimDriver d(options);
  for (int i = 0; i < 5; ++i) d.Do("GET", "/api/v0/users/current");
  EXPECT_EQ(d.sim.Journal().size(), 3u);
}

TEST(VastSimControl, DoesOverHttpWhatTestsDoInProcess) {
  SimDriver d;
  const std::int64_t id = d.RentProducing("w");
  const std::string instance = "/control/instances/" + std::to_string(id);
  EXPECT_EQ(d.Do("GET", "/control/state").json["instances"], 1);
  EXPECT_EQ(d.Do("GET", "/control/instances").json["instances"][0]["label"], "w");
  EXPECT_EQ(d.Do("POST", "/control/faults", {{"trap", "auth_401"}, {"times", 1}}).status, 200);
  EXPECT_EQ(d.Do("GET", "/api/v0/users/current").status, 401);
  EXPECT_EQ(d.Do("DELETE", "/control/faults").json["cleared"], 1);
  EXPECT_EQ(d.Do("POST", instance + "/log", {{"lines", {"hello"}}}).status, 200);
  EXPECT_EQ(d.Log(id), "hello\n");
  EXPECT_EQ(d.Do("POST", instance + "/price", {{"usd_per_hour", 0.5}}).status, 200);
  EXPECT_EQ(d.Row(id)["dph_total"], 0.5);
  EXPECT_EQ(d.Do("POST", instance + "/fail", {{"how", "exit"}}).status, 200);
  EXPECT_EQ(d.Row(id)["actual_status"], "exited");
  const std::string machine = std::to_string(d.sim.Instances()[0].machine);
  EXPECT_EQ(d.Do("POST", "/control/machines/" + machine + "/fail", {{"how", "vanish"}}).status,
            200);
  EXPECT_EQ(d.Do("GET", "/control/past").json["past"][0]["end_cause"], "vanished");
  EXPECT_GT(d.Do("GET", "/control/ledger").json["ledger"][0]["total_micro_usd"], 0);
  EXPECT_EQ(d.Do("POST", "/control/credit", {{"usd", 3}}).json["credit_usd"], 3.0);
  EXPECT_EQ(d.Do("POST", "/control/instances", {{"label", "x"}}).status, 200);
  const std::string offer = std::to_string(d.sim.Offers()[0].id);
  EXPECT_EQ(d.Do("POST", "/control/offers/" + offer + "/price", {{"usd_per_hour", 9}}).status, 200);
  EXPECT_NEAR(d.sim.Offers()[0].usd_per_hour, 9, 1e-9);
  EXPECT_EQ(d.Do("DELETE", "/control/offers/" + offer).status, 200);
  const absl::Time before = d.sim.now();
  d.Do("POST", "/control/clock", {{"skip_s", 3600}});
  EXPECT_EQ(d.sim.now() - before, absl::Hours(1));
  EXPECT_EQ(d.Do("DELETE", "/control/journal").status, 200);
  EXPECT_TRUE(d.sim.Journal().empty());
  EXPECT_TRUE(d.Do("GET", "/control/catalogue").json["traps"].contains("list_lag"));
}

TEST(VastSimControl, SaysWhatItDoesNotKnow) {
  SimDriver d;
  EXPECT_EQ(d.Do("GET", "/control/nothing").status, 404);
  EXPECT_EQ(d.Do("POST", "/control/instances/1/fail", {{"how", "exit"}}).status, 404);
  EXPECT_THAT(d.Do("POST", "/control/instances/1/fail", {{"how", "hiccup"}}).text,
              HasSubstr("hiccup"));
  EXPECT_EQ(d.Do("POST", "/control/faults", {{"trap", "hiccup"}}).status, 400);
  EXPECT_EQ(d.Do("POST", "/control/offers/1/price", {}).status, 404);
}

TEST(VastSimSettings, AreReadByNameAndRefusedWithWhatWasExpected) {
  const auto options = OptionsFrom({.seed = 9,
                                    .settings = {{"machines", "12"},
                                                 {"credit_usd", "1.5"},
                                                 {"bad_machine_how", "fatal_error"},
                                                 {"boot_max", "4m"},
                                                 {"v0_list", "true"},
                                                 {"api_key", "k"}}});
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->seed, 9u);
  EXPECT_EQ(options->machines, 12);
  EXPECT_EQ(options->credit_usd, 1.5);
  EXPECT_EQ(options->bad_machine.how, Failure::kFatalError);
  EXPECT_EQ(options->boot_max, absl::Minutes(4));
  EXPECT_TRUE(options->v0_list);
  EXPECT_THAT(OptionsFrom({.settings = {{"machine", "1"}}}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("unknown setting \"machine\"")));
  EXPECT_THAT(OptionsFrom({.settings = {{"machines", "-1"}}}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("machines: expected a number")));
  EXPECT_THAT(OptionsFrom({.settings = {{"boot_min", "5"}}}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("a duration")));
  EXPECT_THAT(OptionsFrom({.settings = {{"boot_min", "5m"}}}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("boot_max")));
}

}  // namespace
}  // namespace muster::vastsim
