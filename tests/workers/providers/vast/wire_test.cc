#include "workers/providers/vast/wire.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"
#include "workers/providers/vast/json.h"

namespace muster::vast {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string Sample(const std::string& name) {
  std::ifstream file(SourceDir() + "/workers/providers/vast/testdata/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

OfferQuery Query() {
  OfferQuery query;
  query.gpus = {GpuName("RTX 3070 Ti"), GpuName("RTX 4070")};
  query.disk_gb = 15;
  query.price_max = MicroUsdPerHour(90'000);
  return query;
}

// The documented offer with some fields replaced; null removes nothing, it is sent as null.
std::string SearchWith(const json& changes) {
  json answer = json::parse(Sample("search.json"));
  answer["offers"][0].update(changes);
  return answer.dump();
}

std::vector<Offer> Found(const std::string& body, const OfferQuery& query) {
  StatusOr<SearchPage> page = ParseSearch(body, query);
  EXPECT_THAT(page, IsOk());
  return page.ok() ? page->offers : std::vector<Offer>();
}

std::string ListWith(const json& changes) {
  json answer = json::parse(Sample("list_page.json"));
  answer["instances"][0].update(changes);
  return answer.dump();
}

Instance OneOf(const std::string& body) {
  StatusOr<ListPage> page = ParseList(body);
  EXPECT_THAT(page, IsOk());
  if (!page.ok() || page->instances.size() != 1) return {};
  return page->instances[0];
}

TEST(VastWire, ReadsTheDocumentedInstance) {
  const Instance instance = OneOf(Sample("list_page.json"));
  EXPECT_EQ(instance.id.str(), "21934511");
  EXPECT_EQ(instance.label, "zeb-worker-vast-0");
  EXPECT_EQ(instance.machine.str(), "24817");
  EXPECT_EQ(instance.host, "88012");
  EXPECT_EQ(instance.gpu.str(), "RTX 3070 Ti");
  EXPECT_EQ(instance.actual, ActualStatus::kRunning);
  EXPECT_EQ(instance.intended_raw, "running");
  EXPECT_EQ(instance.price, MicroUsdPerHour(81'225));
  EXPECT_TRUE(instance.price_known);
  EXPECT_EQ(instance.started_at, absl::FromUnixMicros(1'770'403'201'420'000));
  EXPECT_EQ(instance.ssh_host, "203.0.113.21");
  EXPECT_EQ(instance.ssh_port, 41022);
}

TEST(VastWire, GoesThroughTheProxyWhenNoPortIsOpen) {
  const Instance plain = OneOf(ListWith({{"ports", nullptr}}));
  EXPECT_EQ(plain.ssh_host, "ssh5.vast.ai");
  EXPECT_EQ(plain.ssh_port, 14511);
  const Instance notebook =
      OneOf(ListWith({{"ports", json::object()}, {"image_runtype", "jupyter_direc ssh_direc"}}));
  EXPECT_EQ(notebook.ssh_port, 14512);
  EXPECT_EQ(OneOf(ListWith({{"ports", nullptr}, {"ssh_port", 70000}})).ssh_host, "");
}

TEST(VastWire, EveryFieldOfAnInstanceButItsIdMayBeNull) {
  json row = json::parse(Sample("list_page.json"))["instances"][0];
  for (auto& [key, value] : row.items()) {
    if (key != "id") value = nullptr;
  }
  const Instance instance = OneOf(json{{"instances", json::array({row})}}.dump());
  EXPECT_EQ(instance.id.str(), "21934511");
  EXPECT_EQ(instance.actual, ActualStatus::kNone);
  EXPECT_FALSE(instance.price_known);
  EXPECT_FALSE(instance.started_at.has_value());
  EXPECT_EQ(instance.ssh_port, 0);
}

TEST(VastWire, FieldsOfAWrongTypeAreAbsentNotFatal) {
  const Instance instance = OneOf(ListWith({{"label", 7},
                                            {"machine_id", "24817"},
                                            {"dph_total", "0.0812"},
                                            {"start_date", "soon"},
                                            {"num_gpus", "2"},
                                            {"ports", "none"},
                                            {"actual_status", 3}}));
  EXPECT_EQ(instance.label, "");
  EXPECT_EQ(instance.machine.str(), "24817");
  EXPECT_EQ(instance.price, MicroUsdPerHour(81'200));
  EXPECT_EQ(instance.gpus, 2);
  EXPECT_FALSE(instance.started_at.has_value());
  EXPECT_EQ(instance.ssh_host, "ssh5.vast.ai");
}

TEST(VastWire, ANonNumberIsNoPrice) {
  for (const char* bad :
       {"NaN", "Infinity", "-Infinity", "\"nan\"", "\"inf\"", "-0.5", "1e308", "true", "[]"}) {
    const std::string body =
        std::string(R"({"instances":[{"id":7,"dph_total":)") + bad + R"(,"label":"NaN \" NaN"}]})";
    const Instance instance = OneOf(body);
    EXPECT_FALSE(instance.price_known) << bad;
    EXPECT_EQ(instance.label, "NaN \" NaN") << bad;
  }
}

TEST(VastWire, IdsAreWholeHoweverWritten) {
  EXPECT_EQ(OneOf(R"({"instances":[{"id":21934511.0}]})").id.str(), "21934511");
  EXPECT_EQ(OneOf(R"({"instances":[{"id":"21934511"}]})").id.str(), "21934511");
  EXPECT_EQ(OneOf(R"({"instances":[{"id":9007199254740993}]})").id.str(), "9007199254740993");
}

TEST(VastWire, ARowWithoutAnIdSpoilsTheList) {
  for (const char* row : {"{}", R"({"id":null})", R"({"id":1.5})", R"({"id":-1})", "null", "3"}) {
    const std::string body = std::string(R"({"instances":[{"id":7},)") + row + "]}";
    EXPECT_EQ(TroubleOf(ParseList(body).status()), Trouble::kMalformed) << row;
  }
}

TEST(VastWire, WhatIsNoListIsNeverAnEmptyList) {
  for (const char* body : {"", "{}", "null", "[]", R"({"instances":null})", R"({"instances":{}})",
                           R"({"success":true})", "<html></html>", R"({"instances":[)",
                           R"({"instances":[]}{"instances":[]})", R"({"instances":[]} Extra data)",
                           R"({"instances":[],"instances_found":3})"}) {
    EXPECT_EQ(TroubleOf(ParseList(body).status()), Trouble::kMalformed) << body;
  }
  StatusOr<ListPage> empty = ParseList(R"({"instances":[],"total_instances":0})");
  ASSERT_THAT(empty, IsOk());
  EXPECT_THAT(empty->instances, IsEmpty());
}

TEST(VastWire, MapsEveryStatusAndKeepsTheRawText) {
  const std::pair<const char*, ActualStatus> rows[] = {{"created", ActualStatus::kCreated},
                                                       {"loading", ActualStatus::kLoading},
                                                       {"running", ActualStatus::kRunning},
                                                       {"exited", ActualStatus::kExited},
                                                       {"stopped", ActualStatus::kStopped},
                                                       {"frozen", ActualStatus::kFrozen},
                                                       {"rebooting", ActualStatus::kTransient},
                                                       {"recycling", ActualStatus::kTransient},
                                                       {"restarting", ActualStatus::kTransient},
                                                       {"unknown", ActualStatus::kUnknown},
                                                       {"offline", ActualStatus::kOffline},
                                                       {"hibernating", ActualStatus::kOther},
                                                       {"none", ActualStatus::kOther}};
  for (const auto& [raw, want] : rows) {
    const Instance instance = OneOf(ListWith({{"actual_status", raw}}));
    EXPECT_EQ(instance.actual, want) << raw;
    EXPECT_EQ(instance.actual_raw, raw);
  }
}

TEST(VastWire, NeverReadsTheFieldsThatReturnSecrets) {
  const Instance i = OneOf(Sample("list_page.json"));
  for (const std::string& text :
       {i.label, i.status_message, i.ssh_host, i.location, i.actual_raw, i.intended_raw}) {
    EXPECT_THAT(text, Not(HasSubstr("planted")));
  }
}

TEST(VastWire, ShowTellsNullFromNonsense) {
  const InstanceId id("7");
  StatusOr<std::optional<Instance>> gone = ParseShow(R"({"instances": null})", id);
  ASSERT_THAT(gone, IsOk());
  EXPECT_FALSE(gone->has_value());
  StatusOr<std::optional<Instance>> there = ParseShow(R"({"instances": {"id": 7}})", id);
  ASSERT_THAT(there, IsOk());
  EXPECT_TRUE(there->has_value());
  for (const char* body : {"", "{}", "null", "[]", R"({"instances": {}})",
                           R"({"instances": {"id": 8}})", R"({"instances": nul)"}) {
    EXPECT_EQ(TroubleOf(ParseShow(body, id).status()), Trouble::kMalformed) << body;
  }
}

TEST(VastWire, ReadsTheDocumentedOffer) {
  const std::vector<Offer> offers = Found(Sample("search.json"), Query());
  ASSERT_THAT(offers, SizeIs(1));
  EXPECT_EQ(offers[0].id.str(), "31877042");
  EXPECT_EQ(offers[0].machine.str(), "24817");
  EXPECT_EQ(offers[0].gpu.str(), "RTX 3070 Ti");
  EXPECT_EQ(offers[0].price, MicroUsdPerHour(81'225));
  EXPECT_EQ(offers[0].location, "Sweden, SE");
}

TEST(VastWire, ChecksAgainWhatTheServerShouldHaveFiltered) {
  struct Row {
    const char* field;
    json passes;
    json fails;
  };
  OfferQuery query = Query();
  query.reliability_min = 0.95;
  query.cuda_min = 12.4;
  query.inet_down_mbps_min = 100;
  query.inet_up_mbps_min = 50;
  query.remaining_min = absl::Hours(24);
  query.countries = {"SE", "US"};
  const Row rows[] = {
      {"dph_total", 0.09, 0.090001},
      {"gpu_name", "RTX 4070 ", "RTX 4070 Ti"},
      {"num_gpus", 1, 2},
      {"reliability2", 0.95, 0.9499},
      {"cuda_max_good", 12.4, 12.3},
      {"inet_down", 100, 99.9},
      {"inet_up", "50", "49.9"},
      {"duration", 86400, 86399},
      {"disk_space", 15, 14.9},
      {"verification", "verified", "deverified"},
      {"rentable", true, false},
      {"rented", false, true},
      {"geolocation", ", US", "Germany, DE"},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(Found(SearchWith({{row.field, row.passes}}), query), SizeIs(1)) << row.field;
    EXPECT_THAT(Found(SearchWith({{row.field, row.fails}}), query), IsEmpty()) << row.field;
  }
}

TEST(VastWire, AnOfferWithoutIdMachineOrPriceIsLeftOut) {
  EXPECT_THAT(Found(SearchWith({{"id", nullptr}}), Query()), SizeIs(1));  // ask_contract_id serves
  EXPECT_THAT(Found(SearchWith({{"id", nullptr}, {"ask_contract_id", nullptr}}), Query()),
              IsEmpty());
  EXPECT_THAT(Found(SearchWith({{"machine_id", nullptr}}), Query()), IsEmpty());
  EXPECT_THAT(Found(SearchWith({{"dph_total", nullptr}}), Query()), IsEmpty());
  EXPECT_THAT(Found(SearchWith({{"dph_total", 0}, {"dph_base", 0}, {"storage_cost", 0}}), Query()),
              IsEmpty());
}

TEST(VastWire, FieldsTheServerLeavesOutDoNotRefuseAnOffer) {
  OfferQuery query = Query();
  query.reliability_min = 0.95;
  query.inet_up_mbps_min = 50;
  EXPECT_THAT(Found(SearchWith({{"reliability", nullptr},
                                {"reliability2", nullptr},
                                {"inet_up", nullptr},
                                {"verification", nullptr}}),
                    query),
              SizeIs(1));
}

TEST(VastWire, CountsTheDiskThatWillBeRented) {
  // A server that priced 5 GB: 0.0781 + 0.15 x 5/720; rented with 15 GB it costs 0.0021 more.
  const std::vector<Offer> offers = Found(SearchWith({{"dph_total", 0.07914}}), Query());
  ASSERT_THAT(offers, SizeIs(1));
  EXPECT_EQ(offers[0].price, MicroUsdPerHour(81'225));
  OfferQuery close = Query();
  close.price_max = MicroUsdPerHour(80'000);
  EXPECT_THAT(Found(SearchWith({{"dph_total", 0.07914}}), close), IsEmpty());
}

TEST(VastWire, AsksForTheDiskAndTheWholeListOfGpusAtOnce) {
  OfferQuery query = Query();
  query.reliability_min = 0.9;
  const json body = json::parse(SearchBody(query, 0.05));
  EXPECT_EQ(body["allocated_storage"], 15.0);
  EXPECT_EQ(body["gpu_name"]["in"], json({"RTX 3070 Ti", "RTX 4070"}));
  EXPECT_EQ(body["dph_total"]["lte"], 0.09);
  EXPECT_EQ(body["dph_total"]["gte"], 0.05);
  EXPECT_EQ(body["order"], json::parse(R"([["dph_total","asc"]])"));
  EXPECT_EQ(body["verified"]["eq"], true);
  EXPECT_EQ(body["reliability2"]["gte"], 0.9);
  EXPECT_FALSE(body.contains("cuda_max_good"));
  query.verified_only = false;
  EXPECT_FALSE(json::parse(SearchBody(query, std::nullopt)).contains("verified"));
}

LaunchSpec Spec() {
  LaunchSpec spec;
  spec.offer = OfferId("31877042");
  spec.label = "zeb-worker-vast-3.m7k2q";
  spec.image = "pytorch/pytorch:2.6.0";
  spec.disk_gb = 15;
  spec.env = {{"WORKER_ID", "worker-vast-3"}, {"-p 8080:8080", "1"}};
  spec.onstart = "#!/bin/bash\necho hello";
  return spec;
}

TEST(VastWire, CreateSendsTheEnvironmentAsAnObject) {
  StatusOr<std::string> text = CreateBody(Spec());
  ASSERT_THAT(text, IsOk());
  const json body = json::parse(*text);
  EXPECT_EQ(body["env"], json({{"WORKER_ID", "worker-vast-3"}, {"-p 8080:8080", "1"}}));
  EXPECT_EQ(body["label"], "zeb-worker-vast-3.m7k2q");
  EXPECT_EQ(body["disk"], 15);
  EXPECT_EQ(body["cancel_unavail"], true);
  EXPECT_EQ(body["target_state"], "running");
  EXPECT_FALSE(body.contains("price"));
  EXPECT_FALSE(body.contains("image_login"));
}

TEST(VastWire, ALongStartScriptTravelsInTheEnvironment) {
  LaunchSpec spec = Spec();
  spec.onstart = std::string(4096, 'x');
  EXPECT_EQ(json::parse(*CreateBody(spec))["onstart"], spec.onstart);
  spec.onstart = std::string(4097, 'x');
  const json body = json::parse(*CreateBody(spec));
  EXPECT_LT(body["onstart"].get<std::string>().size(), 300u);
  EXPECT_THAT(body["env"]["MUSTER_ONSTART_BASE64"].get<std::string>(), SizeIs(5464));
}

TEST(VastWire, RefusesWhatTheProviderWouldRefuse) {
  const auto trouble = [](const LaunchSpec& spec) { return TroubleOf(CreateBody(spec).status()); };
  LaunchSpec spec = Spec();
  spec.label = std::string(256, 'l');
  EXPECT_EQ(trouble(spec), Trouble::kNone);
  spec.label += 'l';
  EXPECT_EQ(trouble(spec), Trouble::kRejected);
  spec = Spec();
  spec.disk_gb = 8;
  EXPECT_EQ(trouble(spec), Trouble::kNone);
  spec.disk_gb = 7;
  EXPECT_EQ(trouble(spec), Trouble::kRejected);
  spec = Spec();
  spec.env = {{"K", std::string(32767, 'v')}};
  EXPECT_EQ(trouble(spec), Trouble::kNone);
  spec.env = {{"K", std::string(32768, 'v')}};
  EXPECT_EQ(trouble(spec), Trouble::kRejected);
  spec.env = {{std::string(257, 'k'), "v"}};
  EXPECT_EQ(trouble(spec), Trouble::kRejected);
  spec = Spec();
  spec.image.clear();
  EXPECT_EQ(trouble(spec), Trouble::kRejected);
}

TEST(VastWire, CreateAnswersThatNameNoContractAreNotBelieved) {
  StatusOr<Created> good =
      ParseCreate(R"({"success":true,"new_contract":21934511,"instance_api_key":"d15a"})");
  ASSERT_THAT(good, IsOk());
  EXPECT_EQ(good->instance.str(), "21934511");
  EXPECT_EQ(good->api_key, "d15a");
  EXPECT_THAT(ParseCreate(R"({"new_contract":21934511.0})"), IsOk());
  for (const char* body :
       {"", R"({"success":true})", R"({"success":true,"new_contract":null})",
        R"({"success":false,"new_contract":7})", R"({"success":true,"new_con)", "<html>"}) {
    EXPECT_EQ(TroubleOf(ParseCreate(body).status()), Trouble::kMalformed) << body;
  }
}

TEST(VastWire, CountedLabelsAreNoPartOfAList) {
  const StatusOr<ListPage> page = ParseList(
      R"({"label_counts":{"instances":9,"next_token":"x"},"instances":[{"id":7,"label_counts":1}],)"
      R"("total_instances":1,"next_token":null})");
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(page->instances, SizeIs(1));
  EXPECT_EQ(page->next_token, "");
  EXPECT_EQ(TroubleOf(ParseList(R"({"instances":[],"label_counts":{"a":1)").status()),
            Trouble::kMalformed);
}

TEST(VastJson, TakesWhatTheProvidersLanguageWrites) {
  const std::optional<JsonDocument> read = ParseJson(
      "\xef\xbb\xbf{\"a\":NaN,\"b\":-Infinity,\"c\":1e400,\"d\":123456789012345678901,"
      "\"e\":-7,\"f\":\"NaN \\\" 1e400\",\"g\":\"x\xff\",\"h\":18446744073709551615}");
  ASSERT_TRUE(read.has_value());
  for (const char* key : {"a", "b", "c"}) EXPECT_TRUE(Member(read->root(), key).IsNull()) << key;
  EXPECT_EQ(Number(read->root(), "d"), 123456789012345678901.0);
  EXPECT_EQ(IdText(read->root(), "d"), "");
  EXPECT_EQ(Number(read->root(), "e"), -7);
  EXPECT_EQ(IdText(read->root(), "e"), "");
  EXPECT_EQ(Text(read->root(), "f"), "NaN \" 1e400");
  EXPECT_EQ(Text(read->root(), "g"), "x\xef\xbf\xbd");
  EXPECT_EQ(IdText(read->root(), "h"), "18446744073709551615");
}

TEST(VastJson, OfANameTwiceTheLastCounts) {
  const std::optional<JsonDocument> read = ParseJson(R"({"a":1,"b":7,"a":2})");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(Number(read->root(), "a"), 2);
}

TEST(VastJson, IsAllOfTheTextOrNothing) {
  for (const char* text : {"", " ", "{", R"({"a":1} x)", "[1,]", "{'a':1}", "<html>", R"({"a":01})",
                           R"({"a":"b)", R"({"a":--1})", "nul", R"(["\ud800"])"}) {
    EXPECT_FALSE(ParseJson(text).has_value()) << text;
  }
}

TEST(VastWire, OnlyTheAnswersOwnSuccessIsItsVerdict) {
  EXPECT_EQ(VerdictOf(R"({"success":false,"msg":"no"})"), Verdict::kFailure);
  EXPECT_EQ(VerdictOf(R"({"instances":[{"success":false}],"success":true})"), Verdict::kSuccess);
  EXPECT_EQ(VerdictOf(R"({"a":{"success":false}})"), Verdict::kSuccess);
  EXPECT_EQ(VerdictOf(R"({"price":NaN,"success":false})"), Verdict::kFailure);
  EXPECT_EQ(VerdictOf(R"({"success":true,"instances":[)"), Verdict::kNoJson);
  EXPECT_EQ(VerdictOf(R"([{"success":false}])"), Verdict::kNoJson);
  EXPECT_EQ(VerdictOf("7"), Verdict::kNoJson);
}

TEST(VastWire, AFailureIsFoundHoweverItIsWritten) {
  for (const char* body : {R"({"success":false,"msg":"no"})", R"( { "success" : "false" })",
                           R"({"a":{"success":true},"success":0})",
                           R"({"success":true,"success":false})", R"({"s\u0075ccess":false})",
                           "\xef\xbb\xbf{\"success\":false}", R"({"x":NaN,"success":false})"}) {
    EXPECT_EQ(VerdictOf(body), Verdict::kFailure) << body;
  }
  for (const char* body :
       {R"({"success":true})", R"({"offers":[{"success":false}]})", R"({"a":"\"success\":false"})",
        R"({"a":"success","b":false})", R"({"success":false)", R"({"success":null})",
        R"([{"success":false}])", "<html>", "7", ""}) {
    EXPECT_NE(VerdictOf(body), Verdict::kFailure) << body;
  }
}

TEST(VastWire, TheListQueryIsUrlEncoded) {
  EXPECT_EQ(ListQuery("", ""),
            "?limit=25&order_by=%5B%7B%22col%22%3A%22id%22%2C%22dir%22%3A%22asc%22%7D%5D"
            "&select_filters=%7B%7D");
  EXPECT_THAT(ListQuery("a b\"&", "t+/="),
              testing::EndsWith("&select_filters=%7B%22label%22%3A%7B%22eq%22%3A%22a%20b%5C%22%26"
                                "%22%7D%7D&after_token=t%2B%2F%3D"));
}

TEST(VastWire, CreditMayBeTextButNotMissing) {
  StatusOr<User> user = ParseUser(R"({"id":5,"credit":"12.5","balance":null,"api_key":"k"})");
  ASSERT_THAT(user, IsOk());
  EXPECT_EQ(user->account.credit_usd, 12.5);
  EXPECT_EQ(user->account.id, "5");
  EXPECT_EQ(user->api_key, "k");
  EXPECT_EQ(TroubleOf(ParseUser(R"({"id":5})").status()), Trouble::kMalformed);
  EXPECT_EQ(TroubleOf(ParseUser(R"({"id":5,"credit":NaN})").status()), Trouble::kMalformed);
}

}  // namespace
}  // namespace muster::vast
