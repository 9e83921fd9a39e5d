#include "commands/shadow/money.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "commands/fleet/plan/board.h"

namespace muster::shadow {
namespace {

using Kind = eventpb::ShadowDisagreed;

bool NamesItsWorker(const Entry& entry) {
  return entry.what.kind() == Kind::WOULD_END || entry.what.kind() == Kind::WOULD_KEEP;
}

}  // namespace

Spend& Spend::operator+=(const Spend& other) {
  total += other.total;
  today += other.today;
  return *this;
}
Spend& Spend::operator-=(const Spend& other) {
  total -= other.total;
  today -= other.today;
  return *this;
}

Spend SpentByFleet(const World& world, const FleetName& fleet, absl::Time now) {
  Spend spend;
  const std::int64_t day = fleet::UnixDay(now);
  if (const auto ended = world.spent_ended_total.find(fleet);
      ended != world.spent_ended_total.end()) {
    spend.total += ended->second;
  }
  if (const auto days = world.spent_ended_by_day.find(fleet);
      days != world.spent_ended_by_day.end()) {
    const auto today = days->second.find(day);
    if (today != days->second.end()) spend.today += today->second;
  }
  const auto open = world.open_by_fleet.find(fleet);
  if (open == world.open_by_fleet.end()) return spend;
  for (const WorkerId& id : open->second) {
    const worker::State* worker = world.FindWorker(id);
    spend += Spend{worker->SpentAt(now), worker->SpentOnDay(day, now)};
  }
  return spend;
}

std::map<std::int64_t, const worker::State*> LiveWorkers(const World& world, const State& shadow) {
  std::map<std::int64_t, const worker::State*> found;
  // Launches are known by offer and place: their ids are made after both have decided.
  std::map<std::pair<std::string, int>, std::vector<const Entry*>> launches;
  for (const auto& [number, entry] : shadow.open) {
    if (!entry.live_open) continue;
    if (NamesItsWorker(entry)) {
      found[number] = world.FindWorker(WorkerId(entry.what.worker()));
    } else {
      launches[{entry.what.live_offer().offer(), entry.what.live_index()}].push_back(&entry);
    }
  }
  if (launches.empty()) return found;
  for (const auto& [id, worker] : world.WorkersInOrder()) {
    const worker::Identity& me = worker->identity;
    if (me.fleet != shadow.fleet) continue;
    const auto same = launches.find({me.offered.offer.str(), me.index});
    if (same == launches.end()) continue;
    const Entry* newest = nullptr;  // of those that were before it
    for (const Entry* entry : same->second) {
      if (entry->what.as_of() < me.begun.position) newest = entry;
    }
    if (newest != nullptr) found.emplace(newest->what.number(), worker);
  }
  return found;
}

Spend LiveSide(const Entry& entry, const worker::State* worker, absl::Time now) {
  // A failed one that the candidate would have given more time costs both the same.
  const bool shared = entry.what.kind() == Kind::WOULD_KEEP && !entry.what.has_would_launch();
  if (worker == nullptr || shared) return {};
  const std::int64_t day = fleet::UnixDay(now);
  const bool began_today = fleet::UnixDay(entry.at) == day;
  Spend spend{worker->SpentAt(now), worker->SpentOnDay(day, now)};
  spend.total -= MicroUsd(entry.what.live_spent_micro_usd());
  if (began_today) spend.today -= MicroUsd(entry.what.live_spent_today_micro_usd());
  return spend;
}

Spend CandidateSide(const Entry& entry, absl::Time now) {
  if (!entry.modelled) return {};
  const MicroUsdPerHour price(entry.what.would_launch().offer().price_micro_usd_per_hour());
  const absl::Time midnight = fleet::NextMidnight(now) - absl::Hours(24);
  return {Cost(price, now - entry.at), Cost(price, now - std::max(entry.at, midnight))};
}

Spend Difference(const World& world, const State& shadow, absl::Time now) {
  Spend sum{shadow.difference, {}};
  if (shadow.day == fleet::UnixDay(now)) sum.today = shadow.difference_today;
  const auto workers = LiveWorkers(world, shadow);
  for (const auto& [number, entry] : shadow.open) {
    sum += CandidateSide(entry, now);
    const auto worker = workers.find(number);
    if (worker != workers.end()) sum -= LiveSide(entry, worker->second, now);
  }
  return sum;
}

MicroUsdPerHour BurnOf(const World& world, const FleetName& fleet) {
  MicroUsdPerHour burn;
  const auto open = world.open_by_fleet.find(fleet);
  if (open == world.open_by_fleet.end()) return burn;
  for (const WorkerId& id : open->second) burn += world.FindWorker(id)->price;
  return burn;
}

}  // namespace muster::shadow
