// Contract: one rental from creation to its end, and what it has cost. Pure values; the World
// moves them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/time/time.h"
#include "workers/providers/vast/sim/vast_sim.h"
#include "workers/providers/vast/sim/worker_program.h"

namespace muster::vastsim {

// What a client asked for when it rented.
struct CreateOrder {
  std::optional<std::string> label;
  std::string image;
  double disk_gb = 8;
  std::vector<std::pair<std::string, std::string>> env;
  std::string onstart;
  std::string runtype = "ssh";
  std::optional<double> bid_usd_per_hour;
  bool start = true;  // target_state running
  bool cancel_unavail = true;
};

// Money as micro-dollars per hour times nanoseconds: exact, rounded only when shown.
using MoneyTime = absl::int128;
inline constexpr double kHoursPerMonth = 720;  // as the provider's own price examples divide
inline constexpr std::int64_t kMoneyTimePerMicro = 3'600'000'000'000;

struct Contract {
  std::int64_t id = 0;
  std::int64_t offer = 0;
  std::int64_t machine = 0;
  int first_gpu = 0;
  int gpus = 1;
  CreateOrder order;
  bool holds_gpus = true;  // false for foreign ones outside the market

  absl::Time created;
  absl::Time ended = absl::InfiniteFuture();
  std::string end_cause;
  absl::Time listed_until = absl::InfinitePast();  // though it ended: by a trap

  std::optional<std::string> actual;  // null until the host was heard
  std::string intended = "running";
  std::string cur_state = "running";
  std::string status_message;
  absl::Time running_since = absl::InfiniteFuture();  // of the container; InfiniteFuture = none
  bool container = false;                             // there is (or was) one with a log
  std::optional<std::string> before_outage;           // status to come back to
  bool stuck_boot = false;
  const MarketRecord::Rental* recorded = nullptr;  // what is to become of it; null = drawn
  std::vector<FailureSeen> failures;
  int generation = 0;  // plans made for an older generation are void

  std::int64_t gpu_micros_per_hour = 0;
  std::int64_t storage_micros_per_hour = 0;
  MoneyTime gpu_spent = 0;
  MoneyTime storage_spent = 0;
  absl::Time settled;  // billed up to here

  WorkerProgram program{WorkerSpec{}, 0};
  Rng fate{0};  // of failures that come by themselves

  bool alive() const { return ended == absl::InfiniteFuture(); }
  bool Is(const char* status) const { return actual.has_value() && *actual == status; }
  // The GPU is billed while the container runs (or is frozen with its memory kept), also while
  // nobody hears of it; storage always, except when the host is known to be gone.
  bool GpuBilled() const {
    return Is("running") || Is("frozen") || (Is("unknown") && before_outage == "running");
  }
  bool StorageBilled() const { return !Is("offline"); }
  std::int64_t MicrosPerHour() const {
    return (GpuBilled() ? gpu_micros_per_hour : 0) +
           (StorageBilled() ? storage_micros_per_hour : 0);
  }
};

}  // namespace muster::vastsim
