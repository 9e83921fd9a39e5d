#include "workers/providers/hetzner/errors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "workers/providers/hetzner/json.h"

namespace muster::hetzner {
namespace {

constexpr char kCodeUrl[] = "muster/hetzner-code";
// A window longer than the longest that is documented is not believed.
constexpr std::int64_t kWindowSecondsMax = 86'400;

struct Answer {
  int status = 0;
  bool is_json = false;  // an error object of the service, not somebody's page
  std::string code;      // "SERVER_NOT_FOUND"
  std::string text;      // its message, or the start of what is no JSON
  std::vector<std::string> missing, invalid;
  absl::Duration window;
};

Answer Read(const HttpResponse& response) {
  Answer answer;
  answer.status = response.status;
  const std::optional<Json> body = ParseJson(response.body);
  const Json error = body.has_value() ? Member(*body, "error") : Json();
  answer.is_json = error.is_object();
  if (!answer.is_json) {
    answer.text = ToValidUtf8(Trim(std::string_view(response.body).substr(0, 4096)));
    return answer;
  }
  answer.code = Text(error, "code");
  answer.text = Text(error, "message");
  answer.missing = Texts(error, "missing");
  answer.invalid = Texts(error, "invalid");
  const std::int64_t seconds = Whole(error, "interval").value_or(0);
  answer.window = absl::Seconds(std::clamp<std::int64_t>(seconds, 0, kWindowSecondsMax));
  return answer;
}

bool Has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Whether a refused order was refused for its product: somebody else has it.
bool ProductGone(const Answer& answer) {
  if (Has(answer.invalid, "product_id")) return true;
  const std::string text = absl::AsciiStrToLower(answer.text);
  return text.find("product") != std::string::npos &&
         (text.find("not found") != std::string::npos ||
          text.find("not available") != std::string::npos ||
          text.find("no longer") != std::string::npos);
}

// What the code says, whatever the status; kNone when it is one that nobody knows.
Trouble FromCode(CallKind kind, const Answer& answer) {
  const std::string& code = answer.code;
  if (code == "RATE_LIMIT_EXCEEDED") return Trouble::kThrottled;
  if (code == "UNAUTHORIZED") return Trouble::kAuth;
  if (code == "SERVER_NOT_FOUND" || code == "NOT_FOUND") {
    return kind == CallKind::kOrder ? Trouble::kOfferGone : Trouble::kNotFound;
  }
  if (code == "INVALID_INPUT") {
    return kind == CallKind::kOrder && ProductGone(answer) ? Trouble::kOfferGone
                                                           : Trouble::kRejected;
  }
  if (code == "CONFLICT" || code == "KEY_ALREADY_EXISTS" || code == "RESET_MANUAL_ACTIVE" ||
      code == "SERVER_CANCELLATION_RESERVE_LOCATION_FALSE_ONLY") {
    return Trouble::kConflict;
  }
  return Trouble::kNone;
}

Trouble FromStatus(CallKind kind, const Answer& answer) {
  const bool read = kind == CallKind::kRead;
  if (answer.status == 401) return Trouble::kAuth;
  if (answer.status == 429) return Trouble::kThrottled;
  if (answer.status >= 500 || answer.status == 408) {
    return read ? Trouble::kUnavailable : Trouble::kUnclear;
  }
  // Redirects are followed for reads only, and were: the address is wrong.
  if (answer.status >= 300 && answer.status < 400) return Trouble::kRejected;
  // A page of somebody in between: it says nothing about the thing asked for.
  if (!answer.is_json) return read ? Trouble::kUnavailable : Trouble::kMalformed;
  if (answer.status == 409) return Trouble::kConflict;
  // A 404 without a code that is known is not believed to mean "gone".
  if (answer.status == 404 && answer.code.empty()) return Trouble::kMalformed;
  return Trouble::kRejected;
}

std::string Describe(const Answer& answer) {
  std::string text = Cat("HTTP ", answer.status);
  if (!answer.code.empty()) text += Cat(" ", answer.code);
  if (!answer.text.empty()) text += Cat(": ", answer.text);
  for (const std::string& name : answer.missing) text += Cat(" (missing ", name, ")");
  for (const std::string& name : answer.invalid) text += Cat(" (invalid ", name, ")");
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return Ellipsize(text, kProviderMessageBytesMax);
}

}  // namespace

Status ErrorFromAnswer(CallKind kind, const HttpResponse& response) {
  const Answer answer = Read(response);
  Trouble trouble = FromCode(kind, answer);
  if (trouble == Trouble::kNone) trouble = FromStatus(kind, answer);
  const absl::Duration wait = trouble == Trouble::kThrottled ? answer.window : absl::ZeroDuration();
  return WithErrorCode(MakeTrouble(trouble, Describe(answer), wait), answer.code);
}

Status ErrorFromTransport(CallKind kind, const Status& transport) {
  return TroubleOfNoAnswer(kind == CallKind::kRead ? MayHave::kDoneNothing : MayHave::kActed,
                           transport);
}

std::string ErrorCode(const Status& status) {
  const auto code = status.GetPayload(kCodeUrl);
  return code.has_value() ? std::string(*code) : "";
}

Status WithErrorCode(Status status, std::string_view code) {
  if (!code.empty()) status.SetPayload(kCodeUrl, absl::Cord(ToAbsl(code)));
  return status;
}

}  // namespace muster::hetzner
