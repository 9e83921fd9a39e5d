#include "workers/providers/vast/errors.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::vast {
namespace {

struct Row {
  const char* name;
  CallKind kind;
  int status;
  const char* body;
  Trouble want;
};

constexpr CallKind R = CallKind::kRead;
constexpr CallKind C = CallKind::kCreate;
constexpr CallKind W = CallKind::kWrite;

// One row per situation of the error table, and what stands in between when it is no API answer.
const Row kRows[] = {
    {"no credit", C, 400,
     R"({"success":false,"error":"insufficient_credit","msg":"Your account lacks credit; see the billing page."})",
     Trouble::kNoCredit},
    {"no credit, without success", C, 400,
     R"({"error":"insufficient_credit","msg":"Your account lacks credit; see the billing page."})",
     Trouble::kNoCredit},
    {"no credit, on 200", C, 200, R"({"success":false,"msg":"Your account LACKS CREDIT"})",
     Trouble::kNoCredit},
    {"spending cap", C, 403, R"({"success":false,"error":"spend_rate_limit","msg":"x"})",
     Trouble::kNoCredit},
    {"offer gone 404", C, 404,
     R"({"success":false,"error":"invalid_args","msg":"error 404/3603: no_such_ask Instance type by id 9001 is not available.","ask_id":9001})",
     Trouble::kOfferGone},
    {"offer gone 410", C, 410,
     R"({"success":false,"error":"no_such_ask","msg":"error 410/3907: no_such_ask Instance type 9001 is no longer available."})",
     Trouble::kOfferGone},
    {"offer gone 400 plain", C, 400, "no_such_ask", Trouble::kOfferGone},
    {"offer gone 200", C, 200, R"({"success":false,"msg":"try another"})", Trouble::kOfferGone},
    {"bad arguments", C, 400,
     R"({"success":false,"error":"invalid_args","msg":"error 400/3467: Invalid args: disk"})",
     Trouble::kRejected},
    {"bad price", C, 400, R"({"success":false,"error":"invalid_price","msg":"x"})",
     Trouble::kRejected},
    {"invalid key 401", R, 401,
     R"({"success":false,"error":"auth_error","msg":"Invalid user key"})", Trouble::kAuth},
    {"invalid key 404", R, 404,
     R"({"success":false,"error":"auth_error","msg":"Invalid user key"})", Trouble::kAuth},
    {"invalid key 404 on create", C, 404,
     R"({"success":false,"error":"auth_error","msg":"Invalid user key"})", Trouble::kAuth},
    {"invalid key 404 on destroy", W, 404,
     R"({"success":false,"error":"auth_error","msg":"Invalid user key"})", Trouble::kAuth},
    {"expired login", R, 404, R"({"msg":"Session expired. Please log in again."})", Trouble::kAuth},
    {"not authorised", R, 403, R"({"error":"not_authorized","msg":"x"})", Trouble::kForbidden},
    {"403 of other words", W, 403, R"({"msg":"no"})", Trouble::kForbidden},
    {"no such instance, put", W, 404, R"({"success":false,"error":"no_such_instance","msg":"x"})",
     Trouble::kNotFound},
    {"no such instance, delete", W, 404, R"({"success":false,"error":"not_found","msg":"x"})",
     Trouble::kNotFound},
    {"no such instance, logs", R, 404, R"({"success":false,"error":"invalid_id","msg":"x"})",
     Trouble::kNotFound},
    {"unknown words on 404 of a delete", W, 404, R"({"success":false,"msg":"nope"})",
     Trouble::kMalformed},
    {"unknown words on 404 of a read", R, 404, R"({"msg":"nope"})", Trouble::kMalformed},
    {"HTML 404 of a delete", W, 404, "<html>404</html>", Trouble::kMalformed},
    {"HTML 404 of a create", C, 404, "<html>404</html>", Trouble::kMalformed},
    {"HTML 404 of a read", R, 404, "<html>404</html>", Trouble::kUnavailable},
    {"HTML 403 of a read", R, 403, "<html>blocked</html>", Trouble::kUnavailable},
    {"empty 404 of a delete", W, 404, "", Trouble::kMalformed},
    {"list retired", R, 410,
     R"({"success":false,"error":"deprecated_endpoint","msg":"Use /api/v1/instances/ instead."})",
     Trouble::kRejected},
    {"throttled, plain", R, 429, "API requests too frequent", Trouble::kThrottled},
    {"throttled, detail", R, 429,
     R"({"detail":"API requests too frequent endpoint threshold=1.0"})", Trouble::kThrottled},
    {"throttled, delete", W, 429,
     R"({"success":false,"error":"rate_limit_exceeded","msg":"API requests too frequent endpoint threshold=3.0"})",
     Trouble::kThrottled},
    {"throttled, empty", C, 429, "", Trouble::kThrottled},
    {"throttled on 200", R, 200, R"({"success":false,"msg":"API requests too frequent"})",
     Trouble::kThrottled},
    {"outage of a read", R, 502, "<html>Bad Gateway</html>", Trouble::kUnavailable},
    {"outage of a create", C, 502, "<html>Bad Gateway</html>", Trouble::kUnclear},
    {"500 of a create", C, 500, R"({"success":false,"msg":"internal"})", Trouble::kUnclear},
    {"503 of a destroy", W, 503, "", Trouble::kUnclear},
    {"redirect", W, 308, "", Trouble::kRejected},
    {"queued start", W, 200,
     R"({"success":false,"msg":"Required resources are currently unavailable, state change queued."})",
     Trouble::kRejected},
    {"bad filter", R, 400, R"({"error":"invalid_request","msg":"x"})", Trouble::kRejected},
};

TEST(VastErrors, TellsEachSituationByStatusCodeAndWords) {
  for (const Row& row : kRows) {
    const Status error = ErrorFromAnswer(row.kind, HttpResponse{row.status, {}, row.body});
    EXPECT_EQ(TroubleName(TroubleOf(error)), TroubleName(row.want))
        << row.name << ": " << error.ToString();
  }
}

TEST(Defect12, AWarningBeforeTheRefusalDoesNotHideThatCreditIsGone) {
  constexpr char kRefusal[] =
      R"({"success":false,"error":"insufficient_credit","msg":"Your account lacks credit."})";
  for (const char* before : {"", "DeprecationWarning: use the new client\n", "<!-- edge 7 -->\n\n",
                             R"({"warning":"this endpoint will be retired"})"
                             "\n"}) {
    for (const int status : {200, 400, 402}) {
      const Status error = ErrorFromAnswer(C, {status, {}, Cat(before, kRefusal)});
      EXPECT_EQ(TroubleOf(error), Trouble::kNoCredit) << before << error.ToString();
    }
  }
  // And inside the answer, in a field of its own or in front of the words.
  for (const char* body :
       {R"({"warning":"old client","success":false,"msg":"Your account lacks credit."})",
        R"({"success":false,"msg":"warning: old client\nYour account lacks credit."})"}) {
    EXPECT_EQ(TroubleOf(ErrorFromAnswer(C, {400, {}, body})), Trouble::kNoCredit) << body;
  }
}

TEST(VastErrors, TakesTheLongestWaitThatIsNamedAnywhere) {
  const auto wait = [](HttpHeaders headers, std::string body) {
    return RetryAfter(ErrorFromAnswer(R, HttpResponse{429, std::move(headers), std::move(body)}));
  };
  EXPECT_EQ(wait({}, "API requests too frequent"), absl::ZeroDuration());
  EXPECT_EQ(wait({}, "API requests too frequent: endpoint threshold=4.5"), absl::Seconds(4.5));
  EXPECT_EQ(wait({{"Retry-After", "7"}}, "endpoint threshold=4.5"), absl::Seconds(7));
  EXPECT_EQ(wait({}, R"({"detail":"x","retry_after":12})"), absl::Seconds(12));
  EXPECT_EQ(wait({}, R"({"detail":"x","retry_after":"9.5"})"), absl::Seconds(9.5));
}

TEST(VastErrors, DoesNotBelieveAWaitOfDaysNorANegativeOne) {
  const auto wait = [](std::string value) {
    return RetryAfter(
        ErrorFromAnswer(R, HttpResponse{429, {{"retry-after", std::move(value)}}, ""}));
  };
  EXPECT_EQ(wait("900"), absl::Seconds(900));
  EXPECT_EQ(wait("901"), absl::Seconds(900));
  EXPECT_EQ(wait("1e300"), absl::Seconds(900));
  EXPECT_EQ(wait("-5"), absl::ZeroDuration());
  EXPECT_EQ(wait("nan"), absl::ZeroDuration());
  EXPECT_EQ(wait("Fri, 31 Dec 2027 23:59:59 GMT"), absl::ZeroDuration());
}

TEST(VastErrors, AnUnansweredWriteIsUnclearUnlessNothingWasSent) {
  for (const CallKind kind : {C, W}) {
    EXPECT_EQ(TroubleOf(ErrorFromTransport(kind, Unavailable("refused"))), Trouble::kUnavailable);
    EXPECT_EQ(TroubleOf(ErrorFromTransport(kind, DeadlineExceeded("late"))), Trouble::kUnclear);
    EXPECT_EQ(TroubleOf(ErrorFromTransport(kind, Unknown("reset"))), Trouble::kUnclear);
    EXPECT_EQ(TroubleOf(ErrorFromTransport(kind, ResourceExhausted("big"))), Trouble::kUnclear);
  }
  EXPECT_EQ(TroubleOf(ErrorFromTransport(R, DeadlineExceeded("late"))), Trouble::kUnavailable);
  EXPECT_EQ(TroubleOf(ErrorFromTransport(C, InvalidArgument("url"))), Trouble::kRejected);
}

TEST(VastErrors, MessagesAreShortAndOnOneLine) {
  const Status error =
      ErrorFromAnswer(R, HttpResponse{502, {}, "<html>\n" + std::string(5000, 'x') + "\r\n"});
  EXPECT_LE(Message(error).size(), 310u);
  EXPECT_EQ(Message(error).find('\n'), std::string_view::npos);
}

TEST(VastErrors, NonsenseNeverQuotesTheBody) {
  EXPECT_EQ(Message(Nonsense("create", R"({"instance_api_key":"d15a)")).find("d15a"),
            std::string_view::npos);
}

}  // namespace
}  // namespace muster::vast
