#include "queries/cost/projection.h"

#include <algorithm>
#include <tuple>

#include "queries/packing.h"
#include "queries/visit.h"

namespace muster::queries {
namespace {

constexpr std::int64_t kLayout = 2;
constexpr std::int64_t kDaySeconds = 86'400;
constexpr int kDaysShown = 31;

// Calls `add(day, amount)` for each UTC day that renting from `from` to `to` touches.
template <class Add>
void ForEachDay(MicroUsdPerHour price, absl::Time from, absl::Time to, Add add) {
  if (price.micros <= 0 || from == absl::InfinitePast()) return;
  while (from < to) {
    const std::int64_t day = UnixDay(from);
    const absl::Time until = std::min(to, absl::FromUnixSeconds((day + 1) * kDaySeconds));
    add(day, Cost(price, until - from));
    from = until;
  }
}

void Accrue(Meter& meter, absl::Time at) {
  ForEachDay(meter.price, meter.priced_since, at, [&](std::int64_t day, MicroUsd amount) {
    meter.total += amount;
    meter.days[day] += amount;
  });
  meter.priced_since = at;
}

void SetPrice(Meter& meter, std::int64_t micro_usd_per_hour, absl::Time at) {
  Accrue(meter, at);
  meter.price = MicroUsdPerHour(micro_usd_per_hour);
}

std::string DayName(std::int64_t day) {
  return FormatUtc(absl::FromUnixSeconds(day * kDaySeconds)).substr(0, 10);
}

bool Produces(const eventpb::LogObserved& e) {
  return e.counter() >= 0 || e.total() >= 0 || e.step() >= 0 || e.phase() == "producing";
}

}  // namespace

std::int64_t UnixDay(absl::Time time) {
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  return (seconds >= 0 ? seconds : seconds - kDaySeconds + 1) / kDaySeconds;
}

MicroUsd Meter::TotalAt(absl::Time now) const {
  MicroUsd sum = total;
  ForEachDay(price, priced_since, now, [&](std::int64_t, MicroUsd amount) { sum += amount; });
  return sum;
}

MicroUsd Meter::OnDayAt(std::int64_t day, absl::Time now) const {
  const auto known = days.find(day);
  MicroUsd sum = known == days.end() ? MicroUsd() : known->second;
  ForEachDay(price, priced_since, now, [&](std::int64_t d, MicroUsd amount) {
    if (d == day) sum += amount;
  });
  return sum;
}

CostProjection::OpenRow CostProjection::RowOf(Meter& meter) {
  OpenRow row{&meter, meter.price, meter.priced_since, meter.total, 0, {}};
  if (!meter.days.empty()) std::tie(row.day, row.on_day) = *meter.days.rbegin();
  return row;
}

void CostProjection::AddRow(Meter& meter) {
  std::vector<OpenRow>& rows = rows_[meter.fleet];
  meter.row = rows.size();
  rows.push_back(RowOf(meter));
  burn_[meter.provider] += rows.back().burn();
}

void CostProjection::UpdateRow(Meter& meter) {
  OpenRow& row = rows_.at(meter.fleet)[meter.row];
  burn_[meter.provider] -= row.burn();
  row = RowOf(meter);
  burn_[meter.provider] += row.burn();
}

void CostProjection::RemoveRow(Meter& meter) {
  const auto rows = rows_.find(meter.fleet);
  burn_[meter.provider] -= rows->second[meter.row].burn();
  OpenRow& last = rows->second.back();
  last.meter->row = meter.row;
  rows->second[meter.row] = last;
  rows->second.pop_back();
  if (rows->second.empty()) rows_.erase(rows);
}

// The log's own sum is the last word: the difference to ours (another version counted) goes to the
// last day, as far as that does not make it negative.
void CostProjection::End(const std::string& id, Meter& meter, const eventpb::EventBody& body,
                         absl::Time at) {
  if (meter.ended) return;
  RemoveRow(meter);
  Accrue(meter, at);
  meter.price = {};
  meter.ended = true;
  if (const MicroUsd said(body.worker_ended().spent_micro_usd()); said.micros > 0) {
    MicroUsd& last = meter.days.empty() ? meter.days[UnixDay(at)] : meter.days.rbegin()->second;
    const MicroUsd difference = std::max(said - meter.total, MicroUsd() - last);
    last += difference;
    meter.total += difference;
  }
  Sum& sum = ended_[meter.fleet][meter.gpu];
  const auto add = [&](Amount& to, MicroUsd amount) {
    to.spent += amount;
    if (!meter.produced) to.lost += amount;
  };
  add(sum.total, meter.total);
  for (const auto& [day, amount] : meter.days) add(sum.days[day], amount);
  const auto open = open_.find(meter.fleet);
  open->second.erase(id);
  if (open->second.empty()) open_.erase(open);
}

// Time that did not pass costs nothing.
void CostProjection::StepClock(absl::Duration by) {
  for (auto& [id, meter] : meters_) {
    if (meter->ended) continue;
    meter->asked_at += by;  // infinities stay what they are
    meter->priced_since += by;
    UpdateRow(*meter);
  }
}

void CostProjection::Apply(const RecordedEvent& recorded, const eventpb::EventBody& body) {
  if (body.has_clock_stepped()) {
    return StepClock(absl::Microseconds(body.clock_stepped().by_us()));
  }
  const std::string_view id = NameInStream(recorded.stream, "worker/");
  if (id.empty()) return;
  const absl::Time at = recorded.event.occurred_at;
  const auto begin = [&](const auto& e) -> Meter* {
    auto& slot = meters_[std::string(id)];
    slot = std::make_unique<Meter>();
    slot->fleet = e.fleet();
    slot->provider = e.provider();
    slot->gpu = e.offer().gpu();
    slot->price = slot->offered = MicroUsdPerHour(e.offer().price_micro_usd_per_hour());
    open_[e.fleet()].emplace(id);
    AddRow(*slot);
    return slot.get();
  };
  const auto known = meters_.find(ToAbsl(id));
  Meter* meter = known == meters_.end() ? nullptr : known->second.get();
  // While launching, `price` is the offer's and the clock stands: priced_since is never.
  const bool billed =
      meter != nullptr && !meter->ended && meter->priced_since != absl::InfinitePast();
  const Overloaded fold{[&](const eventpb::LaunchRequested& e) {
                          if (meter == nullptr) (meter = begin(e))->asked_at = at;
                        },
                        [&](const eventpb::WorkerAdopted& e) {
                          if (meter == nullptr) (meter = begin(e))->priced_since = at;
                        },
                        [&](const eventpb::LaunchAccepted& e) {
                          if (meter == nullptr || meter->ended || billed) return;
                          // Found afterwards: it may have run since it was asked for.
                          const bool found = e.how() == eventpb::LaunchAccepted::LOOKUP;
                          meter->priced_since = found ? std::min(meter->asked_at, at) : at;
                        },
                        [&](const eventpb::InstanceObserved& e) {
                          if (!billed) return;
                          if (e.price_known()) SetPrice(*meter, e.price_micro_usd_per_hour(), at);
                          if (meter->gpu.empty()) meter->gpu = e.gpu();
                        },
                        [&](const eventpb::StartAnswered& e) {
                          // It may end before a list says that it is no longer the disk alone.
                          if (!billed || !e.accepted()) return;
                          SetPrice(*meter, std::max(meter->price, meter->offered).micros, at);
                        },
                        [&](const eventpb::LogObserved& e) {
                          if (meter != nullptr && Produces(e)) meter->produced = true;
                        },
                        [&](const eventpb::WorkerEnded&) {
                          if (meter != nullptr) End(std::string(id), *meter, body, at);
                        },
                        [](const auto&) {}};
  VisitEvent(body, fold);
  if (meter != nullptr && !meter->ended) UpdateRow(*meter);
}

const Meter* CostProjection::Find(std::string_view worker) const {
  const auto it = meters_.find(ToAbsl(worker));
  return it == meters_.end() ? nullptr : it->second.get();
}

// What is added up for one row.
struct CostProjection::Tally {
  CostRow row;

  void Add(const Meter& meter, std::int64_t today, absl::Time now) {
    if (meter.priced_since != absl::InfinitePast()) row.burn.micros += meter.price.micros;
    row.today += meter.OnDayAt(today, now);
    row.total += meter.TotalAt(now);
  }
  void Add(const Sum& sum, std::int64_t today) {
    row.total += sum.total.spent;
    row.lost += sum.total.lost;
    if (const auto day = sum.days.find(today); day != sum.days.end())
      row.today += day->second.spent;
  }
};

CostProjection::Spending CostProjection::OfFleet(const std::string& fleet, absl::Time now) const {
  const std::int64_t today = UnixDay(now);
  Tally tally;
  if (const auto rows = rows_.find(fleet); rows != rows_.end()) {
    for (const OpenRow& row : rows->second) {
      if (row.day > today || (row.billed() && UnixDay(row.priced_since) != today)) {
        tally.Add(*row.meter, today, now);  // over midnight
        continue;
      }
      const MicroUsd since = row.billed() ? Cost(row.price, now - row.priced_since) : MicroUsd();
      tally.row.burn += row.burn();
      tally.row.today += since + (row.day == today ? row.on_day : MicroUsd());
      tally.row.total += since + row.total;
    }
  }
  if (const auto ended = ended_.find(fleet); ended != ended_.end()) {
    for (const auto& [gpu, sum] : ended->second) tally.Add(sum, today);
  }
  return {tally.row.burn, tally.row.today, tally.row.total};
}

MicroUsdPerHour CostProjection::BurnOfProvider(const std::string& provider) const {
  const auto burn = burn_.find(provider);
  return burn == burn_.end() ? MicroUsdPerHour() : burn->second;
}

std::map<std::string, MicroUsd> CostProjection::Lost() const {
  std::map<std::string, MicroUsd> lost;
  for (const auto& [fleet, open] : open_) lost[fleet] = {};
  for (const auto& [fleet, gpus] : ended_) {
    MicroUsd& sum = lost[fleet];
    for (const auto& [gpu, of_gpu] : gpus) sum += of_gpu.total.lost;
  }
  return lost;
}

CostReport CostProjection::Report(const std::string& fleet, absl::Time now) const {
  const std::int64_t today = UnixDay(now);
  std::map<std::string, Tally> fleets, gpus, workers;
  std::map<std::int64_t, CostRow> days;
  Tally all;
  const auto wanted = [&](const std::string& name) { return fleet.empty() || name == fleet; };

  for (const auto& [name, sums] : ended_) {
    if (!wanted(name)) continue;
    for (const auto& [gpu, sum] : sums) {
      for (Tally* tally : {&fleets[name], &gpus[gpu], &all}) tally->Add(sum, today);
      for (const auto& [day, amount] : sum.days) {
        days[day].total += amount.spent;
        days[day].lost += amount.lost;
      }
    }
  }
  for (const auto& [id, meter] : meters_) {
    if (!wanted(meter->fleet)) continue;
    if (meter->ended) {
      if (meter->days.contains(today)) workers[id].Add(*meter, today, now);
      if (meter->days.contains(today) && !meter->produced) workers[id].row.lost = meter->total;
      continue;
    }
    for (Tally* tally : {&fleets[meter->fleet], &gpus[meter->gpu], &workers[id], &all}) {
      tally->Add(*meter, today, now);
    }
    for (const auto& [day, amount] : meter->days) days[day].total += amount;
    ForEachDay(meter->price, meter->priced_since, now,
               [&](std::int64_t day, MicroUsd amount) { days[day].total += amount; });
  }

  CostReport report;
  report.sum = all.row;
  const auto rows = [](std::map<std::string, Tally>& from, std::vector<CostRow>& to) {
    for (auto& [key, tally] : from) {
      tally.row.key = key;
      to.push_back(std::move(tally.row));
    }
  };
  rows(fleets, report.fleets);
  rows(gpus, report.gpus);
  rows(workers, report.workers);
  for (auto day = days.rbegin(); day != days.rend(); ++day) {
    if (report.days.size() == kDaysShown) break;
    day->second.key = DayName(day->first);
    if (day->first == today) {
      day->second.today = day->second.total;
      day->second.burn = all.row.burn;
    }
    report.days.push_back(std::move(day->second));
  }
  return report;
}

std::string CostProjection::Save() const { return PackModel(kLayout, *this); }
bool CostProjection::Load(std::string_view bytes) {
  if (!UnpackModel(kLayout, bytes, *this)) return false;
  rows_.clear();
  burn_.clear();
  for (const auto& [fleet, ids] : open_) {
    for (const std::string& id : ids) {
      const auto meter = meters_.find(id);
      if (meter == meters_.end() || meter->second->fleet != fleet) return false;
      AddRow(*meter->second);
    }
  }
  return true;
}

}  // namespace muster::queries
