#include "tests/storm/weather.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "eventstore/base/rng.h"
#include "eventstore/base/strings.h"

namespace muster::storm {
namespace {

using vastsim::Trap;

constexpr Trap kTraps[] = {
#define TRAP(name, wire, what) Trap::name,
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
};

// Swarm: what is off in one storm is frequent in another, so that rare meetings of two come about.
double RateOrNone(Rng& rng, double share_off, double low, double high) {
  if (rng.Chance(share_off)) return 0;
  return low * std::pow(high / low, rng.Unit());
}

vastsim::VastSimOptions DrawMarket(Rng& rng) {
  vastsim::VastSimOptions market;
  market.seed = rng.Next();
  market.machines = 20 + static_cast<int>(rng.Below(16));
  market.churn_share = rng.Between(0, 0.08);
  market.price_step = rng.Between(0, 0.05);
  market.bad_machines = rng.Chance(0.4) ? 1 + static_cast<int>(rng.Below(3)) : 0;
  constexpr vastsim::Failure kBad[] = {vastsim::Failure::kStall, vastsim::Failure::kFatalError,
                                       vastsim::Failure::kHostError, vastsim::Failure::kStuckBoot,
                                       vastsim::Failure::kStuckSetup};
  market.bad_machine.how = kBad[rng.Below(std::size(kBad))];
  market.bad_machine.after = absl::Minutes(1) + rng.Unit() * absl::Minutes(20);
  market.failures_per_hour = RateOrNone(rng, 0.3, 0.02, 0.6);
  market.stuck_boot_share = rng.Chance(0.5) ? rng.Between(0, 0.25) : 0;
  market.credit_usd = rng.Chance(0.2) ? rng.Between(0.3, 1.5) : 50;
  market.create_penalty = rng.Chance(0.3) ? absl::Seconds(30) : absl::ZeroDuration();
  market.refusal_restarts_interval = rng.Chance(0.3);
  market.boot_max = absl::Minutes(2) + rng.Unit() * absl::Minutes(5);
  market.log_lines_kept = 120;  // what a poll asks for, and some more
  return market;
}

std::vector<vastsim::Fault> DrawFaults(Rng& rng) {
  std::vector<vastsim::Fault> faults;
  if (rng.Chance(0.15)) return faults;
  const double share = rng.Between(0.03, 0.25);
  for (const Trap trap : kTraps) {
    if (!rng.Chance(share)) continue;
    double chance = 0.003 * std::pow(100, rng.Unit());
    if (trap == Trap::kLogLongLine) chance = std::min(chance, 0.01);
    faults.push_back({.trap = trap, .chance = chance});
  }
  return faults;
}

specpb::Budget DrawAccountBudget(Rng& rng) {
  specpb::Budget budget;
  if (!rng.Chance(0.35)) return budget;
  const auto micros = [&](double low, double high) {
    return static_cast<std::int64_t>(rng.Between(low, high) * 100) * 10'000;
  };
  if (rng.Chance(0.5)) budget.set_per_hour_micro_usd(micros(0.15, 0.8));
  if (rng.Chance(0.5)) budget.set_per_day_micro_usd(micros(1, 6));
  if (rng.Chance(0.5)) budget.set_total_micro_usd(micros(0.5, 4));
  return budget;
}

// What came later is drawn by itself, so that what was drawn before stays as it was.
void DrawMore(Rng& rng, Weather& weather) {
  weather.account_budget = DrawAccountBudget(rng);
  const bool quota = rng.Chance(0.25);
  for (FleetDraw& fleet : weather.fleets) {
    const auto cents = [&](double low, double high) {
      return std::round(rng.Between(low, high) * 100) / 100;
    };
    if (rng.Chance(0.2)) fleet.budget_per_day = cents(0.4, 4);
    if (rng.Chance(0.2)) fleet.budget_total = cents(0.2, 2);
    fleet.quota = quota && rng.Chance(0.8);
    fleet.preflight = rng.Chance(0.25);
    constexpr const char* kOrphans[] = {"destroy", "adopt", "report"};
    fleet.orphans = kOrphans[rng.Below(3)];
  }
  weather.rates.more = RateOrNone(rng, 0.25, 0.3, 3);
  weather.rates.forget = RateOrNone(rng, 0.6, 0.1, 3);
}

}  // namespace

Weather DrawWeather(std::uint64_t seed) {
  Rng rng(seed ^ 0x5eed5707fULL);
  Weather weather;
  weather.seed = seed;
  weather.market = DrawMarket(rng);
  weather.faults = DrawFaults(rng);
  const int fleets = 1 + static_cast<int>(rng.Below(3));
  for (int i = 0; i < fleets; ++i) {
    FleetDraw fleet;
    fleet.name = Cat("zeb-", std::string(1, static_cast<char>('a' + i)));
    fleet.workers = 1 + static_cast<int>(rng.Below(4));
    fleet.budget_per_hour = rng.Chance(0.3) ? 0.1 * (1 + static_cast<double>(rng.Below(5))) : 0;
    fleet.upgrades = rng.Chance(0.4);
    weather.fleets.push_back(std::move(fleet));
  }
  weather.rates.crash = RateOrNone(rng, 0.3, 0.2, 6);
  weather.rates.act = RateOrNone(rng, 0.2, 0.1, 3);
  weather.rates.burst = RateOrNone(rng, 0.3, 0.1, 1);
  weather.rates.credit_end = RateOrNone(rng, 0.6, 0.05, 0.3);
  weather.rates.price_rise = RateOrNone(rng, 0.5, 0.05, 0.5);
  weather.rates.clock_step = RateOrNone(rng, 0.6, 0.05, 0.5);
  weather.rates.failure = RateOrNone(rng, 0.3, 0.1, 2);
  weather.length = absl::Hours(2) + rng.Unit() * absl::Hours(8);
  Rng more(seed ^ 0x307eULL);
  DrawMore(more, weather);
  Rng rare(seed ^ 0xca1a317ULL);
  weather.rates.calamity = RateOrNone(rare, 0.4, 0.15, 1.5);
  return weather;
}

bool HasServers(std::uint64_t seed, int percent) {
  return static_cast<int>(Rng(seed ^ 0x5e57a7eULL).Below(100)) < percent;
}

void AddServers(Weather& weather) {
  Rng rng(weather.seed ^ 0x5e57e5ULL);
  const auto share = [&rng](double high) { return rng.Chance(0.25) ? 0 : high * rng.Unit(); };
  weather.servers = {.fault = share(0.5),
                     .lost_order = share(0.1),
                     .hurt = share(0.2),
                     .give_back = share(0.06),
                     .rescue = share(0.1)};
  weather.rates.crash = std::max(weather.rates.crash, RateOrNone(rng, 0.3, 1, 15));
}

std::string FleetFile(const FleetDraw& fleet) {
  std::string file =
      Cat("name: ", fleet.name, "\nworkers: ", fleet.workers, "\nmarket:\n  price_max: $",
          fleet.price_max, "/h\nlaunch:\n  onstart: echo hello\n  env: {HF_TOKEN: env:HF_TOKEN}\n",
          "orphans: ", fleet.orphans, "\n");
  const double limits[] = {fleet.budget_per_hour, fleet.budget_per_day, fleet.budget_total};
  constexpr const char* kLimits[] = {"per_hour", "per_day", "total"};
  bool any = false;
  for (int i = 0; i < 3; ++i) {
    if (limits[i] <= 0) continue;
    file +=
        Cat(any ? "" : "budget:\n", "  ", kLimits[i], ": $", limits[i], i == 0 ? "/h" : "", "\n");
    any = true;
  }
  if (fleet.quota) file += "quota: {name: commits, limit_per_hour: 60, aim_per_hour: 40}\n";
  if (fleet.preflight) {
    file += Cat("preflight:\n  - name: weights\n    url: ", kWeightsOrigin, "/", fleet.name, "\n");
  }
  if (fleet.upgrades) file += "upgrades:\n  enabled: true\n";
  return file;
}

vastsim::Fault DrawBurst(std::uint64_t chance) {
  Rng rng(chance);
  vastsim::Fault fault{.trap = kTraps[rng.Below(std::size(kTraps))]};
  fault.chance = fault.trap == Trap::kLogLongLine ? 0.02 : rng.Between(0.3, 1);
  return fault;
}

}  // namespace muster::storm
