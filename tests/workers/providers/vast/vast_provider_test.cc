#include "workers/providers/vast/vast_provider.h"

#include "tests/support/map_secrets.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/providers/vast/fakes.h"
#include "workers/providers/vast/limits.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

using Http = ScriptedHttp;

class VastProviderTest : public testing::Test {
 protected:
  VastProviderTest() {
    VastOptions options;
    options.base_url = "https://vast.example/";
    options.api_key_ref = "env:KEY";
    provider = MakeVastProvider(options, rt, http, limiter, secrets);
    EXPECT_THAT(secrets.Resolve("env:HF_TOKEN"), IsOk());  // as a launch would have done
  }
  absl::Time In(absl::Duration span) const { return rt.Now() + span; }
  absl::Time Soon() const { return In(absl::Seconds(60)); }
  StatusOr<std::vector<Instance>> List() { return rt.Run(provider->ListInstances(Soon())); }
  StatusOr<LogTail> Log(absl::Duration within = absl::Seconds(15)) {
    return rt.Run(provider->FetchLog(InstanceId("7"), 50, In(within)));
  }
  StatusOr<Launched> Launch() {
    LaunchSpec spec;
    spec.offer = OfferId("9001");
    spec.label = "zeb-worker-vast-3.m7k2q";
    spec.image = "image";
    spec.env = {{"HF_TOKEN", "hf_planted"}};
    return rt.Run(provider->Launch(spec, Soon()));
  }

  VirtualRuntime rt{1};
  ScriptedHttp http{rt};
  OpenLimiter limiter;
  MapSecrets secrets{{"env:KEY", "key_planted"}, {"env:HF_TOKEN", "hf_planted"}};
  std::unique_ptr<Provider> provider;
};

std::string Rows(int from, int to) {
  std::string rows;
  for (int id = from; id <= to; ++id) rows += Cat(id == from ? "" : ",", R"({"id":)", id, "}");
  return rows;
}
std::string PageOf(int from, int to, int total, std::string_view next) {
  return Cat(R"({"success":true,"instances":[)", Rows(from, to), R"(],"total_instances":)", total,
             R"(,"next_token":)", next.empty() ? std::string("null") : Cat("\"", next, "\""), "}");
}

TEST_F(VastProviderTest, SendsTheKeyInTheHeaderAndNowhereElse) {
  http.On("GET", "/api/v1/instances/", {Http::Json(200, PageOf(1, 2, 2, ""))});
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(2)));
  ASSERT_THAT(http.requests, SizeIs(1));
  EXPECT_EQ(FindHeader(http.requests[0].headers, "Authorization"), "Bearer key_planted");
  EXPECT_THAT(http.requests[0].url, AllOf(Not(HasSubstr("planted")), Not(HasSubstr("//api"))));
}

TEST_F(VastProviderTest, AMissingKeyIsAnAuthTroubleAndNothingIsSent) {
  secrets.Set("env:KEY", "");
  const auto list = List();
  EXPECT_EQ(TroubleOf(list.status()), Trouble::kAuth);
  EXPECT_THAT(std::string(Message(list.status())), HasSubstr("env:KEY"));
  EXPECT_THAT(http.requests, IsEmpty());
}

TEST_F(VastProviderTest, GathersAllPages) {
  http.On("GET", "after_token=t1", {Http::Json(200, PageOf(26, 50, 51, "t2"))});
  http.On("GET", "after_token=t2", {Http::Json(200, PageOf(51, 51, 51, ""))});
  http.On("GET", "/api/v1/instances/", {Http::Json(200, PageOf(1, 25, 51, "t1"))});
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(51)));
}

TEST_F(VastProviderTest, AListOrSearchThatIsRefusedWithA200IsNoEmptyOne) {
  const std::string refusal =
      R"({"success":false,"error":"auth_error","msg":"session expired","instances":[],"offers":[]})";
  http.On("GET", "/api/v1/instances/", {Http::Json(200, refusal)});
  http.On("POST", "/api/v0/bundles/", {Http::Json(200, refusal)});
  EXPECT_EQ(TroubleOf(List().status()), Trouble::kAuth);
  EXPECT_EQ(TroubleOf(rt.Run(provider->SearchOffers({}, Soon())).status()), Trouble::kAuth);
}

TEST_F(VastProviderTest, APageLostMidWayIsNoList) {
  http.On("GET", "after_token=t1", {Http::Page(502, "<html>")});
  http.On("GET", "/api/v1/instances/", {Http::Json(200, PageOf(1, 25, 26, "t1"))});
  EXPECT_EQ(TroubleOf(List().status()), Trouble::kUnavailable);
}

TEST_F(VastProviderTest, ATotalThatDoesNotFitIsReadAnew) {
  http.On("GET", "/api/v1/instances/",
          {Http::Json(200, PageOf(1, 3, 4, "")), Http::Json(200, PageOf(1, 4, 4, ""))});
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(4)));
}

TEST_F(VastProviderTest, ATotalThatNeverFitsIsNoList) {
  http.On("GET", "/api/v1/instances/", {Http::Json(200, PageOf(1, 3, 4, ""))});
  EXPECT_EQ(TroubleOf(List().status()), Trouble::kMalformed);
  EXPECT_THAT(http.requests, SizeIs(3));
}

TEST_F(VastProviderTest, AnInvalidTokenMidWayBeginsAnewFromTheFirstPage) {
  http.On("GET", "after_token=t1",
          {Http::Json(400, R"({"error":"invalid_token","msg":"bad token"})"),
           Http::Json(200, PageOf(26, 26, 26, ""))});
  http.On("GET", "/api/v1/instances/", {Http::Json(200, PageOf(1, 25, 26, "t1"))});
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(26)));
  EXPECT_THAT(http.requests, SizeIs(4));
}

TEST_F(VastProviderTest, PagesThatNeverEndAreAnError) {
  http.On("GET", "/api/v1/instances/", {Http::Json(200, PageOf(1, 25, 26, "t1"))});
  EXPECT_EQ(TroubleOf(List().status()), Trouble::kMalformed);
  EXPECT_LT(http.requests.size(), 10u);
}

TEST_F(VastProviderTest, ARetiredListIsAnErrorNotAnEmptyList) {
  http.On("GET", "/api/v1/instances/",
          {Http::Json(410, R"({"success":false,"error":"deprecated_endpoint","msg":"gone"})")});
  EXPECT_EQ(TroubleOf(List().status()), Trouble::kRejected);
}

TEST_F(VastProviderTest, OddAnswersWith200AreNoList) {
  for (const char* body : {"", R"({"success":false,"msg":"x"})", R"({"instances":null})",
                           R"({"instances":[]} Extra data)", R"({"instances":[{"id":1)"}) {
    ScriptedHttp fresh(rt);
    fresh.On("GET", "/api/v1/instances/", {Http::Json(200, body)});
    VastOptions options;
    options.api_key_ref = "env:KEY";
    auto vast = MakeVastProvider(options, rt, fresh, limiter, secrets);
    EXPECT_EQ(TroubleOf(rt.Run(vast->ListInstances(Soon())).status()), Trouble::kMalformed) << body;
  }
}

TEST_F(VastProviderTest, AWrongContentTypeDoesNotSpoilAGoodAnswer) {
  http.On("GET", "/api/v1/instances/", {Http::Page(200, PageOf(1, 1, 1, ""))});
  EXPECT_THAT(List(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(VastProviderTest, FindByLabelTakesTheWholeLabelOnly) {
  http.On("GET", "select_filters=%7B%22label%22",
          {Http::Json(200, R"({"instances":[{"id":1,"label":"zeb-1.k"},{"id":2,"label":" zeb-1.k "},
                              {"id":3,"label":"zeb-1.k2"},{"id":4,"label":null}]})")});
  const auto found = rt.Run(provider->FindByLabel("zeb-1.k", Soon()));
  ASSERT_THAT(found, IsOkAndHolds(SizeIs(2)));
}

TEST_F(VastProviderTest, ThrottlingIsToldToTheLimiterWithTheWaitTheProviderNamed) {
  http.On("GET", "/api/v1/instances/",
          {Http::Page(429, "API requests too frequent: endpoint threshold=4.5")});
  const auto list = List();
  EXPECT_EQ(TroubleOf(list.status()), Trouble::kThrottled);
  EXPECT_EQ(RetryAfter(list.status()), absl::Seconds(4.5));
  EXPECT_THAT(limiter.throttled, ElementsAre(Pair("GET instances", absl::Seconds(4.5))));
  EXPECT_THAT(limiter.passed, IsEmpty());
}

TEST_F(VastProviderTest, ABurstOfRefusalsIsReportedOnce) {
  http.On("PUT", "/request_logs/", {Http::Page(429, "API requests too frequent")});
  std::vector<Task<void>> calls;
  for (int i = 1; i <= 50; ++i) {
    calls.push_back([](Provider& vast, int id, absl::Time by) -> Task<void> {
      const auto tail = co_await vast.FetchLog(InstanceId(Cat(id)), 50, by);
      EXPECT_EQ(TroubleOf(tail.status()), Trouble::kThrottled);
    }(*provider, i, Soon()));
  }
  rt.Spawn("all", WhenAll(rt, std::move(calls)));
  rt.RunFor(absl::Milliseconds(1));
  EXPECT_THAT(http.requests, SizeIs(50));
  EXPECT_THAT(limiter.throttled, SizeIs(1));
  rt.RunFor(absl::Seconds(1));
  EXPECT_EQ(TroubleOf(Log().status()), Trouble::kThrottled);
  EXPECT_THAT(limiter.throttled, SizeIs(2));
}

TEST_F(VastProviderTest, NoSlotInTimeMeansNothingWasSent) {
  limiter.next = DeadlineExceeded("busy");
  EXPECT_EQ(TroubleOf(Launch().status()), Trouble::kThrottled);
  EXPECT_THAT(http.requests, IsEmpty());
  // Enough of the deadline is left for the call itself.
  EXPECT_EQ(limiter.slots_by[0], In(absl::Seconds(56)));
}

TEST_F(VastProviderTest, PacesByRouteAndPriority) {
  http.On("DELETE", "/api/v0/instances/7/", {Http::Json(200, R"({"success":true})")});
  http.On("PUT", "/api/v0/asks/9001/", {Http::Json(200, R"({"success":true,"new_contract":5})")});
  http.On("POST", "/api/v0/bundles/", {Http::Json(200, R"({"offers":[]})")});
  EXPECT_THAT(rt.Run(provider->Destroy(InstanceId("7"), Soon())), IsOk());
  EXPECT_THAT(Launch(), IsOk());
  OfferQuery query;
  query.gpus = {GpuName("RTX 3060")};
  EXPECT_THAT(rt.Run(provider->SearchOffers(query, Soon())), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(limiter.calls, ElementsAre(Pair("DELETE instances/{id}", CallPriority::kDestroy),
                                         Pair("PUT asks/{id}", CallPriority::kCreate),
                                         Pair("POST bundles", CallPriority::kSearch)));
  const RateLimits limits = vast::DefaultRateLimits();
  for (const auto& [endpoint, priority] : limiter.calls) {
    EXPECT_TRUE(limits.intervals.contains(endpoint)) << endpoint;
  }
}

TEST_F(VastProviderTest, ALaunchIsSentOnceWhateverComesBack) {
  const std::pair<Http::Reply, Trouble> rows[] = {
      {Http::Json(200, R"({"success":true,"new_contract":21934511})"), Trouble::kNone},
      {Http::Cut(DeadlineExceeded("late")), Trouble::kUnclear},
      {Http::Cut(Unknown("reset")), Trouble::kUnclear},
      {Http::Cut(Unavailable("refused")), Trouble::kUnavailable},
      {Http::Page(502, "<html>"), Trouble::kUnclear},
      {Http::Json(200, R"({"success":true})"), Trouble::kMalformed},
      {Http::Json(200, ""), Trouble::kMalformed},
      {Http::Json(200, R"({"success":false,"msg":"gone"})"), Trouble::kOfferGone},
      {Http::Json(400, R"({"error":"insufficient_credit","msg":"lacks credit"})"),
       Trouble::kNoCredit},
      {Http::Page(429, "API requests too frequent"), Trouble::kThrottled},
  };
  for (const auto& [reply, want] : rows) {
    ScriptedHttp once(rt);
    once.On("PUT", "/api/v0/asks/9001/", {reply});
    VastOptions options;
    options.api_key_ref = "env:KEY";
    auto vast = MakeVastProvider(options, rt, once, limiter, secrets);
    LaunchSpec spec;
    spec.offer = OfferId("9001");
    spec.label = "l";
    spec.image = "i";
    const auto launched = rt.Run(vast->Launch(spec, Soon()));
    EXPECT_EQ(TroubleName(TroubleOf(launched.status())), TroubleName(want));
    EXPECT_THAT(once.requests, SizeIs(1));
    EXPECT_EQ(once.requests[0].redirects_max, 0);
  }
}

TEST_F(VastProviderTest, TheNewInstancesKeyIsLearntAndMasked) {
  http.On(
      "PUT", "/api/v0/asks/",
      {Http::Json(200, R"({"success":true,"new_contract":7,"instance_api_key":"ik_planted"})")});
  ASSERT_THAT(Launch(), IsOk());
  EXPECT_EQ(secrets.Mask("key ik_planted"), "key [secret]");
}

TEST_F(VastProviderTest, SecretsInWhateverTextAListHoldsAreMasked) {
  http.On("GET", "/api/v1/instances/",
          {Http::Json(200, R"({"instances":[{"id":1,"label":"a hf_planted","gpu_name":"hf_planted",
              "status_msg":"hf_planted","actual_status":"hf_planted","ssh_host":"hf_planted",
              "intended_status":"hf_planted","geolocation":"hf_planted"}],
              "total_instances":1,"next_token":null})")});
  const auto listed = List();
  ASSERT_THAT(listed, IsOkAndHolds(SizeIs(1)));
  const Instance& i = listed->front();
  EXPECT_EQ(i.actual_raw, "[secret]");
  for (const std::string& text : {i.label, i.status_message, i.ssh_host, i.location, i.actual_raw,
                                  i.intended_raw, i.gpu.str()}) {
    EXPECT_THAT(text, Not(HasSubstr("planted")));
  }
}

TEST_F(VastProviderTest, SecretsInErrorsAreMasked) {
  http.On("PUT", "/api/v0/asks/",
          {Http::Json(400, R"({"error":"invalid_args","msg":"env HF_TOKEN=hf_planted is bad"})")});
  const auto launched = Launch();
  EXPECT_THAT(launched.status().ToString(),
              AllOf(HasSubstr("[secret]"), Not(HasSubstr("planted"))));
}

TEST_F(VastProviderTest, DestroyTellsGoneFromDoubt) {
  const std::pair<Http::Reply, Trouble> rows[] = {
      {Http::Json(200, R"({"success":true})"), Trouble::kNone},
      {Http::Json(404, R"({"success":false,"error":"not_found","msg":"x"})"), Trouble::kNotFound},
      {Http::Json(404, R"({"success":false,"error":"auth_error","msg":"Invalid user key"})"),
       Trouble::kAuth},
      {Http::Page(404, "<html>"), Trouble::kMalformed},
      {Http::Json(200, ""), Trouble::kMalformed},
      {Http::Json(200, R"({"success":false,"msg":"busy"})"), Trouble::kRejected},
      {Http::Cut(DeadlineExceeded("late")), Trouble::kUnclear},
  };
  for (const auto& [reply, want] : rows) {
    ScriptedHttp once(rt);
    once.On("DELETE", "/api/v0/instances/7/", {reply});
    VastOptions options;
    options.api_key_ref = "env:KEY";
    auto vast = MakeVastProvider(options, rt, once, limiter, secrets);
    EXPECT_EQ(TroubleName(TroubleOf(rt.Run(vast->Destroy(InstanceId("7"), Soon())))),
              TroubleName(want));
  }
}

TEST_F(VastProviderTest, IdsThatAreNoNumbersNeverReachAPath) {
  EXPECT_EQ(TroubleOf(rt.Run(provider->Destroy(InstanceId("7/../8"), Soon()))), Trouble::kRejected);
  EXPECT_EQ(TroubleOf(rt.Run(provider->Destroy(InstanceId(""), Soon()))), Trouble::kRejected);
  EXPECT_THAT(http.requests, IsEmpty());
}

TEST_F(VastProviderTest, ShowSaysDefinitelyGoneOnlyWhenToldSo) {
  http.On("GET", "/instances/7/",
          {Http::Json(200, R"({"instances": null})"),
           Http::Json(404, R"({"error":"no_such_instance","msg":"x"})"), Http::Json(200, "{}"),
           Http::Page(404, "<html>"), Http::Json(200, R"({"instances":{"id":7,"label":"a"}})")});
  const auto show = [&] { return rt.Run(provider->GetInstance(InstanceId("7"), Soon())); };
  EXPECT_THAT(show(), IsOkAndHolds(testing::Property(&std::optional<Instance>::has_value, false)));
  EXPECT_THAT(show(), IsOkAndHolds(testing::Property(&std::optional<Instance>::has_value, false)));
  EXPECT_EQ(TroubleOf(show().status()), Trouble::kMalformed);
  EXPECT_EQ(TroubleOf(show().status()), Trouble::kUnavailable);
  const auto there = show();
  ASSERT_THAT(there, IsOk());
  EXPECT_TRUE(there->has_value());
}

std::string OfferRow(int id, double usd) {
  return Cat(R"({"id":)", id, R"(,"machine_id":)", id, R"(,"gpu_name":"RTX 3060","num_gpus":1,)",
             R"("dph_total":)", usd, "}");
}

TEST_F(VastProviderTest, SearchesOnWhenAPageIsFullAndDropsRepeats) {
  std::string full;
  for (int i = 0; i < 64; ++i) full += Cat(i == 0 ? "" : ",", OfferRow(100 + i, 0.01 + 0.001 * i));
  http.On(
      "POST", "/api/v0/bundles/",
      {Http::Json(200, Cat(R"({"offers":[)", full, "]}")),
       Http::Json(200, Cat(R"({"offers":[)", OfferRow(163, 0.073), ",", OfferRow(5, 0.08), "]}"))});
  OfferQuery query;
  query.gpus = {GpuName("RTX 3060")};
  query.price_max = MicroUsdPerHour(90'000);
  const auto offers = rt.Run(provider->SearchOffers(query, Soon()));
  ASSERT_THAT(offers, IsOkAndHolds(SizeIs(65)));
  EXPECT_EQ(offers->front().id.str(), "100");
  EXPECT_EQ(offers->back().id.str(), "5");
  ASSERT_THAT(http.requests, SizeIs(2));
  EXPECT_THAT(http.requests[1].body, HasSubstr(R"("gte":0.073)"));
}

TEST_F(VastProviderTest, AFailedSearchIsAnErrorNotAnEmptyMarket) {
  http.On("POST", "/api/v0/bundles/", {Http::Page(429, "API requests too frequent")});
  OfferQuery query;
  query.gpus = {GpuName("RTX 3060")};
  EXPECT_EQ(TroubleOf(rt.Run(provider->SearchOffers(query, Soon())).status()), Trouble::kThrottled);
}

constexpr char kResultUrl[] =
    R"({"success":true,"result_url":"https://s3.amazonaws.com/vast.ai/instance_logs/ab.log"})";

TEST_F(VastProviderTest, WaitsForTheLogObjectAndSendsItNoKey) {
  http.On("PUT", "/request_logs/7/", {Http::Json(200, kResultUrl)});
  http.On("GET", "s3.amazonaws.com",
          {Http::Page(403, "<Error/>"), Http::Page(404, "<Error/>"),
           Http::Page(200, "batch 1\x1b[0m hf_planted\r\n")});
  const auto tail = Log();
  ASSERT_THAT(tail, IsOk());
  EXPECT_EQ(tail->text, "batch 1 [secret]\n");
  ASSERT_THAT(http.requests, SizeIs(4));
  EXPECT_EQ(http.requests[0].body, R"({"tail":"50"})");
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(FindHeader(http.requests[i].headers, "Authorization"), "");
    EXPECT_EQ(http.requests[i].redirects_max, 0);
  }
}

TEST_F(VastProviderTest, ALogThatIsNeverReadyEndsAtTheDeadlineAndIsNotAskedForTwice) {
  http.On("PUT", "/request_logs/7/", {Http::Json(200, kResultUrl)});
  http.On("GET", "s3.amazonaws.com", {Http::Page(404, "<Error/>")});
  const absl::Time begun = rt.Now();
  EXPECT_EQ(TroubleOf(Log().status()), Trouble::kUnavailable);
  EXPECT_LE(rt.Now() - begun, absl::Seconds(15));
  EXPECT_EQ(TroubleOf(Log().status()), Trouble::kUnavailable);
  int asked = 0;
  for (const HttpRequest& request : http.requests) asked += request.method == "PUT";
  EXPECT_EQ(asked, 1);
}

TEST_F(VastProviderTest, AnOldPendingLogIsAskedForAnew) {
  http.On("PUT", "/request_logs/7/", {Http::Json(200, kResultUrl)});
  http.On("GET", "s3.amazonaws.com", {Http::Page(404, "<Error/>")});
  EXPECT_EQ(TroubleOf(Log().status()), Trouble::kUnavailable);
  rt.RunFor(absl::Minutes(2));
  EXPECT_EQ(TroubleOf(Log().status()), Trouble::kUnavailable);
  int asked = 0;
  for (const HttpRequest& request : http.requests) asked += request.method == "PUT";
  EXPECT_EQ(asked, 2);
}

TEST_F(VastProviderTest, LogsFromAForeignHostAreNotFetched) {
  http.On("PUT", "/request_logs/7/",
          {Http::Json(200, R"({"success":true,"result_url":"https://evil.example/x.log"})")});
  EXPECT_EQ(TroubleOf(Log().status()), Trouble::kMalformed);
  EXPECT_THAT(http.requests, SizeIs(1));
}

TEST_F(VastProviderTest, ARedirectedLogIsNotFollowed) {
  http.On("PUT", "/request_logs/7/", {Http::Json(200, kResultUrl)});
  http.On("GET", "s3.amazonaws.com",
          {Http::Reply{HttpResponse{302, {{"Location", "https://evil.example/"}}, ""}, {}}});
  EXPECT_EQ(TroubleOf(Log().status()), Trouble::kMalformed);
  EXPECT_THAT(http.requests, SizeIs(2));
}

TEST_F(VastProviderTest, AFailureInThePlaceOfALogIsUnknownNeverText) {
  http.On("PUT", "/request_logs/7/", {Http::Json(200, kResultUrl)});
  http.On("GET", "s3.amazonaws.com", {Http::Json(200, R"({"success":false,"msg":"failed"})")});
  EXPECT_EQ(TroubleOf(Log().status()), Trouble::kMalformed);
}

TEST_F(VastProviderTest, LogRequestsThatFailAreUnknownNeverText) {
  const std::pair<Http::Reply, Trouble> rows[] = {
      {Http::Json(404, R"({"error":"invalid_id","msg":"x"})"), Trouble::kNotFound},
      {Http::Json(403, R"({"error":"not_authorized","msg":"x"})"), Trouble::kForbidden},
      {Http::Page(429, "API requests too frequent"), Trouble::kThrottled},
      {Http::Json(200, R"({"success":false,"msg":"x"})"), Trouble::kMalformed},
      {Http::Json(200, R"({"success":true})"), Trouble::kMalformed},
      {Http::Page(200, "<html>"), Trouble::kMalformed},
  };
  for (const auto& [reply, want] : rows) {
    ScriptedHttp once(rt);
    once.On("PUT", "/request_logs/7/", {reply});
    VastOptions options;
    options.api_key_ref = "env:KEY";
    auto vast = MakeVastProvider(options, rt, once, limiter, secrets);
    const auto tail = rt.Run(vast->FetchLog(InstanceId("7"), 50, Soon()));
    EXPECT_EQ(TroubleName(TroubleOf(tail.status())), TroubleName(want));
  }
}

TEST_F(VastProviderTest, AnEmptyObjectIsAnEmptyLog) {
  http.On("PUT", "/request_logs/7/", {Http::Json(200, kResultUrl)});
  http.On("GET", "s3.amazonaws.com", {Http::Page(416, "<Error/>")});
  const auto tail = Log();
  ASSERT_THAT(tail, IsOk());
  EXPECT_EQ(tail->text, "");
}

TEST_F(VastProviderTest, StartsAndStopsByState) {
  http.On("PUT", "/api/v0/instances/7/",
          {Http::Json(200, R"({"success":true})"), Http::Json(200, R"({"success":true})"),
           Http::Json(200, R"({"success":false,"msg":"unavailable, state change queued."})")});
  EXPECT_THAT(rt.Run(provider->Start(InstanceId("7"), Soon())), IsOk());
  EXPECT_THAT(rt.Run(provider->Stop(InstanceId("7"), Soon())), IsOk());
  EXPECT_EQ(http.requests[0].body, R"({"state":"running"})");
  EXPECT_EQ(http.requests[1].body, R"({"state":"stopped"})");
  const Status queued = rt.Run(provider->Start(InstanceId("7"), Soon()));
  EXPECT_THAT(queued.ToString(), HasSubstr("queued"));
}

TEST_F(VastProviderTest, ReportsCreditAndForgetsTheAccountsKey) {
  http.On("GET", "/api/v0/users/current/",
          {Http::Json(200, R"({"id":5,"credit":12.25,"balance":-1,"email":"a@b.example",
                              "api_key":"account_planted"})")});
  const auto account = rt.Run(provider->GetAccount(Soon()));
  ASSERT_THAT(account, IsOk());
  EXPECT_EQ(account->credit_usd, 12.25);
  EXPECT_EQ(account->balance_usd, -1);
  EXPECT_EQ(secrets.Mask("account_planted"), "[secret]");
}

}  // namespace
}  // namespace muster
