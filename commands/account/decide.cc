#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "commands/account/commands.h"
#include "eventstore/base/sha256.h"
#include "eventstore/events/account_events.h"

namespace muster::account {
namespace {

using Result = StatusOr<Events>;

constexpr absl::Duration kRefresh = absl::Minutes(5);
constexpr std::int64_t kCentMicros = 10'000;
constexpr int kOffersPerGpu = 32;  // the cheapest; more could not be rented before the next search

bool Due(const Stamp& last, absl::Time now) {
  return !last.seen() || now < last.at || now - last.at >= kRefresh;
}

bool Moved(const std::optional<MicroUsd>& before, MicroUsd now) {
  return !before.has_value() || std::llabs(now.micros - before->micros) >= kCentMicros;
}

Result On(const State& state, const ObserveCredit& command, const DecideContext& context) {
  if (!Moved(state.credit, command.credit) && !Moved(state.balance, command.balance) &&
      !Due(state.credit_seen, context.now)) {
    return Events{};
  }
  eventpb::CreditObserved seen;
  seen.set_credit_micro_usd(command.credit.micros);
  seen.set_balance_micro_usd(command.balance.micros);
  return Events{Wrap(seen)};
}

Result On(const State& state, const NoteStrayServers& command, const DecideContext&) {
  Events events;
  for (const eventpb::StrayServerFound& stray : command.strays) {
    if (stray.server().empty()) return InvalidArgument("a server needs its number");
    if (state.stray_servers.contains(ServerNumber(stray.server()))) continue;
    events.push_back(Wrap(stray));
  }
  return events;
}

Result On(const State& state, const BeginCreditWait& command, const DecideContext&) {
  if (state.credit_wait) return Events{};
  if (command.evidence.rule().empty()) return InvalidArgument("a wait without evidence: no rule");
  eventpb::CreditWaitBegan began;
  began.set_detail(StoredText(command.detail));
  *began.mutable_evidence() = command.evidence;
  return Events{Wrap(began)};
}

Result On(const State& state, const RecordProbe& command, const DecideContext&) {
  if (!state.credit_wait) return FailedPrecondition("the account does not wait for credit");
  eventpb::CreditProbed probed;
  probed.set_credit(command.credit);
  probed.set_detail(StoredText(command.detail));
  return Events{Wrap(probed)};
}

Result On(const State& state, const EndCreditWait& command, const DecideContext&) {
  if (!state.credit_wait) return Events{};
  eventpb::CreditWaitEnded ended;
  *ended.mutable_evidence() = command.evidence;
  return Events{Wrap(ended)};
}

bool Has(const State& state, TroubleKind kind, const std::string& endpoint) {
  return std::any_of(state.troubles.begin(), state.troubles.end(),
                     [&](const Ongoing& o) { return o.kind == kind && o.endpoint == endpoint; });
}

Result On(const State& state, const BeginTrouble& command, const DecideContext&) {
  if (command.kind == eventpb::AccountTroubleBegan::KIND_UNSPECIFIED) {
    return InvalidArgument("the trouble has no kind");
  }
  if (Has(state, command.kind, command.endpoint)) return Events{};
  eventpb::AccountTroubleBegan began;
  began.set_kind(command.kind);
  began.set_endpoint(command.endpoint);
  began.set_detail(StoredText(command.detail));
  return Events{Wrap(began)};
}

Result On(const State& state, const EndTrouble& command, const DecideContext&) {
  if (!Has(state, command.kind, command.endpoint)) return Events{};
  eventpb::AccountTroubleEnded ended;
  ended.set_kind(command.kind);
  ended.set_endpoint(command.endpoint);
  return Events{Wrap(ended)};
}

std::vector<Offer> Cheapest(std::vector<Offer> offers) {
  std::sort(offers.begin(), offers.end(), [](const Offer& a, const Offer& b) {
    return a.price != b.price ? a.price < b.price : a.id < b.id;
  });
  std::map<GpuName, int> taken;
  std::erase_if(offers, [&](const Offer& o) { return ++taken[o.gpu] > kOffersPerGpu; });
  return offers;
}

Result On(const State& state, const ObserveOffers& command, const DecideContext& context) {
  const std::vector<Offer> offers = Cheapest(command.offers);
  const bool same =
      state.offers_seen.seen() && state.offers_found == command.found &&
      std::equal(offers.begin(), offers.end(), state.offers.begin(), state.offers.end(),
                 [](const Offer& a, const Offer& b) { return a.id == b.id && a.price == b.price; });
  if (same && !Due(state.offers_seen, context.now)) return Events{};
  eventpb::OffersObserved seen;
  for (const Offer& offer : offers) *seen.add_offers() = MakeOfferSeen(offer);
  seen.set_found(command.found);
  seen.set_query_digest(command.query_digest);
  return Events{Wrap(seen)};
}

eventpb::EventBody Resolved(const InstanceId& instance, eventpb::OrphanResolved::How how,
                            const WorkerId& worker) {
  eventpb::OrphanResolved resolved;
  resolved.set_instance(instance.str());
  resolved.set_how(how);
  resolved.set_worker(worker.str());
  return Wrap(resolved);
}

// The ids in order, each once. Lists come in order already, as a rule.
std::vector<InstanceId> InOrder(std::vector<InstanceId> ids) {
  if (!std::is_sorted(ids.begin(), ids.end())) std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

bool Has(const std::vector<InstanceId>& in_order, const InstanceId& id) {
  return std::binary_search(in_order.begin(), in_order.end(), id);
}

// What the list adds and removes. Both are walked once, side by side: there are thousands.
eventpb::InstanceListObserved Compare(const State& state, const std::vector<InstanceId>& now) {
  eventpb::InstanceListObserved seen;
  auto before = state.listed.begin();
  for (const InstanceId& id : now) {
    for (; before != state.listed.end() && *before < id; ++before) seen.add_removed(before->str());
    if (before != state.listed.end() && *before == id) {
      ++before;
    } else {
      seen.add_added(id.str());
    }
  }
  for (; before != state.listed.end(); ++before) seen.add_removed(before->str());
  seen.set_instances(static_cast<int>(now.size()));
  return seen;
}

std::string DigestOf(const std::vector<InstanceId>& ids) {
  std::string text;
  for (const InstanceId& id : ids) {
    text += id.str();
    text += '\n';
  }
  return Sha256Hex(text);
}

Result On(const State& state, const ObserveList& command, const DecideContext& context) {
  const std::vector<InstanceId> now = InOrder(command.instances);
  eventpb::InstanceListObserved seen = Compare(state, now);
  Events events;
  if (seen.added_size() > 0 || seen.removed_size() > 0 || Due(state.list_seen, context.now)) {
    seen.set_digest(DigestOf(now));
    events.push_back(Wrap(seen));
  }
  std::set<InstanceId> strays;
  for (const eventpb::OrphanFound& stray : command.strays) {
    const InstanceId id(stray.instance());
    if (!Has(now, id)) return InvalidArgument(Cat("stray ", id.str(), " is not in the list"));
    if (strays.insert(id).second && !state.orphans.contains(id)) events.push_back(Wrap(stray));
  }
  for (const auto& [id, orphan] : state.orphans) {
    if (strays.contains(id)) continue;
    if (Has(now, id)) {
      events.push_back(Resolved(id, eventpb::OrphanResolved::ADOPTED, {}));
    } else if (!state.listed.contains(id)) {  // nor was it in the list before
      events.push_back(Resolved(id, eventpb::OrphanResolved::GONE, {}));
    }
  }
  return events;
}

Result On(const State& state, const ResolveOrphan& command, const DecideContext&) {
  if (command.how == eventpb::OrphanResolved::HOW_UNSPECIFIED) {
    return InvalidArgument("how it was resolved is not said");
  }
  if (!state.orphans.contains(command.instance)) return Events{};
  return Events{Resolved(command.instance, command.how, command.worker)};
}

}  // namespace

StatusOr<Events> Decide(const State& state, const Command& command, const DecideContext& context) {
  return std::visit([&](const auto& c) { return On(state, c, context); }, command);
}

}  // namespace muster::account
