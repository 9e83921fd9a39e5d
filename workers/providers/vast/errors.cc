#include "workers/providers/vast/errors.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "workers/providers/vast/json.h"

namespace muster::vast {
namespace {

// A provider (or whoever stands before it) that names a longer wait is not believed.
constexpr double kRetrySecondsMax = 900;

struct Answer {
  int status = 0;
  bool is_json = false;
  std::string code;  // "insufficient_credit"
  std::string text;  // msg, message, detail, or the start of a body that is no JSON
  std::string all;   // the whole body in lower case, for substrings
  absl::Duration retry_after;

  bool Has(std::initializer_list<std::string_view> parts) const {
    return std::any_of(parts.begin(), parts.end(),
                       [&](std::string_view part) { return all.find(part) != std::string::npos; });
  }
};

// "endpoint threshold=4.5" is the least interval between two calls.
double ThresholdIn(const std::string& text) {
  constexpr std::string_view kMark = "threshold=";
  const std::size_t at = text.find(kMark);
  if (at == std::string::npos) return 0;
  const std::size_t from = at + kMark.size();
  std::size_t to = from;
  while (to < text.size() &&
         (std::isdigit(static_cast<unsigned char>(text[to])) != 0 || text[to] == '.')) {
    ++to;
  }
  double seconds = 0;
  return absl::SimpleAtod(text.substr(from, to - from), &seconds) ? seconds : 0;
}

absl::Duration RetryAfterIn(const HttpResponse& response, const Json& body,
                            const std::string& text) {
  double seconds = ThresholdIn(text);
  double header = 0;
  if (absl::SimpleAtod(std::string(FindHeader(response.headers, "retry-after")), &header)) {
    seconds = std::max(seconds, header);
  }
  seconds = std::max(seconds, Number(body, "retry_after").value_or(0));
  if (!(seconds > 0)) return absl::ZeroDuration();
  return absl::Seconds(std::min(seconds, kRetrySecondsMax));
}

Answer Read(const HttpResponse& response) {
  Answer answer;
  answer.status = response.status;
  answer.all = absl::AsciiStrToLower(response.body.substr(0, 16u << 10));
  const std::optional<JsonDocument> document = ParseJson(response.body);
  const Json body = document.has_value() ? document->root() : Json();
  answer.is_json = body.IsObject();
  if (answer.is_json) {
    answer.code = Text(body, "error");
    for (const char* key : {"msg", "message", "detail"}) {
      if (answer.text.empty()) answer.text = Text(body, key);
    }
  } else {
    answer.text = ToValidUtf8(Trim(std::string_view(response.body).substr(0, 4096)));
  }
  answer.retry_after = RetryAfterIn(response, body, answer.all);
  return answer;
}

// What the words say, whatever the status; kNone when they say nothing that is known.
Trouble FromWords(CallKind kind, const Answer& answer) {
  if (answer.status == 429 || answer.Has({"too frequent", "rate_limit_exceeded"})) {
    return Trouble::kThrottled;
  }
  if (answer.Has({"insufficient_credit", "lacks credit", "spend_rate_limit"})) {
    return Trouble::kNoCredit;
  }
  if (answer.status == 401 || answer.code == "auth_error" ||
      answer.Has({"session expired", "invalid user key", "invalid api key"})) {
    return Trouble::kAuth;
  }
  if (answer.code == "not_authorized") return Trouble::kForbidden;
  if (answer.Has({"deprecated_endpoint"})) return Trouble::kRejected;
  if (kind == CallKind::kCreate && answer.Has({"no_such_ask", "no longer available"})) {
    return Trouble::kOfferGone;
  }
  if (kind != CallKind::kCreate && answer.is_json && answer.status < 500 &&
      (answer.code == "no_such_instance" || answer.code == "not_found" ||
       answer.code == "invalid_id" || answer.Has({"no_such_instance"}))) {
    return Trouble::kNotFound;
  }
  return Trouble::kNone;
}

Trouble FromStatus(CallKind kind, const Answer& answer) {
  const bool read = kind == CallKind::kRead;
  if (answer.status >= 200 && answer.status < 300) {
    // success:false with words we do not know. Of a create this is how a gone offer looks.
    if (kind == CallKind::kCreate) return Trouble::kOfferGone;
    return read ? Trouble::kMalformed : Trouble::kRejected;
  }
  // Redirects are not followed for writes, and reads were already: the address is wrong.
  if (answer.status >= 300 && answer.status < 400) return Trouble::kRejected;
  if (answer.status >= 500 || answer.status == 408) {
    return read ? Trouble::kUnavailable : Trouble::kUnclear;
  }
  // A page of somebody in between, not the API: it says nothing about the thing asked for.
  if (!answer.is_json) return read ? Trouble::kUnavailable : Trouble::kMalformed;
  if (answer.status == 403) return Trouble::kForbidden;
  // Unknown words on a 404 or 410: gone for an offer, but of an instance only a list can tell.
  if (answer.status == 404 || answer.status == 410) {
    return kind == CallKind::kCreate ? Trouble::kOfferGone : Trouble::kMalformed;
  }
  return Trouble::kRejected;
}

std::string Describe(const Answer& answer) {
  std::string text = Cat("HTTP ", answer.status);
  if (!answer.code.empty()) text += Cat(" ", answer.code);
  if (!answer.text.empty()) text += Cat(": ", answer.text);
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return Ellipsize(text, kProviderMessageBytesMax);
}

}  // namespace

Status ErrorFromAnswer(CallKind kind, const HttpResponse& response) {
  const Answer answer = Read(response);
  Trouble trouble = FromWords(kind, answer);
  if (trouble == Trouble::kNone) trouble = FromStatus(kind, answer);
  return MakeTrouble(trouble, Describe(answer),
                     trouble == Trouble::kThrottled ? answer.retry_after : absl::ZeroDuration());
}

Status ErrorFromTransport(CallKind kind, const Status& transport) {
  return TroubleOfNoAnswer(kind == CallKind::kRead ? MayHave::kDoneNothing : MayHave::kActed,
                           transport);
}

}  // namespace muster::vast
