// Every wire trap, one row each: set it, make the call, see what the client sees.
#include <functional>
#include <set>

#include "tests/support/pch.h"
#include "tests/workers/providers/vast/sim/sim_driver.h"

namespace muster::vastsim {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// `id` is an instance whose worker produces.
using Check = std::function<void(SimDriver&, std::int64_t id)>;

std::string Path(std::int64_t id) { return "/api/v0/instances/" + std::to_string(id) + "/"; }
Answer User(SimDriver& d) { return d.Do("GET", "/api/v0/users/current/"); }
json Only(SimDriver& d) { return d.List()["instances"][0]; }
Answer AskLog(SimDriver& d, std::int64_t id) {
  return d.Do("PUT", "/api/v0/instances/request_logs/" + std::to_string(id) + "/",
              {{"tail", "50"}});
}
Answer Create(SimDriver& d, std::string label = "new") {
  return d.CreateAt(d.sim.Offers()[0].id, std::move(label));
}

// The same call answers `status` with `text`, and nothing was rented or destroyed.
Check Refuses(int status, std::string text) {
  return [=](SimDriver& d, std::int64_t id) {
    const Answer answer = d.Do("DELETE", Path(id), json::object());
    EXPECT_EQ(answer.status, status);
    EXPECT_THAT(answer.text, HasSubstr(text));
    EXPECT_EQ(d.sim.Instances().size(), 1u);
  };
}

Check CutsBefore(SimReply::Cut cut) {
  return [=](SimDriver& d, std::int64_t) {
    EXPECT_EQ(Create(d).cut, cut);
    EXPECT_EQ(d.sim.Instances().size(), 1u);
  };
}

Check CutsAfter(SimReply::Cut cut) {
  return [=](SimDriver& d, std::int64_t) {
    EXPECT_EQ(Create(d).cut, cut);
    EXPECT_EQ(d.sim.Instances().size(), 2u);
  };
}

Check CreateRefused(int status, std::string text) {
  return [=](SimDriver& d, std::int64_t) {
    const Answer answer = Create(d);
    EXPECT_EQ(answer.status, status);
    EXPECT_THAT(answer.text, HasSubstr(text));
    EXPECT_FALSE(answer.json.contains("new_contract"));
    EXPECT_EQ(d.sim.Instances().size(), 1u);
  };
}

Check LogSays(std::string text) {
  return [=](SimDriver& d, std::int64_t id) { EXPECT_THAT(d.Log(id), HasSubstr(text)); };
}

std::map<Trap, Check> AnyEndpoint() {
  return {
      {Trap::kHangBefore, CutsBefore(SimReply::Cut::kHang)},
      {Trap::kResetBefore, CutsBefore(SimReply::Cut::kResetBeforeAnswer)},
      {Trap::kServerErrorBefore, Refuses(503, "<html>")},
      {Trap::kThrottleText, Refuses(429, "API requests too frequent: endpoint threshold=4.5")},
      {Trap::kThrottleDetail, Refuses(429, "{\"detail\":\"API requests too frequent")},
      {Trap::kThrottleError, Refuses(429, "\"error\":\"rate_limit_exceeded\"")},
      {Trap::kThrottleRetryAfter, Refuses(429, "\"retry_after\":20")},
      {Trap::kAuth401, Refuses(401, "auth_error")},
      {Trap::kAuth404, Refuses(404, "auth_error")},
      {Trap::kSessionExpired, Refuses(404, "Session expired. Please log in again.")},
      {Trap::kForbidden, Refuses(403, "not_authorized")},
      {Trap::kBare404, Refuses(404, "<html>")},
      {Trap::kRedirect, Refuses(308, "")},
      {Trap::kSuccessFalse, Refuses(200, "\"success\":false")},
      {Trap::kErrorEchoesBody, Refuses(400, "Invalid args: {}")},
      {Trap::kHangAfter, CutsAfter(SimReply::Cut::kHang)},
      {Trap::kResetAfter, CutsAfter(SimReply::Cut::kResetBeforeAnswer)},
      {Trap::kTruncateAfter, CutsAfter(SimReply::Cut::kTruncate)},
      {Trap::kServerErrorAfter,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(Create(d).status, 502);
         EXPECT_EQ(d.sim.Instances().size(), 2u);
       }},
      {Trap::kSlow,
       [](SimDriver& d, std::int64_t) { EXPECT_EQ(User(d).delay, absl::Seconds(10)); }},
      {Trap::kEmptyBody,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(Create(d).text, "");
         EXPECT_EQ(d.sim.Instances().size(), 2u);
       }},
      {Trap::kTrailingGarbage,
       [](SimDriver& d, std::int64_t) { EXPECT_THAT(User(d).text, HasSubstr("}{\"extra\"")); }},
      {Trap::kTruncatedJson,
       [](SimDriver& d, std::int64_t) { EXPECT_TRUE(User(d).json.is_discarded()); }},
      {Trap::kWrongContentType,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(FindHeader(User(d).headers, "content-type"), "text/html; charset=utf-8");
       }},
      {Trap::kIdsAsFloats,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_TRUE(Only(d)["id"].is_number_float());
         EXPECT_THAT(d.Do("GET", Path(id)).text, HasSubstr(std::to_string(id) + ".0"));
         EXPECT_TRUE(Create(d).json["new_contract"].is_number_float());
         EXPECT_TRUE(d.Cheapest()["machine_id"].is_number_float());
       }},
  };
}

std::map<Trap, Check> Lists() {
  return {
      {Trap::kListV0Serves,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_EQ(d.Do("GET", "/api/v0/instances/").json["instances"][0]["id"], id);
       }},
      {Trap::kListTotalMismatch,
       [](SimDriver& d, std::int64_t) { EXPECT_EQ(d.List()["total_instances"], 2); }},
      {Trap::kListTokenInvalid,
       [](SimDriver& d, std::int64_t) {
         for (int i = 0; i < 25; ++i) Create(d);
         const std::string token = d.List()["next_token"];
         EXPECT_EQ(d.List("?after_token=" + token)["error"], "invalid_token");
       }},
      {Trap::kListDropsRow,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(d.List()["instances"].size(), 0u);
         EXPECT_EQ(d.List()["total_instances"], 1);
       }},
      {Trap::kListLag,
       [](SimDriver& d, std::int64_t) {
         Create(d);
         d.Wait(absl::Seconds(30) - absl::Nanoseconds(1));
         EXPECT_EQ(d.List()["total_instances"], 1);
         d.Wait(absl::Nanoseconds(1));
         EXPECT_EQ(d.List()["total_instances"], 2);
       }},
      {Trap::kShowLag,
       [](SimDriver& d, std::int64_t) {
         const std::int64_t made = Create(d).json["new_contract"];
         EXPECT_TRUE(d.Row(made).is_null());
         d.Wait(absl::Seconds(30));
         EXPECT_FALSE(d.Row(made).is_null());
       }},
      {Trap::kInstancesNull,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_TRUE(d.Row(id).is_null());
         EXPECT_TRUE(d.List()["instances"].is_null());
       }},
      {Trap::kLabelNull,
       [](SimDriver& d, std::int64_t) { EXPECT_TRUE(Only(d)["label"].is_null()); }},
      {Trap::kLabelPadded,
       [](SimDriver& d, std::int64_t) { EXPECT_EQ(Only(d)["label"], "  first "); }},
      {Trap::kStartDateNull,
       [](SimDriver& d, std::int64_t) { EXPECT_TRUE(Only(d)["start_date"].is_null()); }},
      {Trap::kClockSkew,
       [](SimDriver& d, std::int64_t) {
         const double ahead = Only(d)["start_date"];
         d.sim.ClearFaults();
         EXPECT_DOUBLE_EQ(ahead - Only(d)["start_date"].get<double>(), 3600);
       }},
      {Trap::kGpuNameBlank,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(Only(d)["gpu_name"].get<std::string>().back(), ' ');
         EXPECT_EQ(d.Cheapest()["gpu_name"].get<std::string>().back(), ' ');
       }},
      {Trap::kNullFields,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_EQ(Only(d)["id"], id);
         EXPECT_TRUE(Only(d)["extra_env"].is_null());
       }},
  };
}

std::map<Trap, Check> Creates() {
  return {
      {Trap::kCreateNoContract,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(Create(d).json.count("new_contract"), 0u);
         EXPECT_EQ(d.sim.Instances().size(), 2u);
       }},
      {Trap::kCreateStopped,
       [](SimDriver& d, std::int64_t) {
         EXPECT_EQ(d.Row(Create(d).json["new_contract"])["actual_status"], "stopped");
       }},
      {Trap::kCreateTwice,
       [](SimDriver& d, std::int64_t) {
         Create(d, "twin");
         EXPECT_EQ(d.List()["label_counts"]["twin"], 2);
       }},
      {Trap::kNoCredit, CreateRefused(400, "Your account lacks credit")},
      {Trap::kSpendLimit, CreateRefused(400, "spend_rate_limit")},
      {Trap::kOfferGone404, CreateRefused(404, "error 404/3603: no_such_ask")},
      {Trap::kOfferGone410, CreateRefused(410, "error 410/3907: no_such_ask")},
      {Trap::kOfferGone400, CreateRefused(400, "no_such_ask")},
      {Trap::kOfferGone200, CreateRefused(200, "\"success\":false")},
      {Trap::kPriceAboveOffer,
       [](SimDriver& d, std::int64_t) {
         const json offer = d.Search({{"allocated_storage", 15}}).json["offers"][0];
         const std::int64_t made = d.CreateAt(offer["id"], "x").json["new_contract"];
         EXPECT_NEAR(d.Row(made)["dph_total"].get<double>() - offer["dph_total"].get<double>(),
                     0.01, 2e-6);
       }},
      {Trap::kSearchIgnoresPrice,
       [](SimDriver& d, std::int64_t) {
         EXPECT_GT(d.Search({{"dph_total", {{"lte", 0.0001}}}}).json["offers"].size(), 0u);
       }},
      {Trap::kSearchFewerFields,
       [](SimDriver& d, std::int64_t) { EXPECT_EQ(d.Cheapest().size(), 5u); }},
      {Trap::kSearchNullFields,
       [](SimDriver& d, std::int64_t) { EXPECT_TRUE(d.Cheapest()["dph_total"].is_null()); }},
      {Trap::kSearchWrongTypes,
       [](SimDriver& d, std::int64_t) {
         EXPECT_TRUE(d.Cheapest()["dph_total"].is_string());
         EXPECT_TRUE(d.Cheapest()["geolocation"].is_number());
       }},
      {Trap::kSearchEmpty,
       [](SimDriver& d, std::int64_t) { EXPECT_EQ(d.Search().json["offers"], json::array()); }},
      {Trap::kDestroy404, Refuses(404, "not_found")},
      {Trap::kDestroyIgnored, Refuses(200, "\"success\":true")},
      {Trap::kDestroyLag,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_EQ(d.Do("DELETE", Path(id)).status, 200);
         EXPECT_EQ(Only(d)["id"], id);
         EXPECT_TRUE(d.Row(id).is_null());
         d.Wait(absl::Seconds(30));
         EXPECT_EQ(d.List()["total_instances"], 0);
       }},
      {Trap::kStartQueued,
       [](SimDriver& d, std::int64_t id) {
         d.Do("PUT", Path(id), {{"state", "stopped"}});
         EXPECT_THAT(d.Do("PUT", Path(id), {{"state", "running"}}).text,
                     HasSubstr("state change queued"));
         EXPECT_EQ(d.Row(id)["intended_status"], "running");
         EXPECT_EQ(d.Row(id)["cur_state"], "stopped");
         d.Wait(absl::Minutes(11));
         EXPECT_EQ(d.Row(id)["actual_status"], "running");
       }},
  };
}

std::map<Trap, Check> Logs() {
  return {
      {Trap::kLogForbidden,
       [](SimDriver& d, std::int64_t id) { EXPECT_EQ(AskLog(d, id).status, 403); }},
      {Trap::kLogInvalidId,
       [](SimDriver& d, std::int64_t id) { EXPECT_EQ(AskLog(d, id).json["error"], "invalid_id"); }},
      {Trap::kLogNoUrl,
       [](SimDriver& d, std::int64_t id) {
         EXPECT_EQ(AskLog(d, id).json["success"], false);
         EXPECT_FALSE(AskLog(d, id).json.contains("result_url"));
       }},
      {Trap::kLogNeverReady,
       [](SimDriver& d, std::int64_t id) {
         const std::string url = AskLog(d, id).json["result_url"];
         d.Wait(absl::Minutes(9));
         EXPECT_EQ(d.FetchUrl(url).status, 403);
       }},
      {Trap::kLogLate,
       [](SimDriver& d, std::int64_t id) {
         const std::string url = AskLog(d, id).json["result_url"];
         d.Wait(absl::Seconds(10) - absl::Nanoseconds(1));
         EXPECT_EQ(d.FetchUrl(url).status, 403);
         d.Wait(absl::Nanoseconds(1));
         EXPECT_EQ(d.FetchUrl(url).status, 200);
       }},
      {Trap::kLogRedirect,
       [](SimDriver& d, std::int64_t id) {
         const std::string url = AskLog(d, id).json["result_url"];
         d.Wait(absl::Seconds(2));
         EXPECT_EQ(d.FetchUrl(url).status, 302);
       }},
      {Trap::kLogEmpty, [](SimDriver& d, std::int64_t id) { EXPECT_EQ(d.Log(id), ""); }},
      {Trap::kLogNoContainer, LogSays("Error response from daemon: No such container: C.")},
      {Trap::kLogDaemon, LogSays("Pulling fs layer")},
      {Trap::kLogFrozen,
       [](SimDriver& d, std::int64_t id) {
         const std::string before = d.Log(id);
         EXPECT_THAT(before, Not(HasSubstr("batch 4:")));
         d.Wait(absl::Minutes(20));
         EXPECT_NE(d.Log(id), before);
       }},
      {Trap::kLogCarriageReturns, LogSays("\rNew Data Upload: 100%|##########|")},
      {Trap::kLogAnsi, LogSays("\x1b[1;32m")},
      {Trap::kLogLongLine,
       [](SimDriver& d, std::int64_t id) { EXPECT_GT(d.Log(id).size(), 1u << 20); }},
      {Trap::kLogBadUtf8, LogSays("\xff\xfe\xc0")},
      {Trap::kLogShortTail,
       [](SimDriver& d, std::int64_t id) {
         const std::string log = d.Log(id);
         EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 3);
       }},
      {Trap::kLogEchoesSecrets, LogSays("HF_TOKEN=hf_secret")},
  };
}

std::map<Trap, Check> AllChecks() {
  std::map<Trap, Check> all = AnyEndpoint();
  all.merge(Lists());
  all.merge(Creates());
  all.merge(Logs());
  return all;
}

class VastSimTrap : public testing::TestWithParam<Trap> {};

TEST_P(VastSimTrap, DoesWhatItsNameSays) {
  const std::map<Trap, Check> checks = AllChecks();
  const auto check = checks.find(GetParam());
  ASSERT_NE(check, checks.end()) << "no check for " << TrapName(GetParam());
  SimDriver d;
  const std::int64_t id = d.Rent("first", {{"env", {{"HF_TOKEN", "hf_secret"}}}});
  d.Wait(absl::Minutes(12));
  d.sim.SetFault({.trap = GetParam()});
  d.sim.ClearJournal();
  check->second(d, id);
  std::string fired;
  for (const JournalEntry& entry : d.sim.Journal()) fired += entry.traps + " ";
  EXPECT_THAT(fired, HasSubstr(TrapName(GetParam())));
}

std::vector<Trap> AllTraps() {
  return {
#define TRAP(name, wire, what) Trap::name,
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
  };
}

INSTANTIATE_TEST_SUITE_P(All, VastSimTrap, testing::ValuesIn(AllTraps()),
                         [](const testing::TestParamInfo<Trap>& info) {
                           return std::string(TrapName(info.param));
                         });

TEST(VastSimTraps, NamesAreDistinctAndFindTheirTrap) {
  std::set<std::string_view> names;
  for (const Trap trap : AllTraps()) {
    EXPECT_TRUE(names.insert(TrapName(trap)).second) << TrapName(trap);
    EXPECT_EQ(TrapFromName(TrapName(trap)), trap);
  }
  EXPECT_EQ(TrapFromName("no_such_trap"), std::nullopt);
}

TEST(VastSimTraps, FireForTheirEndpointAndInstanceAsOftenAsToldAfterSkipping) {
  SimDriver d;
  const std::int64_t first = d.RentProducing("a"), second = d.RentProducing("b");
  d.sim.SetFault({.trap = Trap::kAuth401,
                  .endpoint = "GET instances/{id}",
                  .instance = second,
                  .skip = 1,
                  .times = 2});
  EXPECT_EQ(User(d).status, 200);
  EXPECT_EQ(d.Do("GET", Path(first)).status, 200);
  std::vector<int> seen;
  for (int i = 0; i < 4; ++i) seen.push_back(d.Do("GET", Path(second)).status);
  EXPECT_THAT(seen, testing::ElementsAre(200, 401, 401, 200));
}

TEST(VastSimTraps, ByChanceFireSometimesAndTheSameWayFromTheSameSeed) {
  const auto run = [] {
    SimDriver d;
    d.sim.SetFault({.trap = Trap::kBare404, .chance = 0.5});
    std::vector<int> seen;
    for (int i = 0; i < 50; ++i) seen.push_back(User(d).status);
    return seen;
  };
  const std::vector<int> seen = run();
  EXPECT_THAT(seen, testing::Contains(200));
  EXPECT_THAT(seen, testing::Contains(404));
  EXPECT_EQ(seen, run());
}

TEST(VastSimTraps, ClearedOnesNoLongerFire) {
  SimDriver d;
  d.sim.SetFault({.trap = Trap::kBare404});
  d.sim.SetFault({.trap = Trap::kSlow});
  EXPECT_EQ(d.sim.ClearFaults(Trap::kBare404), 1);
  EXPECT_EQ(User(d).status, 200);
  EXPECT_EQ(d.sim.ClearFaults(), 1);
  EXPECT_EQ(User(d).delay, absl::ZeroDuration());
}

}  // namespace
}  // namespace muster::vastsim
