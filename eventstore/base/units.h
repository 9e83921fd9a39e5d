// Money in whole micro-dollars. Doubles are for the wire and for ratios only; sums are integers.
//
//   Cost(MicroUsdPerHour(90'000), absl::Minutes(20))  ->  MicroUsd(30'000)
//
// Pure; no overflow below nine trillion dollars.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace muster {

template <class Tag>
struct MicroUsdBase {
  std::int64_t micros = 0;

  constexpr MicroUsdBase() = default;
  constexpr explicit MicroUsdBase(std::int64_t m) : micros(m) {}
  friend constexpr auto operator<=>(const MicroUsdBase&, const MicroUsdBase&) = default;
  friend constexpr MicroUsdBase operator+(MicroUsdBase a, MicroUsdBase b) {
    return MicroUsdBase(a.micros + b.micros);
  }
  friend constexpr MicroUsdBase operator-(MicroUsdBase a, MicroUsdBase b) {
    return MicroUsdBase(a.micros - b.micros);
  }
  constexpr MicroUsdBase& operator+=(MicroUsdBase b) { return micros += b.micros, *this; }
  constexpr MicroUsdBase& operator-=(MicroUsdBase b) { return micros -= b.micros, *this; }
  double usd() const { return static_cast<double>(micros) / 1e6; }
};

using MicroUsd = MicroUsdBase<struct MoneyTag>;             // an amount
using MicroUsdPerHour = MicroUsdBase<struct MoneyRateTag>;  // a price of renting

// Rounds to the nearest micro-dollar. Infinite and NaN give nullopt: a provider's bad number is
// an absent price, never a huge or a free one.
std::optional<std::int64_t> MicrosFromDouble(double usd);

// What renting at `rate` for `span` costs, rounded up: we never promise less than is billed.
// A negative span costs nothing.
MicroUsd Cost(MicroUsdPerHour rate, absl::Duration span);

// "$0.081", "$18.00": at least two, at most `decimals_max` decimals, trailing zeros cut.
std::string FormatUsd(MicroUsd amount, int decimals_max = 4);
std::string FormatUsdPerHour(MicroUsdPerHour rate);  // "$0.0812/h"

// "15m04s", "2h03m", "4d6h", "12s", "0s": two units at most. For people; not parseable.
std::string FormatSpan(absl::Duration span);

// "2026-11-21T03:14:07Z" (UTC, whole seconds) and "03:14:07".
std::string FormatUtc(absl::Time time);
std::string FormatClock(absl::Time time);

}  // namespace muster
