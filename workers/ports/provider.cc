#include "workers/ports/provider.h"

#include <array>

#include "absl/strings/numbers.h"

namespace muster {
namespace {

constexpr char kTroubleUrl[] = "muster/trouble";
constexpr char kRetryAfterUrl[] = "muster/retry-after-ms";

constexpr std::array<std::string_view, 12> kTroubleNames = {
    "none",      "throttled", "no_credit", "auth",        "forbidden", "offer_gone",
    "not_found", "rejected",  "conflict",  "unavailable", "unclear",   "malformed"};

StatusCode CodeOf(Trouble trouble) {
  switch (trouble) {
    case Trouble::kNone:
      return StatusCode::kOk;
    case Trouble::kThrottled:
      return StatusCode::kUnavailable;
    case Trouble::kNoCredit:
      return StatusCode::kResourceExhausted;
    case Trouble::kAuth:
      return StatusCode::kUnauthenticated;
    case Trouble::kForbidden:
      return StatusCode::kPermissionDenied;
    case Trouble::kOfferGone:
      return StatusCode::kFailedPrecondition;
    case Trouble::kNotFound:
      return StatusCode::kNotFound;
    case Trouble::kRejected:
      return StatusCode::kInvalidArgument;
    case Trouble::kConflict:
      return StatusCode::kAlreadyExists;
    case Trouble::kUnavailable:
      return StatusCode::kUnavailable;
    case Trouble::kUnclear:
      return StatusCode::kUnknown;
    case Trouble::kMalformed:
      return StatusCode::kDataLoss;
  }
  return StatusCode::kUnknown;
}

Trouble FromCode(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return Trouble::kNone;
    case StatusCode::kUnavailable:
      return Trouble::kUnavailable;
    case StatusCode::kInvalidArgument:
      return Trouble::kRejected;
    case StatusCode::kAlreadyExists:
      return Trouble::kConflict;
    case StatusCode::kDataLoss:
      return Trouble::kMalformed;
    default:
      return Trouble::kUnclear;
  }
}

}  // namespace

std::string_view TroubleName(Trouble trouble) {
  return kTroubleNames[static_cast<std::size_t>(trouble)];
}

Status MakeTrouble(Trouble trouble, std::string_view message, absl::Duration retry_after) {
  Status status = MakeStatus(CodeOf(trouble), message);
  status.SetPayload(kTroubleUrl, absl::Cord(ToAbsl(Cat(static_cast<int>(trouble)))));
  if (retry_after > absl::ZeroDuration()) {
    status.SetPayload(kRetryAfterUrl,
                      absl::Cord(ToAbsl(Cat(absl::ToInt64Milliseconds(retry_after)))));
  }
  return status;
}

Trouble TroubleOf(const Status& status) {
  if (status.ok()) return Trouble::kNone;
  const auto payload = status.GetPayload(kTroubleUrl);
  int value = 0;
  if (payload.has_value() && absl::SimpleAtoi(std::string(*payload), &value) && value > 0 &&
      value < static_cast<int>(kTroubleNames.size())) {
    return static_cast<Trouble>(value);
  }
  return FromCode(status.code());
}

absl::Duration RetryAfter(const Status& status) {
  const auto payload = status.GetPayload(kRetryAfterUrl);
  std::int64_t ms = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &ms)) {
    return absl::ZeroDuration();
  }
  return absl::Milliseconds(ms);
}

}  // namespace muster
