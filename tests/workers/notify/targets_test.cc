// What leaves muster, byte for byte where a receiver depends on it, and how answers are judged.
#include <deque>
#include <nlohmann/json.hpp>

#include "eventstore/base/sha256.h"
#include "tests/support/map_secrets.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "tests/workers/support/answering_http.h"
#include "workers/notify/command_target.h"
#include "workers/notify/http_target.h"
#include "workers/virtual/virtual_runtime.h"

namespace muster {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Result = Delivery::Result;
using Shape = HttpTargetOptions::Shape;

NoticeMessage ANotice() {
  NoticeMessage message;
  message.id = "alerts@7.abcdefgh";
  message.installation = "m7k2";
  message.kind = "worker-condemned";
  message.state = "happened";
  message.severity = "warning";
  message.subject = "worker/k7f2q";
  message.fleet = "zeb";
  message.rule = "no-progress";
  message.text = "rule no-progress: 15m04s >= 15m";
  message.explain = "muster explain worker/k7f2q";
  message.position = 48203;
  message.at = absl::FromUnixSeconds(1'790'000'000);
  return message;
}

class Targets : public testing::Test {
 protected:
  Delivery Deliver(HttpTargetOptions options, StatusOr<HttpResponse> answer,
                   NoticeMessage message = ANotice()) {
    http.answers.push_back(std::move(answer));
    HttpTarget target({rt, http, secrets}, std::move(options));
    return rt.Run(target.Deliver(std::move(message)));
  }
  std::string Header(std::string_view name) {
    return std::string(FindHeader(http.requests.back().headers, name));
  }

  VirtualRuntime rt{1};
  Answering http;
  MapSecrets secrets{{"env:HOOK", "hunter2-hunter2"}, {"env:URL", "https://chat.example/T0/B1/x"}};
};

TEST_F(Targets, AWebhookIsSignedOverTimeAndBody) {
  const Delivery delivery =
      Deliver({.shape = Shape::kWebhook, .url = "https://hooks.example/m", .key_ref = "env:HOOK"},
              HttpResponse{.status = 200});
  EXPECT_EQ(delivery.result, Result::kArrived);
  const HttpRequest& request = http.requests[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://hooks.example/m");
  EXPECT_EQ(Header("idempotency-key"), "alerts@7.abcdefgh");
  EXPECT_EQ(Header("muster-timestamp"), Cat(absl::ToUnixSeconds(rt.Now())));
  EXPECT_EQ(Header("muster-signature"),
            Cat("v1=", ToHex(HmacSha256("hunter2-hunter2",
                                        Cat(Header("muster-timestamp"), ".", request.body)))));
  const json body = json::parse(request.body);
  EXPECT_EQ(body["id"], "alerts@7.abcdefgh");
  EXPECT_EQ(body["form"], "notice");
  EXPECT_EQ(body["subject"], "worker/k7f2q");
  EXPECT_EQ(body["rule"], "no-progress");
  EXPECT_EQ(body["position"], 48203);
  EXPECT_EQ(body["time"], "2026-09-21T14:13:20.000Z");
}

TEST_F(Targets, WithoutAKeyNothingIsSigned) {
  Deliver({.url = "https://hooks.example/m"}, HttpResponse{.status = 200});
  EXPECT_EQ(Header("muster-signature"), "");
}

TEST_F(Targets, AKeyThatDoesNotResolveSendsNothingUnsigned) {
  HttpTarget target({rt, http, secrets}, {.url = "https://hooks.example/m", .key_ref = "env:NONE"});
  const Delivery delivery = rt.Run(target.Deliver(ANotice()));
  EXPECT_EQ(delivery.result, Result::kFailed);
  EXPECT_THAT(delivery.answer, HasSubstr("env:NONE"));
  EXPECT_TRUE(http.requests.empty());
}

TEST_F(Targets, SlackTakesATextAndItsAddressIsASecret) {
  Deliver({.shape = Shape::kSlack, .url = "env:URL"},
          Unknown("cannot reach https://chat.example/T0/B1/x"));
  EXPECT_EQ(http.requests[0].url, "https://chat.example/T0/B1/x");
  const json body = json::parse(http.requests[0].body);
  EXPECT_EQ(body["text"],
            "muster warning: zeb: worker-condemned\nworker/k7f2q: rule no-progress: 15m04s >= "
            "15m\nmuster explain worker/k7f2q");
  EXPECT_EQ(body.size(), 1u);
  const Delivery again = Deliver({.shape = Shape::kSlack, .url = "env:URL"},
                                 Unknown("cannot reach https://chat.example/T0/B1/x"));
  EXPECT_THAT(again.answer, Not(HasSubstr("B1")));
}

TEST_F(Targets, NtfyTakesItsTopicAndHowUrgentItIs) {
  const HttpTargetOptions options{.shape = Shape::kNtfy,
                                  .url = "https://ntfy.example",
                                  .token_ref = "env:HOOK",
                                  .topic = "fleet"};
  const auto priority = [&](std::string severity, std::string state) {
    NoticeMessage message = ANotice();
    message.severity = std::move(severity);
    message.state = std::move(state);
    Deliver(options, HttpResponse{.status = 200}, std::move(message));
    return json::parse(http.requests.back().body)["priority"].get<int>();
  };
  EXPECT_EQ(priority("critical", "began"), 5);
  EXPECT_EQ(priority("warning", "happened"), 4);
  EXPECT_EQ(priority("info", "happened"), 3);
  EXPECT_EQ(priority("critical", "ended"), 2);
  const json body = json::parse(http.requests.back().body);
  EXPECT_EQ(body["topic"], "fleet");
  EXPECT_EQ(body["title"], "muster critical: zeb: worker-condemned is over");
  EXPECT_THAT(body["tags"].get<std::vector<std::string>>(), ElementsAre("worker-condemned", "zeb"));
  EXPECT_EQ(Header("authorization"), "Bearer hunter2-hunter2");
}

TEST_F(Targets, AnswersAreJudgedByWhetherTryingAgainCanHelp) {
  const HttpTargetOptions options{.url = "https://hooks.example/m"};
  const auto judged = [&](int status) {
    return Deliver(options, HttpResponse{.status = status}).result;
  };
  for (const int status : {200, 202, 204, 299}) EXPECT_EQ(judged(status), Result::kArrived);
  for (const int status : {199, 300, 302, 401, 403, 404, 408, 429, 500, 503}) {
    EXPECT_EQ(judged(status), Result::kFailed) << status;
  }
  for (const int status : {400, 413, 415, 422}) EXPECT_EQ(judged(status), Result::kRefused);
}

TEST_F(Targets, WhatTheTargetAsksForIsWaitedWithinReason) {
  const HttpTargetOptions options{.url = "https://hooks.example/m"};
  const auto wait = [&](int status, std::string after) {
    return Deliver(options,
                   HttpResponse{.status = status, .headers = {{"Retry-After", std::move(after)}}})
        .retry_after;
  };
  EXPECT_EQ(wait(429, "120"), absl::Minutes(2));
  EXPECT_EQ(wait(503, "999999"), absl::Hours(1));
  EXPECT_EQ(wait(429, "-5"), absl::ZeroDuration());
  EXPECT_EQ(wait(429, "soon"), absl::ZeroDuration());
  EXPECT_EQ(wait(500, "120"), absl::ZeroDuration());
}

TEST_F(Targets, AKnownSecretInAnAnswerOrATextIsPaintedOver) {
  const HttpTargetOptions options{.url = "https://hooks.example/m", .key_ref = "env:HOOK"};
  NoticeMessage message = ANotice();
  message.text = "said hunter2-hunter2";
  secrets.Learn("hunter2-hunter2");
  const Delivery delivery = Deliver(
      options, HttpResponse{.status = 500, .body = "no: hunter2-hunter2"}, std::move(message));
  EXPECT_THAT(delivery.answer, HasSubstr("HTTP 500: no: [secret]"));
  EXPECT_THAT(http.requests[0].body, Not(HasSubstr("hunter2")));
}

TEST_F(Targets, ForeignBytesInATextDoNotStopIt) {
  NoticeMessage message = ANotice();
  message.text = "caf\xE9";
  EXPECT_EQ(
      Deliver({.url = "https://hooks.example/m"}, HttpResponse{.status = 200}, message).result,
      Result::kArrived);
  EXPECT_FALSE(json::parse(http.requests[0].body, nullptr, false).is_discarded());
}

class Programs final : public ProgramRunner {
 public:
  Task<StatusOr<ProgramResult>> Run(ProgramCall call) override {
    calls.push_back(std::move(call));
    co_return result;
  }
  std::vector<ProgramCall> calls;
  StatusOr<ProgramResult> result = ProgramResult{};
};

TEST_F(Targets, AProgramGetsTheMessageOnItsInputAndNothingInItsArguments) {
  Programs programs;
  CommandTarget target(programs, secrets, {"/bin/tell", "--loud"}, absl::Seconds(7));
  const Delivery delivery = rt.Run(target.Deliver(ANotice()));
  EXPECT_EQ(delivery.result, Result::kArrived);
  ASSERT_EQ(programs.calls.size(), 1u);
  EXPECT_THAT(programs.calls[0].argv, ElementsAre("/bin/tell", "--loud"));
  EXPECT_EQ(programs.calls[0].patience, absl::Seconds(7));
  EXPECT_EQ(json::parse(programs.calls[0].input)["id"], "alerts@7.abcdefgh");
}

TEST_F(Targets, AProgramSaysByItsExitCodeHowItWent) {
  Programs programs;
  secrets.Learn("hunter2-hunter2");
  CommandTarget target(programs, secrets, {"/bin/tell"}, absl::Seconds(7));
  const auto told = [&](StatusOr<ProgramResult> result) {
    programs.result = std::move(result);
    return rt.Run(target.Deliver(ANotice()));
  };
  EXPECT_EQ(told(ProgramResult{0, "fine"}).result, Result::kArrived);
  EXPECT_EQ(told(ProgramResult{1, ""}).result, Result::kFailed);
  EXPECT_EQ(told(ProgramResult{64, ""}).result, Result::kFailed);
  EXPECT_EQ(told(ProgramResult{65, ""}).result, Result::kRefused);
  EXPECT_EQ(told(ProgramResult{66, ""}).result, Result::kFailed);
  EXPECT_EQ(told(DeadlineExceeded("killed")).result, Result::kFailed);
  EXPECT_EQ(told(ProgramResult{3, "bad key hunter2-hunter2\n"}).answer, "exit 3: bad key [secret]");
}

}  // namespace
}  // namespace muster
