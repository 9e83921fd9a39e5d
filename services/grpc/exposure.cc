#include "services/grpc/exposure.h"

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

#include "eventstore/events/codec.h"
#include "queries/fleet_status/view.h"
#include "services/grpc/convert.h"
#include "services/grpc/server_bills.h"
#include "workers/pollers/strays.h"

namespace muster::grpc_api {
namespace {

using Billed = api::BilledMachine;

bool HasIntent(const Billed& machine) {
  return machine.account() == Billed::INTENT || machine.account() == Billed::LAUNCHING;
}

// Where the worker's story begins: the event that asked for it, or took it in.
void FillIntent(const EventStore& store, const WorkerId& worker, Billed& out) {
  out.set_worker(worker.str());
  // An index that cannot be read leaves the position open; the intent is in the World all the same.
  store
      .ReadStream(WorkerStream(worker), 0,
                  [&](const RecordedEvent& event) {
                    out.set_position(event.position);
                    out.set_intent(event.event.type);
                    return false;
                  })
      .IgnoreError();
}

// When to pass `cap`, spending `burn` from `spent` on; InfiniteFuture: never.
absl::Time Passes(MicroUsd spent, std::int64_t cap, MicroUsdPerHour burn, absl::Time now) {
  if (cap == 0) return absl::InfiniteFuture();
  if (spent.micros >= cap) return now;
  if (burn.micros <= 0) return absl::InfiniteFuture();
  return now + absl::Hours(1) *
                   (static_cast<double>(cap - spent.micros) / static_cast<double>(burn.micros));
}

// Launches that may have been acted upon and that no bill shows yet.
struct InFlight {
  std::map<FleetName, MicroUsdPerHour> by_fleet;
  std::map<ProviderName, MicroUsdPerHour> by_provider;
};
InFlight LaunchesInFlight(const World& world) {
  InFlight out;
  for (const auto& [id, worker] : world.workers) {
    if (!std::holds_alternative<worker::Launching>(worker->phase)) continue;
    out.by_fleet[worker->identity.fleet] += worker->identity.offered.price;
    out.by_provider[worker->identity.provider] += worker->identity.offered.price;
  }
  return out;
}

void FillFleet(const queries::FleetStatus& fleet, MicroUsdPerHour in_flight, absl::Time now,
               api::FleetExposure& out) {
  const absl::Time midnight = queries::NextMidnight(now);
  MicroUsdPerHour burn = fleet.burn;
  burn += in_flight;
  const specpb::Budget& budget = fleet.spec->budget();
  out.set_fleet(fleet.name.str());
  out.set_workers(fleet.have + fleet.destroying);
  out.set_burn_micro_usd_per_hour(burn.micros);
  out.set_spent_today_micro_usd(fleet.spent_today.micros);
  out.set_at_midnight_micro_usd(fleet.spent_today.micros + Cost(burn, midnight - now).micros);
  out.set_cap_day_micro_usd(budget.per_day_micro_usd());
  const absl::Time day = Passes(fleet.spent_today, budget.per_day_micro_usd(), burn, now);
  if (day < midnight) *out.mutable_cap_day_at() = ToTimestamp(day);
  out.set_spent_total_micro_usd(fleet.spent_total.micros);
  out.set_cap_total_micro_usd(budget.total_micro_usd());
  const absl::Time total = Passes(fleet.spent_total, budget.total_micro_usd(), burn, now);
  if (total != absl::InfiniteFuture()) *out.mutable_cap_total_at() = ToTimestamp(total);
}

void FillAccount(const queries::AccountStatus& account, MicroUsdPerHour in_flight, absl::Time now,
                 api::AccountExposure& out) {
  MicroUsdPerHour burn = account.burn;
  burn += in_flight;
  MicroUsdPerHour orphans;
  for (const queries::OrphanStatus& orphan : account.orphans) orphans += orphan.price;
  out.set_provider(account.provider.str());
  out.set_burn_micro_usd_per_hour(burn.micros);
  out.set_orphan_micro_usd_per_hour(orphans.micros);
  out.set_bounded(burn.micros <= 0 || account.credit.has_value());
  if (!account.credit.has_value()) return;
  out.set_credit_known(true);
  out.set_credit_micro_usd(account.credit->micros);
  if (account.credit_at != absl::InfinitePast()) {
    *out.mutable_credit_at() = ToTimestamp(account.credit_at);
  }
  if (burn.micros <= 0) return;
  const std::int64_t left = std::max<std::int64_t>(account.credit->micros, 0);
  out.set_worst_micro_usd(left);
  *out.mutable_ends_at() =
      ToTimestamp(Passes(MicroUsd(0), std::max<std::int64_t>(left, 1), burn,
                         account.credit_at == absl::InfinitePast() ? now : account.credit_at));
}

}  // namespace

void BilledReport::Add(const World& world, const EventStore& store, const ProviderName& provider,
                       const std::vector<Instance>& list, absl::Time now) {
  std::map<std::string, std::string> strays;
  for (const eventpb::OrphanFound& stray : FindStrays(world, provider, list)) {
    strays.emplace(stray.instance(), stray.why());
  }
  if (const account::State* account = world.FindAccount(provider)) {  // found when more was known
    for (const auto& [id, orphan] : account->orphans) strays.emplace(id.str(), orphan.why);
  }
  std::map<std::string, WorkerId> launching;  // by label: answered at any moment
  for (const auto& [id, worker] : world.workers) {
    if (std::holds_alternative<worker::Launching>(worker->phase)) {
      launching.emplace(worker->identity.label, id);
    }
  }
  for (const Instance& instance : list) {
    Billed& out = *report_.add_machines();
    out.set_provider(provider.str());
    out.set_instance(instance.id.str());
    out.set_label(instance.label);
    out.set_machine(instance.machine.str());
    out.set_gpu(instance.gpu.str());
    out.set_price_micro_usd_per_hour(instance.price.micros);
    if (instance.started_at.has_value()) {
      *out.mutable_started_at() = ToTimestamp(*instance.started_at);
      const absl::Duration age = std::max(now - *instance.started_at, absl::ZeroDuration());
      out.set_age_s(absl::ToInt64Seconds(age));
      out.set_billed_micro_usd(Cost(instance.price, age).micros);
    }
    const auto owner = world.by_instance.find(instance.id);
    const auto launch = launching.find(instance.label);
    if (owner != world.by_instance.end()) {
      out.set_account(Billed::INTENT);
      FillIntent(store, owner->second, out);
    } else if (launch != launching.end()) {
      out.set_account(Billed::LAUNCHING);
      FillIntent(store, launch->second, out);
    } else if (const auto stray = strays.find(instance.id.str()); stray != strays.end()) {
      out.set_account(Billed::ORPHAN);
      out.set_why(stray->second);
    } else {
      out.set_account(Billed::UNKNOWN);
    }
  }
}

void BilledReport::AddServers(std::vector<api::ServerBill> ordered,
                              std::vector<api::ServerBill> strays) {
  const auto unasked = std::count_if(strays.begin(), strays.end(),
                                     [](const auto& bill) { return bill.intent().empty(); });
  report_.set_unaccounted(report_.unaccounted() + static_cast<int>(unasked));
  auto& servers = *report_.mutable_servers();
  for (auto* bills : {&strays, &ordered}) {
    for (api::ServerBill& bill : *bills) *servers.Add() = std::move(bill);
  }
  std::stable_sort(servers.begin(), servers.end(),
                   [](const auto& a, const auto& b) { return a.id().empty() && !b.id().empty(); });
}

void BilledReport::Unlisted(const ProviderName& provider, const Status& why) {
  report_.add_unknown_providers(Cat(provider.str(), ": ", Message(why)));
}

api::ProveOrphansResponse BilledReport::Finish() {
  auto& machines = *report_.mutable_machines();
  std::stable_sort(machines.begin(), machines.end(),
                   [](const Billed& a, const Billed& b) { return !HasIntent(a) && HasIntent(b); });
  for (const Billed& machine : machines) {
    const std::int64_t price = machine.price_micro_usd_per_hour();
    report_.set_burn_micro_usd_per_hour(report_.burn_micro_usd_per_hour() + price);
    if (HasIntent(machine)) continue;
    report_.set_unaccounted(report_.unaccounted() + 1);
    report_.set_unaccounted_micro_usd_per_hour(report_.unaccounted_micro_usd_per_hour() + price);
  }
  report_.set_proved(report_.unaccounted() == 0 && report_.unknown_providers().empty());
  return std::move(report_);
}

api::ProveBudgetResponse WorstCase(const queries::ReadModels& models, const World& world,
                                   absl::Time now) {
  const InFlight in_flight = LaunchesInFlight(world);
  const auto of = [](const auto& map, const auto& key) {
    const auto found = map.find(key);
    return found == map.end() ? MicroUsdPerHour() : found->second;
  };
  api::ProveBudgetResponse out;
  for (const queries::FleetStatus& fleet : models.Fleets(now)) {
    FillFleet(fleet, of(in_flight.by_fleet, fleet.name), now, *out.add_fleets());
  }
  out.set_bounded(true);
  // Of accounts that nothing was ever seen of, the fleets' burn is all there is to tell.
  std::map<std::string, MicroUsdPerHour> unseen;
  for (const queries::FleetStatus& fleet : models.Fleets(now)) {
    MicroUsdPerHour& burn = unseen[fleet.spec->provider()];
    burn += fleet.burn;
    burn += of(in_flight.by_fleet, fleet.name);
  }
  for (const queries::AccountStatus& account : models.Accounts(now)) {
    unseen.erase(account.provider.str());
    api::AccountExposure& shown = *out.add_accounts();
    FillAccount(account, of(in_flight.by_provider, account.provider), now, shown);
    out.set_burn_micro_usd_per_hour(out.burn_micro_usd_per_hour() +
                                    shown.burn_micro_usd_per_hour());
    out.set_worst_micro_usd(out.worst_micro_usd() + shown.worst_micro_usd());
    out.set_bounded(out.bounded() && shown.bounded());
  }
  for (const auto& [provider, burn] : unseen) {
    if (burn.micros <= 0) continue;
    api::AccountExposure& shown = *out.add_accounts();
    shown.set_provider(provider);
    shown.set_burn_micro_usd_per_hour(burn.micros);
    out.set_burn_micro_usd_per_hour(out.burn_micro_usd_per_hour() + burn.micros);
    out.set_bounded(false);
  }
  for (api::ServerBill& bill : ServerBills(world, BillsOf::kMayCostNow, ProviderName(), now)) {
    *out.add_servers() = std::move(bill);
  }
  *out.mutable_now() = ToTimestamp(now);
  *out.mutable_midnight() = ToTimestamp(queries::NextMidnight(now));
  out.set_position(models.position());
  return out;
}

}  // namespace muster::grpc_api
