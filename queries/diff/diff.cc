#include "queries/diff/diff.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "eventstore/base/strings.h"

namespace muster::queries {
namespace {

// What is shown of a subject, in order.
using Facts = std::vector<std::pair<std::string, std::string>>;

std::string Number(double value) { return absl::StrFormat("%.4g", value); }
std::string YesNo(bool value) { return value ? "yes" : "no"; }

Facts FactsOf(const FleetStatus& fleet) {
  std::string waits;
  for (const WaitStatus& wait : fleet.waits) waits += Cat(waits.empty() ? "" : ", ", wait.kind);
  return {{"version", Cat(fleet.fleet_version)},
          {"wanted", Cat(fleet.wanted)},
          {"have", Cat(fleet.have)},
          {"healthy", Cat(fleet.healthy)},
          {"burn", FormatUsdPerHour(fleet.burn)},
          {"spent", FormatUsd(fleet.spent_total)},
          {"rate", Cat(Number(fleet.rate_per_s), "/s")},
          {"waits for", waits.empty() ? "nothing" : waits},
          {"strikes suspended", YesNo(fleet.strikes_suspended)},
          {"ended", YesNo(fleet.ended)}};
}

Facts FactsOf(const WorkerStatus& worker) {
  Facts facts = {{"phase", worker.ended_how.empty() ? worker.phase : worker.ended_how},
                 {"machine", Cat(worker.machine.str(), ", ", worker.gpu.str())},
                 {"price", FormatUsdPerHour(worker.price)},
                 {"spent", FormatUsd(worker.spent)}};
  if (worker.ended_how.empty()) facts.insert(facts.begin() + 1, {"health", worker.health});
  if (!worker.ended_rule.empty()) facts.insert(facts.begin() + 1, {"rule", worker.ended_rule});
  return facts;
}

Facts FactsOf(const HostStatus& host) {
  std::string blocked;
  for (const FleetName& fleet : host.blocked_for) {
    blocked += Cat(blocked.empty() ? "" : ", ", fleet.str());
  }
  return {{"strikes", Number(host.live_strikes)},
          {"blocked for", blocked.empty() ? "nobody" : blocked},
          {"launches", Cat(host.launches)}};
}

Facts FactsOf(const AccountStatus& account) {
  std::string troubles;
  for (const WaitStatus& each : account.troubles) {
    troubles += Cat(troubles.empty() ? "" : ", ", each.kind);
  }
  return {{"credit", account.credit ? FormatUsd(*account.credit) : "not known"},
          {"waits for credit", YesNo(account.credit_wait)},
          {"trouble", troubles.empty() ? "none" : troubles},
          {"orphans", Cat(account.orphans.size())},
          {"burn", FormatUsdPerHour(account.burn)}};
}

using Shown = std::map<std::string, Facts>;

// Everything of one side, by kind in the order of telling; `machines` narrows hosts when not null.
std::vector<Shown> All(const Side& side, const FleetName& only,
                       const std::set<std::string>* machines) {
  Shown fleets, accounts, workers, hosts;
  for (const FleetStatus& fleet : side.models.Fleets(side.now, /*include_ended=*/true)) {
    if (only.empty() || fleet.name == only) {
      fleets[Cat("fleet/", fleet.name.str())] = FactsOf(fleet);
    }
  }
  WorkerQuery query;
  query.fleet = only;
  query.include_ended = true;
  if (const auto page = side.models.Workers(query, side.now); page.ok()) {
    for (const WorkerStatus& worker : page->workers) {
      workers[Cat("worker/", worker.id.str())] = FactsOf(worker);
    }
  }
  for (const HostStatus& host : side.models.Hosts({}, side.now)) {
    const std::string name = Cat("host/", host.provider.str(), "/", host.machine.str());
    if (machines == nullptr || machines->contains(name)) hosts[name] = FactsOf(host);
  }
  if (only.empty()) {
    for (const AccountStatus& account : side.models.Accounts(side.now)) {
      accounts[Cat("account/", account.provider.str())] = FactsOf(account);
    }
  }
  return {std::move(fleets), std::move(accounts), std::move(workers), std::move(hosts)};
}

// The machines that a fleet ever had, as far as either side knows.
std::set<std::string> MachinesOf(const Side& from, const Side& to, const FleetName& fleet) {
  std::set<std::string> machines;
  for (const Side* side : {&from, &to}) {
    WorkerQuery query;
    query.fleet = fleet;
    query.include_ended = true;
    const auto page = side->models.Workers(query, side->now);
    if (!page.ok()) continue;
    for (const WorkerStatus& worker : page->workers) {
      machines.insert(Cat("host/", worker.provider.str(), "/", worker.machine.str()));
    }
  }
  return machines;
}

const std::string* Find(const Facts& facts, std::string_view field) {
  for (const auto& [name, value] : facts) {
    if (name == field) return &value;
  }
  return nullptr;
}

void Compare(const std::string& subject, const Facts& before, const Facts& after,
             std::vector<Change>& out) {
  for (const auto& [field, value] : after) {
    const std::string* old = Find(before, field);
    if (old == nullptr || *old != value) {
      out.push_back({subject, field, old == nullptr ? "" : *old, value});
    }
  }
  for (const auto& [field, value] : before) {
    if (Find(after, field) == nullptr) out.push_back({subject, field, value, ""});
  }
}

}  // namespace

std::vector<Change> Diff(const Side& from, const Side& to, const FleetName& fleet) {
  const std::set<std::string> machines =
      fleet.empty() ? std::set<std::string>() : MachinesOf(from, to, fleet);
  const std::set<std::string>* narrowed = fleet.empty() ? nullptr : &machines;
  const std::vector<Shown> before = All(from, fleet, narrowed);
  const std::vector<Shown> after = All(to, fleet, narrowed);
  std::vector<Change> changes;
  for (std::size_t kind = 0; kind < before.size(); ++kind) {
    std::set<std::string> subjects;
    for (const auto& [subject, facts] : before[kind]) subjects.insert(subject);
    for (const auto& [subject, facts] : after[kind]) subjects.insert(subject);
    for (const std::string& subject : subjects) {
      const auto old = before[kind].find(subject);
      const auto now = after[kind].find(subject);
      Compare(subject, old == before[kind].end() ? Facts() : old->second,
              now == after[kind].end() ? Facts() : now->second, changes);
    }
  }
  return changes;
}

}  // namespace muster::queries
