#include "queries/words.h"

#include <algorithm>

#include "eventstore/events/codec.h"

namespace muster::queries {

std::string_view WaitWord(int kind) {
  using W = eventpb::Wait;
  switch (static_cast<W::Kind>(kind)) {
    case W::CREDIT:
      return "credit";
    case W::AUTH:
      return "auth";
    case W::OUTAGE:
      return "outage";
    case W::THROTTLE:
      return "throttle";
    case W::OFFERS:
      return "offers";
    case W::BUDGET:
      return "budget";
    case W::PREFLIGHT:
      return "preflight";
    case W::UNCLEAR:
      return "unclear";
    case W::LIST:
      return "list";
    case W::SECRETS:
      return "secrets";
    default:
      return "unspecified";
  }
}

std::string_view LaunchRejectWord(int reason) {
  using R = eventpb::LaunchRejected;
  switch (static_cast<R::Reason>(reason)) {
    case R::OFFER_GONE:
      return "offer gone";
    case R::NO_CREDIT:
      return "no credit";
    case R::AUTH:
      return "not authorised";
    case R::THROTTLED:
      return "throttled";
    case R::REJECTED:
      return "request refused";
    case R::UNAVAILABLE:
      return "provider unavailable";
    case R::SECRET_MISSING:
      return "secret missing";
    case R::CANCELLED:
      return "withdrawn before it was sent";
    default:
      return "no reason given";
  }
}

std::string_view DestroyAnswerWord(int answer) {
  using A = eventpb::DestroyAnswered;
  switch (static_cast<A::Answer>(answer)) {
    case A::ACCEPTED:
      return "accepted";
    case A::NOT_FOUND:
      return "not found, to be confirmed";
    case A::THROTTLED:
      return "throttled";
    case A::REFUSED:
      return "refused";
    case A::UNCLEAR:
      return "unclear";
    case A::UNAVAILABLE:
      return "unavailable";
    default:
      return "no answer";
  }
}

std::string_view TroubleWord(int kind) {
  using K = eventpb::AccountTroubleBegan;
  switch (static_cast<K::Kind>(kind)) {
    case K::AUTH:
      return "auth";
    case K::FORBIDDEN:
      return "forbidden";
    case K::OUTAGE:
      return "outage";
    case K::THROTTLED:
      return "throttled";
    default:
      return "unspecified";
  }
}

std::string_view EndedWord(int how) {
  using E = eventpb::WorkerEnded;
  switch (static_cast<E::How>(how)) {
    case E::DESTROYED:
      return "destroyed";
    case E::VANISHED:
      return "vanished";
    case E::NEVER_BEGAN:
      return "never began";
    default:
      return "ended";
  }
}

std::string HealthWord(int health) {
  using H = eventpb::WorkerHealthChanged;
  const std::string& name = H::Health_Name(static_cast<H::Health>(health));
  return name.empty() ? "UNKNOWN" : name;
}

std::string ShortSpan(absl::Duration span) {
  std::string text = FormatSpan(span);
  if (text.ends_with("m00s")) text.resize(text.size() - 3);
  if (text.ends_with("h00m")) text.resize(text.size() - 3);
  if (text.ends_with("d0h")) text.resize(text.size() - 2);
  return text;
}

std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    line += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return line;
}

std::string WithoutPage(const std::string& text) {
  const std::size_t page = std::min(text.find("<html"), text.find("<!DOCTYPE"));
  return page == text.npos ? text : Cat(text.substr(0, page), "(a web page)");
}

}  // namespace muster::queries
