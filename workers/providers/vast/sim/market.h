// Market: machines, and the offers that can be made of their free GPUs.
//
// A machine of 4 GPUs offers 4 x 1, 2 x 2 and 1 x 4 of them; taking some voids every offer that
// overlaps, giving them back makes new offers with new ids (an id is rented once). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/rng.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::vastsim {

struct Machine {
  std::int64_t id = 0;
  std::int64_t host = 0;
  GpuKind gpu;
  double usd_per_gpu_hour = 0;
  double storage_usd_per_gb_month = 0;
  double speed = 1;  // of this machine among its kind
  double reliability = 0;
  double cuda = 0;
  std::string driver;
  double inet_down_mbps = 0, inet_up_mbps = 0;
  double disk_gb = 0;
  std::string country;
  std::string address;
  int cpu_cores = 0;
  bool verified = true;
  bool listed = true;
  absl::Time offered_until;
  std::vector<bool> taken;  // one per GPU
  std::optional<FailureSpec> bad;
  const MarketRecord::Machine* recorded = nullptr;  // what it is to do; null = drawn
  std::size_t rentals = 0;                          // that began here
};

struct OfferRow {
  std::int64_t id = 0;
  std::int64_t machine = 0;
  int first_gpu = 0;
  int gpus = 1;
};

class Market {
 public:
  Market(const VastSimOptions& options, absl::Time start);

  const std::map<std::int64_t, OfferRow>& offers() const { return offers_; }
  const OfferRow* FindOffer(std::int64_t id) const;
  Machine* FindMachine(std::int64_t id);
  // REQUIRES: the machine exists
  const Machine& machine(std::int64_t id) const { return machines_.at(id); }

  // Takes the GPUs of `offer` off the market. REQUIRES: the offer exists
  void Take(const OfferRow& offer);
  void Return(std::int64_t machine, int first_gpu, int gpus);
  void Remove(std::int64_t offer);  // without giving anything back
  // One step of coming, going and drifting prices, or of the record.
  void Churn(absl::Time now);
  // Puts a machine outside the market: it never offers anything.
  Machine& AddUnlisted(const std::string& gpu);

 private:
  Machine MakeMachine(const GpuKind& kind);
  void MakeRecorded();
  void Replay(absl::Time now);
  void DrawChurn();
  void MarkBadMachines();
  void Relist(Machine& machine);

  const VastSimOptions& options_;
  Rng rng_;
  absl::Time start_;
  std::int64_t next_offer_;
  std::int64_t next_machine_ = 20'000;
  std::map<std::int64_t, Machine> machines_;
  std::map<std::int64_t, OfferRow> offers_;
};

}  // namespace muster::vastsim
