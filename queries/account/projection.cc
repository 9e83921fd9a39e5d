#include "queries/account/projection.h"

#include <algorithm>

#include "queries/packing.h"
#include "queries/visit.h"
#include "queries/words.h"

namespace muster::queries {
namespace {

using Kind = eventpb::AccountTroubleBegan;
constexpr std::int64_t kLayout = 1;

// Who can end it.
std::string_view TroubleOwner(int kind) {
  switch (kind) {
    case Kind::AUTH:
    case Kind::FORBIDDEN:
      return "operator";
    case Kind::THROTTLED:
      return "muster";
    default:
      return "provider";
  }
}

}  // namespace

void AccountProjection::Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  const std::string_view provider = NameInStream(recorded.stream, "account/");
  if (provider.empty()) return;
  Account& account = accounts_[std::string(provider)];
  const absl::Time at = recorded.event.occurred_at;
  const Overloaded fold{
      [&](const eventpb::CreditObserved& e) {
        account.credit = e.credit_micro_usd();
        account.credit_at = at;
      },
      [&](const eventpb::CreditWaitBegan& e) {
        if (!account.waiting) account.wait_since = at;
        account.waiting = true;
        account.wait_detail = e.detail();
      },
      [&](const eventpb::CreditProbed& e) {
        if (!e.credit() && !e.detail().empty()) account.wait_detail = e.detail();
      },
      [&](const eventpb::CreditWaitEnded&) {
        account.waiting = false;
        account.wait_detail.clear();
        account.wait_since = absl::InfinitePast();
      },
      [&](const eventpb::AccountTroubleBegan& e) {
        const auto [it, began] = account.troubles.try_emplace({e.kind(), e.endpoint()});
        if (began) it->second.since = at;
        it->second.detail = e.detail();
      },
      [&](const eventpb::AccountTroubleEnded& e) {
        if (!e.endpoint().empty()) {
          account.troubles.erase({e.kind(), e.endpoint()});
          return;
        }
        std::erase_if(account.troubles, [&](const auto& t) { return t.first.first == e.kind(); });
      },
      [&](const eventpb::OffersObserved& e) {
        account.offers_at = at;
        account.offers_found = e.found();
      },
      [&](const eventpb::InstanceListObserved& e) {
        account.list_at = at;
        account.instances = e.instances();
      },
      [&](const eventpb::OrphanFound& e) {
        const auto [it, found] = account.orphans.try_emplace(e.instance());
        const absl::Time since = found ? at : it->second.found;
        it->second = {e.label(), e.machine(), e.gpu(),
                      e.fleet(), e.why(),     e.price_micro_usd_per_hour(),
                      since};
      },
      [&](const eventpb::OrphanResolved& e) { account.orphans.erase(e.instance()); },
      [](const auto&) {}};
  VisitEvent(body, fold);
}

AccountStatus AccountProjection::Show(const std::string& provider, const Account& account) {
  AccountStatus shown;
  shown.provider = ProviderName(provider);
  if (account.credit) shown.credit = MicroUsd(*account.credit);
  shown.credit_at = account.credit_at;
  shown.credit_wait = account.waiting;
  shown.credit_wait_detail = account.wait_detail;
  shown.credit_wait_since = account.wait_since;
  for (const auto& [key, trouble] : account.troubles) {
    const auto& [kind, endpoint] = key;
    shown.troubles.push_back(
        {.kind = std::string(TroubleWord(kind)),
         .detail = endpoint.empty() ? trouble.detail : Cat(endpoint, ": ", trouble.detail),
         .owner = std::string(TroubleOwner(kind)),
         .since = trouble.since});
  }
  for (const auto& [instance, orphan] : account.orphans) {
    shown.orphans.push_back({InstanceId(instance), orphan.label, MachineId(orphan.machine),
                             GpuName(orphan.gpu), MicroUsdPerHour(orphan.price),
                             FleetName(orphan.fleet), orphan.why, orphan.found});
    shown.burn.micros += std::max<std::int64_t>(orphan.price, 0);
  }
  shown.instances = account.instances;
  shown.list_at = account.list_at;
  shown.offers_at = account.offers_at;
  shown.offers_found = account.offers_found;
  return shown;
}

std::vector<AccountStatus> AccountProjection::Accounts() const {
  std::vector<AccountStatus> shown;
  shown.reserve(accounts_.size());
  for (const auto& [provider, account] : accounts_) shown.push_back(Show(provider, account));
  return shown;
}

std::string AccountProjection::Save() const { return PackModel(kLayout, *this); }
bool AccountProjection::Load(std::string_view bytes) { return UnpackModel(kLayout, bytes, *this); }

}  // namespace muster::queries
