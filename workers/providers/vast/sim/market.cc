#include "workers/providers/vast/sim/market.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "eventstore/base/check.h"

namespace muster::vastsim {

namespace {

constexpr const char* kCountries[] = {"Sweden, SE",   "Germany, DE", "Quebec, CA", "California, US",
                                      "Texas, US",    "Poland, PL",  "Norway, NO", "Japan, JP",
                                      "Bulgaria, BG", ", US",        "Spain, ES"};
constexpr const char* kDrivers[] = {"535.86.05", "550.54.14", "560.35.03", "570.86.10"};
constexpr double kCudaOfDriver[] = {12.2, 12.4, 12.6, 12.8};

double Round(double value, double step) { return std::round(value / step) * step; }

}  // namespace

std::vector<GpuKind> DefaultGpus() {
  return {{"RTX 3060", 12288, 860, 0.052, 1.8},   {"RTX 3060 Ti", 8192, 860, 0.060, 2.1},
          {"RTX 3070", 8192, 860, 0.064, 2.4},    {"RTX 3070 Ti", 8192, 860, 0.068, 2.6},
          {"RTX 3080", 10240, 860, 0.078, 3.0},   {"RTX 3080 Ti", 12288, 860, 0.084, 2.8},
          {"RTX 3090", 24576, 860, 0.120, 2.6},   {"RTX 4060", 8188, 890, 0.058, 1.8},
          {"RTX 4060 Ti", 8188, 890, 0.066, 2.1}, {"RTX 4070", 12282, 890, 0.080, 3.3},
          {"RTX 4070 Ti", 12282, 890, 0.086, 4.1}};
}

Market::Market(const VastSimOptions& options, absl::Time start)
    : options_(options),
      rng_(options.seed * 2 + 1),
      start_(start),
      next_offer_(options.first_offer) {
  MUSTER_CHECK(!options.gpus.empty());
  if (options.record != nullptr) {
    MakeRecorded();
    return;
  }
  for (int i = 0; i < options.machines; ++i) {
    // Every kind is there before chance decides, so small markets are not lopsided.
    const std::size_t kind = static_cast<std::size_t>(i) % options.gpus.size();
    Machine made = MakeMachine(options.gpus[kind]);
    Machine& machine = machines_.emplace(made.id, std::move(made)).first->second;
    Relist(machine);
  }
  MarkBadMachines();
}

Machine Market::MakeMachine(const GpuKind& kind) {
  Machine m;
  next_machine_ += 1 + static_cast<std::int64_t>(rng_.Below(97));
  m.id = next_machine_;
  m.host = 80'000 + static_cast<std::int64_t>(rng_.Below(9000));
  m.gpu = kind;
  m.usd_per_gpu_hour = Round(kind.usd_per_hour * rng_.Between(0.82, 1.45), 0.0001);
  m.storage_usd_per_gb_month = Round(rng_.Between(0.08, 0.20), 0.01);
  m.speed = rng_.Between(0.88, 1.05);
  m.reliability = Round(1 - 0.06 * rng_.Unit() * rng_.Unit(), 0.0001);
  const std::size_t driver = rng_.Below(4);
  m.driver = kDrivers[driver];
  m.cuda = kCudaOfDriver[driver];
  m.inet_down_mbps = Round(rng_.Between(120, 1900), 0.1);
  m.inet_up_mbps = Round(m.inet_down_mbps * rng_.Between(0.3, 0.95), 0.1);
  m.disk_gb = Round(rng_.Between(60, 900), 0.1);
  m.country = kCountries[rng_.Below(std::size(kCountries))];
  m.address = Cat("203.0.113.", 1 + rng_.Below(250));
  const std::size_t gpus[] = {1, 1, 1, 2, 2, 4};
  m.taken.assign(gpus[rng_.Below(6)], false);
  m.cpu_cores = static_cast<int>(8 * m.taken.size() + 4 * rng_.Below(5));
  m.verified = !rng_.Chance(0.08);
  m.offered_until = start_ + absl::Hours(24) * (2 + static_cast<int>(rng_.Below(60)));
  return m;
}

void Market::MakeRecorded() {
  for (const MarketRecord::Machine& recorded : options_.record->machines) {
    const auto kind = std::find_if(options_.gpus.begin(), options_.gpus.end(),
                                   [&](const GpuKind& k) { return k.name == recorded.gpu.str(); });
    MUSTER_CHECK(kind != options_.gpus.end());
    Machine m = MakeMachine(*kind);
    std::int64_t id = 0;
    if (absl::SimpleAtoi(recorded.id.str(), &id) && !machines_.contains(id)) m.id = id;
    m.recorded = &recorded;
    m.storage_usd_per_gb_month = 0;  // recorded prices hold it
    m.reliability = recorded.reliability;
    m.cuda = recorded.cuda;
    m.inet_down_mbps = recorded.inet_down_mbps;
    m.inet_up_mbps = recorded.inet_up_mbps;
    m.disk_gb = recorded.disk_gb;
    m.country = recorded.location;
    m.verified = true;
    m.listed = false;
    m.taken.assign(static_cast<std::size_t>(recorded.gpus) * recorded.offers, false);
    machines_.emplace(m.id, std::move(m));
  }
  Replay(start_);
}

void Market::Replay(absl::Time now) {
  const absl::Duration length = options_.record->to - options_.record->from;
  absl::Duration at = now - start_;
  if (length > absl::ZeroDuration()) absl::IDivDuration(at, length, &at);
  for (auto& [id, machine] : machines_) {
    if (machine.recorded == nullptr) continue;
    const auto& all = machine.recorded->listings;
    const auto listing = std::find_if(all.begin(), all.end(), [&](const auto& each) {
      return each.seen <= at && at < each.gone;
    });
    const bool listed = listing != all.end();
    if (listed) {
      machine.usd_per_gpu_hour = listing->price.usd() / machine.recorded->gpus;
      if (!machine.listed) machine.offered_until = now + machine.recorded->remaining;
    }
    if (listed == machine.listed) continue;
    machine.listed = listed;
    Relist(machine);
  }
}

void Market::MarkBadMachines() {
  std::vector<Machine*> best;
  for (auto& [id, machine] : machines_) {
    if (machine.verified) best.push_back(&machine);
  }
  const auto rank = [](const Machine* m) {
    return std::pair(m->usd_per_gpu_hour / m->gpu.games_per_s, m->id);
  };
  std::sort(best.begin(), best.end(),
            [&](const Machine* a, const Machine* b) { return rank(a) < rank(b); });
  const std::size_t count = std::min<std::size_t>(options_.bad_machines, best.size());
  for (std::size_t i = 0; i < count; ++i) best[i]->bad = options_.bad_machine;
}

const OfferRow* Market::FindOffer(std::int64_t id) const {
  const auto it = offers_.find(id);
  return it == offers_.end() ? nullptr : &it->second;
}

Machine* Market::FindMachine(std::int64_t id) {
  const auto it = machines_.find(id);
  return it == machines_.end() ? nullptr : &it->second;
}

void Market::Take(const OfferRow& offer) {
  Machine& machine = machines_.at(offer.machine);
  for (int i = 0; i < offer.gpus; ++i) machine.taken[offer.first_gpu + i] = true;
  Relist(machine);
}

void Market::Return(std::int64_t id, int first_gpu, int gpus) {
  Machine& machine = machines_.at(id);
  for (int i = 0; i < gpus; ++i) machine.taken[first_gpu + i] = false;
  Relist(machine);
}

void Market::Remove(std::int64_t offer) { offers_.erase(offer); }

// Drops the machine's offers that cannot be honoured any more and makes those that can be now.
void Market::Relist(Machine& machine) {
  const int total = static_cast<int>(machine.taken.size());
  std::map<std::pair<int, int>, std::int64_t> standing;  // (size, first) -> offer
  for (const auto& [id, offer] : offers_) {
    if (offer.machine == machine.id) standing[{offer.gpus, offer.first_gpu}] = id;
  }
  const int least = machine.recorded == nullptr ? 1 : machine.recorded->gpus;
  for (int size = least; size <= total; size *= 2) {
    if (machine.recorded != nullptr && size > least) break;
    for (int first = 0; first + size <= total; first += size) {
      bool free = machine.listed;
      for (int i = 0; i < size; ++i) free = free && !machine.taken[first + i];
      const auto known = standing.find({size, first});
      if (free && known == standing.end()) {
        next_offer_ += 1 + static_cast<std::int64_t>(rng_.Below(50));
        offers_[next_offer_] = {next_offer_, machine.id, first, size};
      } else if (!free && known != standing.end()) {
        offers_.erase(known->second);
      }
    }
  }
}

void Market::Churn(absl::Time now) {
  if (options_.record != nullptr) {
    Replay(now);
  } else {
    DrawChurn();
  }
}

void Market::DrawChurn() {
  for (auto& [id, machine] : machines_) {
    if (machine.gpu.usd_per_hour <= 0) continue;
    const double moved =
        machine.usd_per_gpu_hour * (1 + options_.price_step * (2 * rng_.Unit() - 1));
    const double low = machine.gpu.usd_per_hour * 0.8, high = machine.gpu.usd_per_hour * 1.6;
    machine.usd_per_gpu_hour = Round(std::clamp(moved, low, high), 0.0001);
    if (rng_.Chance(options_.churn_share)) {
      machine.listed = !machine.listed;
      Relist(machine);
    }
  }
}

Machine& Market::AddUnlisted(const std::string& gpu) {
  GpuKind kind = options_.gpus.front();
  for (const GpuKind& known : options_.gpus) {
    if (known.name == gpu) kind = known;
  }
  kind.name = gpu;
  kind.usd_per_hour = 0;  // outside the market: its price does not drift
  Machine made = MakeMachine(kind);
  made.listed = false;
  made.taken.assign(1, true);
  return machines_.emplace(made.id, std::move(made)).first->second;
}

}  // namespace muster::vastsim
