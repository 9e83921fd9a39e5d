#include "workers/runtime/account_reporter.h"

#include <algorithm>
#include <utility>

#include "commands/handler/handler.h"
#include "workers/ports/provider.h"
#include "workers/runtime/task_group.h"

namespace muster {
namespace {

constexpr int kThrottledMin = 2;
constexpr int kUnansweredMin = 3;

using Began = eventpb::AccountTroubleBegan;

// Calls that are made again and again whatever happens. Others may never come again while the
// trouble lasts, so their refusal must not be what it ends by.
bool IsPolled(std::string_view what) { return what == "list" || what == "account"; }

Task<void> Tell(Handler& handler, ProviderName provider, account::Command command) {
  Origin origin{.actor = "poller:account"};
  const StatusOr<Outcome> outcome =
      co_await handler.Account(std::move(provider), std::move(command), std::move(origin));
  // Refused or not stored: the next outcome says the same again.
  (void)outcome.ok();
}

bool Ongoing(const World& world, const ProviderName& provider, Began::Kind kind,
             std::string_view endpoint) {
  const account::State* account = world.FindAccount(provider);
  if (account == nullptr) return false;
  return std::any_of(account->troubles.begin(), account->troubles.end(), [&](const auto& trouble) {
    return trouble.kind == kind && trouble.endpoint == endpoint;
  });
}

}  // namespace

void AccountReporter::Report(std::string_view what, const Status& outcome) {
  const Trouble trouble = TroubleOf(outcome);
  int& throttled = throttled_[std::string(what)];
  switch (trouble) {
    case Trouble::kAuth:
      if (IsPolled(what)) refused_.emplace(what);
      return Begin(Kind::kAuth, what, Message(outcome));
    case Trouble::kForbidden:
      return Begin(Kind::kForbidden, what, Message(outcome));
    case Trouble::kThrottled:
      if (++throttled >= kThrottledMin) Begin(Kind::kThrottled, what, Message(outcome));
      return;
    case Trouble::kUnavailable:
    case Trouble::kUnclear:
    case Trouble::kMalformed:
      if (++unanswered_ >= kUnansweredMin) Begin(Kind::kOutage, what, Message(outcome));
      return;
    case Trouble::kNone:
    case Trouble::kNoCredit:
    case Trouble::kOfferGone:
    case Trouble::kNotFound:
    case Trouble::kRejected:
    case Trouble::kConflict:
      break;
  }
  // The provider answered and knew the key.
  unanswered_ = 0;
  throttled = 0;
  refused_.erase(std::string(what));
  if (refused_.empty()) End(Kind::kAuth, what);
  End(Kind::kOutage, what);
  End(Kind::kForbidden, what);
  End(Kind::kThrottled, what);
}

namespace {

Began::Kind KindOf(int kind) {
  static constexpr Began::Kind kKinds[] = {Began::AUTH, Began::FORBIDDEN, Began::OUTAGE,
                                           Began::THROTTLED};
  return kKinds[kind];
}

}  // namespace

// A key or an outage concerns every call; a permission or a pace only its own.
void AccountReporter::Begin(Kind kind, std::string_view what, std::string_view detail) {
  const bool all = kind == Kind::kAuth || kind == Kind::kOutage;
  const std::string endpoint(all ? "" : what);
  const Began::Kind stored = KindOf(static_cast<int>(kind));
  if (Ongoing(handler_.world(), provider_, stored, endpoint)) return;
  account::BeginTrouble command{stored, endpoint, std::string(detail)};
  group_.Spawn("trouble", Tell(handler_, provider_, std::move(command)));
}

void AccountReporter::End(Kind kind, std::string_view what) {
  const bool all = kind == Kind::kAuth || kind == Kind::kOutage;
  const std::string endpoint(all ? "" : what);
  const Began::Kind stored = KindOf(static_cast<int>(kind));
  if (!Ongoing(handler_.world(), provider_, stored, endpoint)) return;
  group_.Spawn("trouble", Tell(handler_, provider_, account::EndTrouble{stored, endpoint}));
}

}  // namespace muster
