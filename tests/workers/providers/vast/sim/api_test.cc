// The wire as documented: lists, pages, search, create, keys, secrets, old and new spellings.
#include <set>

#include "tests/support/pch.h"
#include "tests/workers/providers/vast/sim/sim_driver.h"

namespace muster::vastsim {
namespace {

using nlohmann::json;
using testing::AnyOf;
using testing::HasSubstr;

std::string Path(std::int64_t id) { return "/api/v0/instances/" + std::to_string(id) + "/"; }

SimDriver& FillWith(SimDriver& d, int count) {
  for (int i = 0; i < count; ++i) d.sim.AddForeign({.label = "w" + std::to_string(i)});
  return d;
}

TEST(VastSimList, PagesOf25RowsWalkTheWholeSetOnce) {
  SimDriver d;
  FillWith(d, 60);
  std::set<std::int64_t> seen;
  std::vector<std::size_t> sizes;
  std::string query = "?limit=100";
  for (;;) {
    const json page = d.List(query);
    EXPECT_EQ(page["total_instances"], 60);
    EXPECT_EQ(page["instances_found"], page["instances"].size());
    sizes.push_back(page["instances"].size());
    for (const json& row : page["instances"]) seen.insert(row["id"].get<std::int64_t>());
    if (page["next_token"].is_null()) break;
    query = "?limit=100&after_token=" + page["next_token"].get<std::string>();
  }
  EXPECT_THAT(sizes, testing::ElementsAre(25, 25, 10));
  EXPECT_EQ(seen.size(), 60u);
}

TEST(VastSimList, ANonsenseLimitIsTakenAsFive) {
  SimDriver d;
  FillWith(d, 9);
  EXPECT_EQ(d.List("?limit=0")["instances"].size(), 5u);
  EXPECT_EQ(d.List("?limit=-3")["instances"].size(), 5u);
  EXPECT_EQ(d.List("?limit=7")["instances"].size(), 7u);
}

TEST(VastSimList, KeepsItsPlaceWhenRowsVanishBetweenPages) {
  SimDriver d;
  FillWith(d, 30);
  const json first = d.List();
  d.Do("DELETE", Path(first["instances"][24]["id"]));
  const json second = d.List("?after_token=" + first["next_token"].get<std::string>());
  EXPECT_EQ(second["instances"].size(), 5u);
  EXPECT_EQ(second["total_instances"], 29);
}

TEST(VastSimList, FiltersStoredColumnsOnlyAndCountsLabels) {
  SimDriver d;
  FillWith(d, 3);
  d.sim.AddForeign({.label = "w1"});
  const json twins = d.List("?select_filters=%7B%22label%22%3A%7B%22eq%22%3A%22w1%22%7D%7D");
  EXPECT_EQ(twins["total_instances"], 2);
  EXPECT_EQ(twins["label_counts"]["w1"], 2);
  const Answer computed =
      d.Do("GET", "/api/v1/instances/?select_filters={\"dph_total\":{\"lt\":1}}");
  EXPECT_EQ(computed.status, 400);
  EXPECT_EQ(computed.json["error"], "invalid_request");
}

TEST(VastSimList, OrdersByAColumnInEitherDirectionAcrossPages) {
  SimDriver d;
  FillWith(d, 30);
  const std::string order = "?order_by=[{\"col\":\"label\",\"dir\":\"desc\"}]";
  const json first = d.List(order);
  EXPECT_EQ(first["instances"][0]["label"], "w9");
  const json second = d.List(order + "&after_token=" + first["next_token"].get<std::string>());
  EXPECT_EQ(second["instances"].back()["label"], "w0");
  EXPECT_EQ(d.Do("GET", "/api/v1/instances/?order_by=[{\"col\":\"nope\"}]").status, 400);
}

TEST(VastSimList, GivesTheColumnsAskedFor) {
  SimDriver d;
  FillWith(d, 1);
  EXPECT_EQ(d.List("?select_cols=[\"id\",\"label\"]")["instances"][0].size(), 2u);
}

TEST(VastSimList, AMadeUpTokenIsRefused) {
  SimDriver d;
  EXPECT_EQ(d.List("?after_token=nonsense")["error"], "invalid_token");
}

TEST(VastSimList, TheOldListIsRetiredUnlessTheOptionSaysOtherwise) {
  SimDriver d;
  EXPECT_EQ(d.Do("GET", "/api/v0/instances/").status, 410);
  EXPECT_EQ(d.Do("GET", "/api/v0/instances").json["error"], "deprecated_endpoint");
  VastSimOptions options = SimDriver::Calm();
  options.v0_list = true;
  SimDriver old(options);
  FillWith(old, 40);
  EXPECT_EQ(old.Do("GET", "/api/v0/instances?owner=me").json["instances"].size(), 40u);
}

TEST(VastSimList, AnUnknownInstanceReadsAsNullWith200) {
  SimDriver d;
  const Answer answer = d.Do("GET", "/api/v0/instances/4711/");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.text, "{\"instances\":null}");
}

TEST(VastSimList, ReturnsTheSecretsGivenAtCreate) {
  SimDriver d;
  const std::int64_t id =
      d.Rent("w", {{"env", {{"HF_TOKEN", "hf_x"}}}, {"onstart", "export K=hf_y"}});
  EXPECT_EQ(d.Row(id)["extra_env"], json::parse(R"([["HF_TOKEN","hf_x"]])"));
  EXPECT_EQ(d.Row(id)["onstart"], "export K=hf_y");
}

TEST(VastSimSearch, FiltersByEveryOperatorWhateverTypeTheValueHas) {
  SimDriver d;
  const auto count = [&](const json& query) { return d.Search(query).json["offers"].size(); };
  const std::size_t all = count(json::object());
  EXPECT_EQ(all, 64u);  // whatever limit says
  EXPECT_EQ(count({{"limit", 1000}}), 64u);
  EXPECT_EQ(count({{"limit", "3"}}), 3u);
  const json found = d.Search({{"num_gpus", {{"eq", "1"}}},
                               {"dph_total", {{"lte", "0.09"}, {"gt", 0.05}}},
                               {"gpu_name", {{"in", {"RTX 3070", "RTX 4070 Ti"}}}},
                               {"verified", {{"eq", true}}}})
                         .json["offers"];
  EXPECT_FALSE(found.empty());
  for (const json& offer : found) {
    EXPECT_EQ(offer["num_gpus"], 1);
    EXPECT_LE(offer["dph_total"].get<double>(), 0.09);
    EXPECT_GT(offer["dph_total"].get<double>(), 0.05);
    EXPECT_THAT(offer["gpu_name"].get<std::string>(), AnyOf("RTX 3070", "RTX 4070 Ti"));
    EXPECT_EQ(offer["verification"], "verified");
  }
  EXPECT_EQ(count({{"num_gpus", {{"notin", {1, 2, 4}}}}}), 0u);
  EXPECT_EQ(count({{"reliability2", {{"gte", 0}}}, {"num_gpus", {{"neq", 1}, {"lt", "3"}}}}),
            count({{"num_gpus", {{"eq", 2}}}}));
  EXPECT_EQ(count({{"id", {{"eq", d.Cheapest()["id"]}}}}), 0u);
  EXPECT_EQ(count({{"ask_contract_id", {{"eq", d.Cheapest()["id"]}}}}), 1u);
}

TEST(VastSimSearch, RefusesUnknownFieldsOperatorsAndNulls) {
  SimDriver d;
  EXPECT_THAT(d.Search({{"bogus_field", {{"eq", 1}}}}).text,
              HasSubstr("bogus_field is not a valid search key"));
  EXPECT_EQ(d.Search({{"num_gpus", {{"eq", 99}}}, {"zzz", {{"eq", 1}}}}).status, 400);
  EXPECT_EQ(d.Search({{"num_gpus", {{"about", 1}}}}).status, 400);
  EXPECT_THAT(d.Search({{"driver_vers", {{"gte", nullptr}}}}).text,
              HasSubstr("ask_contract_offers.driver_vers gte None: query values can't be None"));
}

TEST(VastSimSearch, OrdersByAnyFieldInEitherDirection) {
  SimDriver d;
  const json rows =
      d.Search({{"order", json::parse(R"([["gpu_ram","desc"],["dph_total","asc"]])")}})
          .json["offers"];
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const json &a = rows[i - 1], &b = rows[i];
    EXPECT_GE(a["gpu_ram"], b["gpu_ram"]);
    if (a["gpu_ram"] == b["gpu_ram"]) {
      EXPECT_LE(a["dph_total"], b["dph_total"]);
    }
  }
}

TEST(VastSimSearch, SaysTheSameInItsThreeSpellings) {
  SimDriver d;
  const json query = {{"num_gpus", {{"eq", 1}}}, {"order", By("dph_total")}, {"limit", 5}};
  const json posted = d.Search(query).json["offers"];
  EXPECT_EQ(posted.size(), 5u);
  EXPECT_EQ(
      d.Do("PUT", "/api/v0/search/asks/", {{"select_cols", {"*"}}, {"q", query}}).json["offers"],
      posted);
  EXPECT_EQ(d.Do("GET", "/api/v0/bundles?q=" + query.dump()).json["offers"], posted);
}

TEST(VastSimSearch, AnswersWithTheBareContentType) {
  SimDriver d;
  EXPECT_EQ(FindHeader(d.Search().headers, "Content-Type"), "application/json");
}

TEST(VastSimCreate, ChecksItsArguments) {
  SimDriver d;
  const std::int64_t offer = d.Cheapest()["id"];
  const auto status = [&](json more) { return d.CreateAt(offer, "l", more).status; };
  EXPECT_EQ(status({{"image", nullptr}}), 400);
  EXPECT_EQ(status({{"image", std::string(1025, 'i')}}), 400);
  EXPECT_EQ(status({{"disk", 7.9}}), 400);
  EXPECT_EQ(status({{"disk", 1e6}}), 400);
  EXPECT_EQ(status({{"label", std::string(257, 'l')}}), 400);
  EXPECT_EQ(status({{"onstart", std::string(4000, 'o')}, {"args_str", std::string(97, 'a')}}), 400);
  EXPECT_EQ(status({{"env", {{"K", std::string(32768, 'v')}}}}), 400);
  EXPECT_EQ(status({{"target_state", "sleeping"}}), 400);
  EXPECT_EQ(d.CreateAt(offer, "l", {{"price", 0}}).json["error"], "invalid_price");
  EXPECT_EQ(d.sim.Instances().size(), 0u);
  EXPECT_EQ(status({{"onstart", std::string(4000, 'o')},
                    {"args_str", std::string(96, 'a')},
                    {"price", nullptr},
                    {"image_login", nullptr},
                    {"force", false}}),
            200);
}

TEST(VastSimCreate, AnOfferThatIsGoneIs410Or404ByCancelUnavail) {
  SimDriver d;
  const std::int64_t offer = d.Cheapest()["id"];
  ASSERT_TRUE(d.sim.RemoveOffer(offer).ok());
  EXPECT_EQ(d.CreateAt(offer, "l", {{"cancel_unavail", true}}).status, 410);
  EXPECT_EQ(d.CreateAt(offer, "l", {{"cancel_unavail", false}}).status, 404);
  EXPECT_EQ(d.CreateAt(9001, "l").json["ask_id"], 9001);
}

TEST(VastSimCreate, ABidBelowTheLeastWaitsStoppedUntilItIsRaised) {
  SimDriver d;
  const json offer = d.Cheapest();
  const double least = offer["min_bid"];
  const std::int64_t id =
      d.CreateAt(offer["id"], "l", {{"price", least * 0.9}}).json["new_contract"];
  EXPECT_EQ(d.Row(id)["actual_status"], "stopped");
  EXPECT_EQ(d.Row(id)["is_bid"], true);
  EXPECT_EQ(d.Do("PUT", "/api/v0/instances/bid_price/" + std::to_string(id) + "/",
                 {{"client_id", "me"}, {"price", least * 1.1}})
                .status,
            200);
  d.Wait(absl::Minutes(1));
  EXPECT_EQ(d.Row(id)["actual_status"], "running");
}

TEST(VastSimCreate, EnvAsADockerFlagStringHasNoEffect) {
  SimDriver d;
  EXPECT_EQ(d.Row(d.Rent("l", {{"env", "-e K=v"}}))["extra_env"], json::array());
}

TEST(VastSimAuth, AcceptsTheHeaderAndTheQueryAndNotesTheLatter) {
  SimDriver d;
  d.key.clear();
  EXPECT_EQ(d.Do("GET", "/api/v0/users/current?api_key=sim-key").status, 200);
  EXPECT_TRUE(d.sim.Journal().back().key_in_url);
  EXPECT_EQ(d.Do("GET", "/api/v0/users/current").status, 401);
  EXPECT_EQ(d.Search().status, 404);
  EXPECT_EQ(d.Search().json["error"], "auth_error");
  EXPECT_EQ(d.Do("GET", "/api/v0/gpu_names/unique/").status, 200);
}

TEST(VastSimAuth, AScopedKeyMayDoWhatItsPermissionsSay) {
  VastSimOptions options = SimDriver::Calm();
  options.scoped_keys["read-only"] = {"instance_read", "user_read"};
  SimDriver d(options);
  const std::int64_t id = d.RentProducing("w");
  d.key = "read-only";
  EXPECT_EQ(d.Row(id)["id"], id);
  EXPECT_EQ(d.Do("DELETE", Path(id)).json["error"], "not_authorized");
  EXPECT_EQ(d.Search().status, 403);
}

TEST(VastSimLogs, AreNotThereAtOnceAndTheKeyMustStayAtHome) {
  SimDriver d;
  const std::int64_t id = d.RentProducing("w");
  const Answer asked =
      d.Do("PUT", "/api/v0/instances/request_logs/" + std::to_string(id) + "/", {{"tail", "5"}});
  const std::string url = asked.json["result_url"];
  EXPECT_THAT(url, HasSubstr("http://127.0.0.1:4010/logs/"));
  EXPECT_EQ(d.FetchUrl(url).status, 403);
  d.Wait(absl::Seconds(2));
  EXPECT_EQ(d.Do("GET", url).status, 400);
  EXPECT_EQ(d.sim.KeysLeaked(), 1);
  EXPECT_EQ(FindHeader(d.FetchUrl(url).headers, "Content-Type"), "text/plain");
  EXPECT_EQ(d.FetchUrl("http://127.0.0.1:4010/logs/none.log").status, 404);
}

TEST(VastSimLogs, FilterAndDaemonLogsAreHonoured) {
  SimDriver d;
  const std::int64_t id = d.RentProducing("w");
  const std::string path = "/api/v0/instances/request_logs/" + std::to_string(id) + "/";
  const std::string filtered = d.Do("PUT", path, {{"filter", "repo cloned"}}).json["result_url"];
  const std::string daemon = d.Do("PUT", path, {{"daemon_logs", "true"}}).json["result_url"];
  d.Wait(absl::Seconds(2));
  EXPECT_EQ(d.FetchUrl(filtered).text, "repo cloned\n");
  EXPECT_THAT(d.FetchUrl(daemon).text, HasSubstr("Pull complete"));
  EXPECT_EQ(d.Do("PUT", "/api/v0/instances/request_logs/1/").json["error"], "invalid_id");
}

TEST(VastSimChange, LabelsStartsStopsRebootsAndDestroysSeveral) {
  SimDriver d;
  const std::int64_t id = d.RentProducing("w"), other = d.RentProducing("v");
  d.Do("PUT", Path(id), {{"label", "renamed"}});
  EXPECT_EQ(d.Row(id)["label"], "renamed");
  EXPECT_EQ(d.Do("PUT", Path(id), {{"label", std::string(1025, 'l')}}).json["error"],
            "label_too_long");
  d.Do("PUT", "/api/v0/instances/", {{"state", "stopped"}, {"ids", {id, other}}});
  EXPECT_EQ(d.Row(other)["actual_status"], "stopped");
  EXPECT_EQ(d.Do("PUT", Path(id), {{"state", "paused"}}).status, 400);
  d.Do("PUT", Path(id), {{"state", "running"}});
  d.Wait(absl::Minutes(1));
  d.Do("PUT", "/api/v0/instances/reboot/" + std::to_string(id) + "/", json::object());
  EXPECT_EQ(d.Row(id)["actual_status"], "rebooting");
  d.Wait(absl::Seconds(15));
  EXPECT_EQ(d.Row(id)["actual_status"], "running");
  EXPECT_EQ(d.Do("PUT", Path(1), {{"label", "x"}}).json["error"], "no_such_instance");
  d.Do("DELETE", "/api/v0/instances/", {{"instance_ids", {id, std::to_string(other)}}});
  EXPECT_EQ(d.sim.Instances().size(), 0u);
}

TEST(VastSimChange, RunsTheThreeCommandsAndKeepsKeys) {
  SimDriver d;
  const std::int64_t id = d.RentProducing("w");
  const std::string command = "/api/v0/instances/command/" + std::to_string(id) + "/";
  EXPECT_EQ(d.Do("PUT", command, {{"command", "cat /etc/passwd"}}).status, 400);
  const Answer ran = d.Do("PUT", command, {{"command", "ls -l"}});
  EXPECT_EQ(d.FetchUrl(ran.json["result_url"]).status, 200);
  EXPECT_EQ(d.Do("GET", "/api/v0/ssh/").status, 404);
  EXPECT_EQ(d.Do("POST", Path(id) + "ssh/", {{"ssh_key", "ssh-ed25519 A"}}).status, 200);
  EXPECT_EQ(d.Do("GET", "/api/v0/ssh/").json.size(), 1u);
  EXPECT_EQ(d.Do("DELETE", Path(id) + "ssh/1/").status, 200);
}

TEST(VastSimWire, AnswersNonsenseWithErrorsNotWithCrashes) {
  SimDriver d;
  EXPECT_EQ(d.Do("GET", "/").status, 404);
  EXPECT_EQ(d.Do("PATCH", "/api/v0/users/current").status, 404);
  EXPECT_EQ(d.Do("DELETE", "/api/v0/instances/99999999999999999999/").status, 404);
  HttpRequest request{.method = "POST", .url = "/api/v0/bundles/"};
  request.headers = {{"Authorization", "Bearer sim-key"}};
  for (const char* body : {"{", "[1]", "null", "\xff", "\"q\""}) {
    request.body = body;
    EXPECT_EQ(d.Send(request).status, 400) << body;
  }
  for (const json& query : {json{{"order", "x"}}, json{{"order", {{1}}}}, json{{"limit", "x"}},
                            json{{"type", 7}}, json{{"num_gpus", 1}}}) {
    EXPECT_THAT(d.Search(query).status, AnyOf(200, 400)) << query;
  }
}

}  // namespace
}  // namespace muster::vastsim
