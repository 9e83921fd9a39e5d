#include "commands/fleet/plan/gates.h"

#include <algorithm>
#include <string_view>

#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

using Trouble = eventpb::AccountTroubleBegan;

// Which calls an ongoing trouble is about, from the adapter's name of the endpoint.
enum class Scope { kAll, kMarket, kLogs, kAccount, kDestroy, kLaunch };
Scope ScopeOf(std::string_view endpoint) {
  const auto has = [&](std::string_view part) {
    return endpoint.find(part) != std::string_view::npos;
  };
  if (has("search") || has("market") || has("offers") || has("bundles")) return Scope::kMarket;
  if (has("log")) return Scope::kLogs;
  if (has("account") || has("credit") || has("users")) return Scope::kAccount;
  if (has("destroy") || has("DELETE")) return Scope::kDestroy;
  if (has("launch") || has("create") || has("asks")) return Scope::kLaunch;
  return Scope::kAll;
}

void ApplyTrouble(Gate& gate, const account::Ongoing& trouble) {
  const Scope scope = ScopeOf(trouble.endpoint);
  switch (trouble.kind) {
    case Trouble::AUTH:
    case Trouble::FORBIDDEN:
      gate.may_launch = false;
      gate.may_destroy = false;
      gate.waits.push_back(MakeWait(
          eventpb::Wait::AUTH, Cat("the provider refuses the key: ", trouble.detail), "operator"));
      return;
    case Trouble::OUTAGE:
      if (scope == Scope::kLogs || scope == Scope::kAccount || scope == Scope::kDestroy) return;
      gate.may_launch = false;
      gate.waits.push_back(MakeWait(eventpb::Wait::OUTAGE,
                                    Cat("no answer from ", trouble.endpoint), "provider"));
      return;
    case Trouble::THROTTLED:
      if (scope != Scope::kLaunch && scope != Scope::kAll) return;
      gate.may_launch = false;
      gate.waits.push_back(MakeWait(eventpb::Wait::THROTTLE,
                                    Cat("too many requests to ", trouble.endpoint), "provider"));
      return;
    case Trouble::KIND_UNSPECIFIED: return;
    default: return;  // open enum: a kind of a newer writer gates nothing
  }
}

}  // namespace

eventpb::Wait MakeWait(eventpb::Wait::Kind kind, std::string detail, std::string owner,
                       absl::Time until) {
  eventpb::Wait wait;
  wait.set_kind(kind);
  wait.set_detail(std::move(detail));
  wait.set_owner(std::move(owner));
  if (until != absl::InfinitePast() && until != absl::InfiniteFuture()) {
    wait.set_until_us(absl::ToUnixMicros(until));
  }
  return wait;
}

Gate GateOf(const account::State* account, absl::Duration probe_interval, absl::Time now) {
  Gate gate;
  if (account == nullptr || !account->list_seen.seen()) {
    // Before the first complete list nobody knows what runs under our labels already.
    gate.may_launch = false;
    gate.waits.push_back(MakeWait(eventpb::Wait::LIST,
                                  "no complete list of instances was seen yet", "muster"));
  }
  if (account == nullptr) return gate;
  for (const account::Ongoing& trouble : account->troubles) ApplyTrouble(gate, trouble);
  if (account->credit_wait) {
    gate.credit_wait = true;
    gate.next_probe =
        std::max(account->credit_wait_since.at, account->last_probe.at) + probe_interval;
    gate.may_probe = gate.may_launch && now >= gate.next_probe;
    gate.may_launch = false;
    gate.waits.push_back(MakeWait(eventpb::Wait::CREDIT, account->credit_wait_detail, "operator",
                                  gate.next_probe));
  }
  return gate;
}

bool ListsDoubtful(const account::State* account) {
  if (account == nullptr) return false;
  return std::any_of(account->troubles.begin(), account->troubles.end(), [](const auto& trouble) {
    if (trouble.kind == Trouble::AUTH || trouble.kind == Trouble::FORBIDDEN) return true;
    return trouble.kind == Trouble::OUTAGE && ScopeOf(trouble.endpoint) == Scope::kAll;
  });
}

std::uint64_t AccountPosition(const account::State* account) {
  if (account == nullptr) return 0;
  if (account->credit_wait) return account->credit_wait_since.position;
  return account->troubles.empty() ? 0 : account->troubles.front().since.position;
}

}  // namespace muster::fleet
