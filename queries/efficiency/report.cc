#include "queries/efficiency/report.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "queries/cost/projection.h"
#include "queries/fleet_status/view.h"
#include "queries/health/projection.h"

namespace muster::queries {
namespace {

using Rows = std::map<std::string, EfficiencyRow>;

void Add(EfficiencyRow& row, const WorkerStatus& worker, const WorkerFacts& facts) {
  ++row.workers;
  if (worker.producing) row.rate_per_s += worker.rate_per_s;
  row.rate_mean_per_s += worker.rate_mean_per_s;
  row.expected_rate_per_s += worker.expected_rate_per_s;
  if (worker.phase != "launching") row.price += worker.price;  // not billed yet
  row.total_units += facts.TotalUnits();
  row.spent += worker.spent;
}

std::vector<EfficiencyRow> Sorted(Rows rows) {
  std::vector<EfficiencyRow> sorted;
  for (auto& [key, row] : rows) {
    row.key = key;
    row.cost_per_unit_rate = CostPerUnitRate(row.price, row.rate_per_s);
    sorted.push_back(std::move(row));
  }
  std::sort(sorted.begin(), sorted.end(), [](const EfficiencyRow& a, const EfficiencyRow& b) {
    const bool idle_a = a.cost_per_unit_rate.micros == 0;
    const bool idle_b = b.cost_per_unit_rate.micros == 0;
    return std::tie(idle_a, a.cost_per_unit_rate, a.key) <
           std::tie(idle_b, b.cost_per_unit_rate, b.key);
  });
  return sorted;
}

}  // namespace

EfficiencyReport MakeEfficiency(const std::vector<WorkerStatus>& open,
                                const HealthProjection& health, const CostProjection& cost,
                                const std::string& fleet) {
  Rows workers, gpus, fleets;
  for (const WorkerStatus& worker : open) {
    const WorkerFacts* facts = health.Find(worker.id.str());
    EfficiencyRow& own = workers[worker.id.str()];
    own.gpu = worker.gpu.str();
    for (EfficiencyRow* row : {&own, &gpus[worker.gpu.str()], &fleets[worker.fleet.str()]}) {
      Add(*row, worker, *facts);
    }
  }
  for (const auto& [key, units] : health.units_ended()) {
    if (!fleet.empty() && key.first != fleet) continue;
    fleets[key.first].total_units += units;
    gpus[key.second].total_units += units;
  }
  cost.ForEachEnded([&](const std::string& of, const std::string& gpu, MicroUsd spent) {
    if (!fleet.empty() && of != fleet) return;
    fleets[of].spent += spent;
    gpus[gpu].spent += spent;
  });
  return {Sorted(std::move(workers)), Sorted(std::move(gpus)), Sorted(std::move(fleets)), ""};
}

}  // namespace muster::queries
