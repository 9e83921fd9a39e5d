#include "workers/providers/vast/sim/world.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"

namespace muster::vastsim {

namespace {

std::int64_t Micros(double usd) { return static_cast<std::int64_t>(std::llround(usd * 1e6)); }

std::string EnvOr(const CreateOrder& order, std::string_view name, std::string fallback) {
  for (const auto& [key, value] : order.env) {
    if (key == name) return value;
  }
  return fallback;
}

// What the worker learns from its environment, or from a flag in the start script.
WorkerSpec SpecOf(const Contract& contract, const Machine& machine, const VastSimOptions& options) {
  WorkerSpec spec;
  spec.id = EnvOr(contract.order, "WORKER_ID", contract.order.label.value_or("worker"));
  spec.gpu = machine.gpu.name;
  spec.weights = Cat(EnvOr(contract.order, "ZEB_REPO_ID", "zeb/weights"), "/",
                     EnvOr(contract.order, "ZEB_WEIGHTS_NAME", "zeb-557k-1m"), ".pt");
  spec.examples = EnvOr(contract.order, "ZEB_EXAMPLES_REPO_ID", "zeb/examples");
  spec.games_per_s = machine.gpu.games_per_s * machine.speed;
  spec.games_per_batch = options.games_per_batch;
  spec.lines_kept = options.log_lines_kept;
  std::string interval =
      EnvOr(contract.order, "UPLOAD_INTERVAL", EnvOr(contract.order, "ZEB_UPLOAD_INTERVAL", ""));
  constexpr std::string_view kFlag = "--upload-interval ";
  const std::size_t flag = contract.order.onstart.find(kFlag);
  if (interval.empty() && flag != std::string::npos) {
    interval = contract.order.onstart.substr(flag + kFlag.size(), 8);
    interval = interval.substr(0, interval.find_first_not_of("0123456789"));
  }
  std::int64_t seconds = 0;
  if (absl::SimpleAtoi(interval, &seconds) && seconds > 0) {
    spec.upload_interval = absl::Seconds(seconds);
  }
  return spec;
}

}  // namespace

World::World(VastSimOptions given, absl::Time start)
    : options(std::move(given)),
      market(options, start),
      limits(options),
      rng(options.seed * 2 + 2),
      now_(start),
      next_churn_(options.churn_interval > absl::ZeroDuration() ? start + options.churn_interval
                                                                : absl::InfiniteFuture()),
      next_instance_(options.first_instance) {
  SetCredit(options.credit_usd);
}

void World::AdvanceTo(absl::Time now) {
  while (now_ < now) {
    const absl::Time planned = plans_.empty() ? absl::InfiniteFuture() : plans_.begin()->first;
    const absl::Time broke = CreditRunsOut();
    AccrueTo(std::min({now, planned, next_churn_, broke}));
    if (broke <= now_ && !out_of_credit_) StopAllForCredit();
    if (next_churn_ <= now_) {
      market.Churn(now_);
      next_churn_ += options.churn_interval;
    }
    while (!plans_.empty() && plans_.begin()->first <= now_) {
      const Plan plan = std::move(plans_.begin()->second);
      plans_.erase(plans_.begin());
      Execute(plan);
    }
  }
}

void World::AccrueTo(absl::Time time) {
  if (time <= now_) return;
  credit_ -= MoneyTime(micros_per_hour_) * absl::ToInt64Nanoseconds(time - now_);
  now_ = time;
}

absl::Time World::CreditRunsOut() const {
  if (out_of_credit_) return absl::InfiniteFuture();
  if (credit_ <= 0) return now_;
  if (micros_per_hour_ <= 0) return absl::InfiniteFuture();
  const MoneyTime left = (credit_ + micros_per_hour_ - 1) / micros_per_hour_;
  if (left > MoneyTime(std::int64_t{1} << 62)) return absl::InfiniteFuture();
  return now_ + absl::Nanoseconds(static_cast<std::int64_t>(left));
}

double World::credit_usd() const {
  return static_cast<double>(credit_ / (kMoneyTimePerMicro / 1000)) / 1e9;
}

void World::SetCredit(double usd) {
  credit_ = MoneyTime(Micros(usd)) * kMoneyTimePerMicro;
  out_of_credit_ = false;
  if (credit_ <= 0) StopAllForCredit();
}

// The provider stops, it does not destroy: storage is billed on, into the negative.
void World::StopAllForCredit() {
  out_of_credit_ = true;
  for (auto& [id, contract] : living) {
    contract.failures.push_back({Failure::kStopped, now_});
    RequestState(contract, "stopped");
  }
}

Contract* World::Find(std::int64_t id) {
  const auto it = living.find(id);
  return it == living.end() ? nullptr : &it->second;
}

Contract& World::Rent(const OfferRow& offer, CreateOrder order, double extra_usd_per_hour) {
  const Machine& machine = market.machine(offer.machine);
  Contract c;
  c.offer = offer.id;
  c.machine = offer.machine;
  c.first_gpu = offer.first_gpu;
  c.gpus = offer.gpus;
  c.order = std::move(order);
  const double gpu_price = c.order.bid_usd_per_hour.value_or(machine.usd_per_gpu_hour * offer.gpus);
  c.gpu_micros_per_hour = Micros(gpu_price + extra_usd_per_hour);
  c.storage_micros_per_hour =
      Micros(machine.storage_usd_per_gb_month * c.order.disk_gb / kHoursPerMonth);
  Machine& rented = *market.FindMachine(offer.machine);
  if (rented.recorded != nullptr && !rented.recorded->rentals.empty()) {
    const auto& rentals = rented.recorded->rentals;
    c.recorded = &rentals[rented.rentals++ % rentals.size()];
  }
  market.Take(offer);  // `offer` is gone from here on
  Contract& contract = Adopt(std::move(c));
  if (!contract.order.start) {
    contract.failures.push_back({Failure::kStopped, now_});
    contract.intended = contract.cur_state = "stopped";
    SetStatus(contract, "stopped");
    return contract;
  }
  absl::Duration boot = options.boot_min + (options.boot_max - options.boot_min) * rng.Unit();
  if (contract.recorded != nullptr && contract.recorded->boot > absl::ZeroDuration()) {
    boot = contract.recorded->boot;
  }
  PlanBoot(contract, boot);
  return contract;
}

Contract& World::AddForeign(const ForeignSpec& spec) {
  const Machine& machine = market.AddUnlisted(spec.gpu);
  Contract c;
  c.machine = machine.id;
  c.holds_gpus = false;
  c.order.label = spec.label;
  c.order.image = "pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime";
  c.order.disk_gb = 15;
  c.gpu_micros_per_hour = Micros(spec.usd_per_hour);
  Contract& contract = Adopt(std::move(c));
  contract.created = now_ - spec.age;
  SetStatus(contract, spec.status);
  if (spec.status == "running") {
    contract.container = true;
    contract.running_since = contract.created;
    contract.program.Start(contract.created);
  }
  return contract;
}

Contract& World::Adopt(Contract made) {
  next_instance_ += 1 + static_cast<std::int64_t>(rng.Below(40));
  made.id = next_instance_;
  made.created = made.settled = now_;
  WorkerSpec spec = SpecOf(made, market.machine(made.machine), options);
  if (made.recorded != nullptr && made.recorded->rate_per_s > 0) {
    spec.games_per_s = made.recorded->rate_per_s;
  }
  spec.setup = options.setup_min + (options.setup_max - options.setup_min) * rng.Unit();
  made.program = WorkerProgram(std::move(spec), rng.Next());
  made.fate = Rng(rng.Next());
  const std::int64_t id = made.id;
  Contract& contract = living.emplace(id, std::move(made)).first->second;
  micros_per_hour_ += contract.MicrosPerHour();
  return contract;
}

void World::Settle(Contract& contract) {
  const std::int64_t ns = absl::ToInt64Nanoseconds(now_ - contract.settled);
  if (contract.GpuBilled()) contract.gpu_spent += MoneyTime(contract.gpu_micros_per_hour) * ns;
  if (contract.StorageBilled()) {
    contract.storage_spent += MoneyTime(contract.storage_micros_per_hour) * ns;
  }
  contract.settled = now_;
}

void World::SetStatus(Contract& contract, std::optional<std::string> status) {
  Settle(contract);
  micros_per_hour_ -= contract.MicrosPerHour();
  contract.actual = std::move(status);
  micros_per_hour_ += contract.MicrosPerHour();
}

void World::SetPrice(Contract& contract, double usd_per_hour) {
  Settle(contract);
  micros_per_hour_ -= contract.MicrosPerHour();
  contract.gpu_micros_per_hour = Micros(usd_per_hour) - contract.storage_micros_per_hour;
  micros_per_hour_ += contract.MicrosPerHour();
}

void World::End(Contract& contract, std::string cause) {
  Settle(contract);
  contract.program.Stop(now_);
  micros_per_hour_ -= contract.MicrosPerHour();
  contract.ended = now_;
  contract.end_cause = std::move(cause);
  contract.cur_state = "unloaded";
  if (contract.holds_gpus) market.Return(contract.machine, contract.first_gpu, contract.gpus);
  const std::int64_t id = contract.id;
  past.emplace(id, std::move(contract));
  living.erase(id);
}

void World::Supersede(Contract& contract) {
  ++contract.generation;
  contract.before_outage.reset();
}

void World::RequestState(Contract& contract, std::string_view state) {
  Supersede(contract);
  if (state == "stopped") {
    contract.intended = contract.cur_state = "stopped";
    contract.program.Stop(now_);
    contract.running_since = absl::InfiniteFuture();
    SetStatus(contract, "stopped");
    return;
  }
  contract.intended = contract.cur_state = "running";
  if (!contract.Is("running")) PlanBoot(contract, absl::Seconds(20));
}

void World::StartLater(Contract& contract, absl::Duration wait) {
  Supersede(contract);
  contract.intended = "running";  // "Scheduling": wanted, but the GPU is let to somebody else
  Schedule(contract, wait, Step::kQueuedStart);
}

void World::Reboot(Contract& contract) {
  Supersede(contract);
  contract.program.Stop(now_);
  SetStatus(contract, "rebooting");
  Schedule(contract, absl::Seconds(15), Step::kRunning);
}

const Fault* World::Fire(Trap trap, std::string_view endpoint, std::int64_t instance) {
  for (Fault& fault : faults) {
    if (fault.trap != trap || fault.times == 0) continue;
    if (!fault.endpoint.empty() && fault.endpoint != endpoint) continue;
    if (fault.instance != 0 && fault.instance != instance) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    if (fault.chance < 1 && !rng.Chance(fault.chance)) continue;
    if (fault.times > 0) --fault.times;
    fired += Cat(fired.empty() ? "" : ",", TrapName(trap));
    return &fault;
  }
  return nullptr;
}

}  // namespace muster::vastsim
