#include "commands/fleet/plan/gates.h"

#include <algorithm>
#include <string_view>

#include "eventstore/base/strings.h"

namespace muster::fleet {
namespace {

using Trouble = eventpb::AccountTroubleBegan;

// A pace that was refused is kept from for so long: longer than a provider is known to lock out who
// came too early, and no longer, since the calls are paced anyway. A launch then tries again: only
// its success shows that the trouble is over.
constexpr absl::Duration kThrottlePause = absl::Seconds(15);

// Which calls an ongoing trouble is about, from the name of the endpoint; "" = all.
enum class Scope { kAll, kList, kLaunch, kOther };
Scope ScopeOf(std::string_view endpoint) {
  const auto has = [&](std::string_view part) {
    return endpoint.find(part) != std::string_view::npos;
  };
  if (endpoint.empty()) return Scope::kAll;
  if (has("list")) return Scope::kList;
  if (has("create") || has("launch")) return Scope::kLaunch;
  return Scope::kOther;  // a search, a log, a destroy: each shows in its own way
}

std::string Where(const account::Ongoing& trouble) {
  return trouble.endpoint.empty() ? "" : Cat(" (", trouble.endpoint, ")");
}

void ApplyTrouble(Gate& gate, const account::Ongoing& trouble, absl::Time now) {
  const Scope scope = ScopeOf(trouble.endpoint);
  switch (trouble.kind) {
    case Trouble::AUTH:
    case Trouble::FORBIDDEN:
      // A missing permission is of its own calls alone; without lists nothing can be known.
      if (trouble.kind == Trouble::AUTH || scope == Scope::kAll || scope == Scope::kList) {
        gate.may_launch = false;
        gate.may_destroy = false;
      }
      gate.waits.push_back(MakeWait(
          eventpb::Wait::AUTH,
          Cat("the provider refuses the key", Where(trouble), ": ", trouble.detail), "operator"));
      return;
    case Trouble::OUTAGE:
      if (scope == Scope::kOther) return;
      gate.may_launch = false;
      gate.waits.push_back(MakeWait(
          eventpb::Wait::OUTAGE,
          Cat("the provider does not answer", Where(trouble), ": ", trouble.detail), "provider"));
      return;
    case Trouble::THROTTLED: {
      const absl::Time until = OverAt(trouble.since.at, kThrottlePause, now);
      if (scope == Scope::kOther || scope == Scope::kList || now >= until) return;
      gate.may_launch = false;
      gate.reopens = std::max(until, gate.reopens == absl::InfiniteFuture() ? until : gate.reopens);
      gate.waits.push_back(MakeWait(eventpb::Wait::THROTTLE,
                                    Cat("too many requests", Where(trouble)), "provider", until));
      return;
    }
    case Trouble::KIND_UNSPECIFIED:
    default:
      return;  // open enum: a kind of a newer writer gates nothing
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
    gate.waits.push_back(
        MakeWait(eventpb::Wait::LIST, "no complete list of instances was seen yet", "muster"));
  }
  if (account == nullptr) return gate;
  for (const account::Ongoing& trouble : account->troubles) ApplyTrouble(gate, trouble, now);
  if (account->credit_wait) {
    gate.credit_wait = true;
    gate.next_probe = std::max(OverAt(account->credit_wait_since.at, probe_interval, now),
                               OverAt(account->last_probe.at, probe_interval, now));
    gate.may_probe = gate.may_launch && now >= gate.next_probe;
    gate.may_launch = false;
    gate.waits.push_back(
        MakeWait(eventpb::Wait::CREDIT, account->credit_wait_detail, "operator", gate.next_probe));
  }
  return gate;
}

bool ListsDoubtful(const account::State* account) {
  if (account == nullptr) return false;
  return std::any_of(account->troubles.begin(), account->troubles.end(), [](const auto& trouble) {
    const Scope scope = ScopeOf(trouble.endpoint);
    return trouble.kind != Trouble::THROTTLED && (scope == Scope::kAll || scope == Scope::kList);
  });
}

std::uint64_t AccountPosition(const account::State* account) {
  if (account == nullptr) return 0;
  if (account->credit_wait) return account->credit_wait_since.position;
  return account->troubles.empty() ? 0 : account->troubles.front().since.position;
}

}  // namespace muster::fleet
