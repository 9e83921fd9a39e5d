#include "tests/storm/canary_weather.h"

#include <algorithm>

namespace muster::storm {
namespace {

using vastsim::Trap;

constexpr char kRent[] = "PUT asks/{id}";

// Workers come and go, so that there is much to rent.
void RentOften(Weather& weather) {
  weather.rates.act = std::max(weather.rates.act, 4.0);
  weather.rates.failure = std::max(weather.rates.failure, 3.0);
}

}  // namespace

void Plain(Weather& weather) {
  weather.length = std::min(weather.length, absl::Hours(4));
  weather.rates.calamity = 0;  // rare and large: they would only hide what is looked for
}

void UnclearRents(Weather& weather) {
  Plain(weather);
  RentOften(weather);
  weather.faults.push_back({.trap = Trap::kServerErrorAfter, .endpoint = kRent, .chance = 0.3});
  weather.faults.push_back({.trap = Trap::kHangAfter, .endpoint = kRent, .chance = 0.2});
}

void CrashingRents(Weather& weather) {
  Plain(weather);
  RentOften(weather);
  weather.rates.crash = 12;
  weather.faults.push_back({.trap = Trap::kSlow, .endpoint = kRent, .chance = 0.8, .value = 25});
}

void EndingCredit(Weather& weather) {
  Plain(weather);
  RentOften(weather);
  weather.rates.credit_end = 1;
}

void Throttled(Weather& weather) {
  Plain(weather);
  weather.faults.push_back({.trap = Trap::kThrottleText, .chance = 0.2, .value = 2});
}

void TightAccount(Weather& weather) {
  Plain(weather);
  RentOften(weather);
  weather.account_budget.set_per_hour_micro_usd(150'000);
}

void ForgetfulLists(Weather& weather) {
  Plain(weather);
  weather.rates.forget = 6;
}

void BlankRows(Weather& weather) {
  Plain(weather);
  weather.faults.push_back({.trap = Trap::kNullFields, .chance = 0.85});
  weather.faults.push_back({.trap = Trap::kLogInvalidId, .chance = 0.85});
}

void SilentLogs(Weather& weather) {
  Plain(weather);
  weather.faults.push_back({.trap = Trap::kLogInvalidId, .chance = 0.9});
}

void OfServers(Weather& weather) {
  Plain(weather);
  weather.length = std::min(weather.length, absl::Hours(2));
  weather.fleets.resize(1);
  weather.rates = {.crash = 12};
  weather.servers = {
      .fault = 0.25, .lost_order = 0.5, .hurt = 0.1, .give_back = 0.05, .rescue = 0.05};
}

}  // namespace muster::storm
