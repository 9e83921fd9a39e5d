// Values as people write them: "$0.09/h", "10m", "15GB", "95%", "1.8 games/s", "100Mbps".
//
// A number without its unit is refused: a price that was meant per day, or a time-out that was
// meant in minutes, must not pass. Every error says what is wrong with the text and what was
// expected, without repeating the text. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "eventstore/base/status.h"

namespace muster {

// All: kInvalidArgument with "has no unit; expected ..." and the like, for the user to correct.

// "$0.09/h" (also "/hr", "/hour") in micro-dollars per hour.
StatusOr<std::int64_t> ParsePrice(std::string_view text);
// "$18.00" in micro-dollars. `per` ("day", "h") may follow a slash, but need not.
StatusOr<std::int64_t> ParseMoney(std::string_view text, std::string_view per);
// "148.00 EUR/month" when `per` is "month", "59 EUR" when it is empty.
struct AmountIn {
  std::int64_t micros = 0;  // millionths of the currency
  std::string currency;     // three capitals
};
StatusOr<AmountIn> ParseAmountIn(std::string_view text, std::string_view per);
// "45s", "10m", "1h30m", "30d" in whole seconds.
StatusOr<std::int64_t> ParseSpan(std::string_view text);
// "15GB", "1TB" in GB.
StatusOr<std::int64_t> ParseSizeGb(std::string_view text);
// "512KB", "1MB" in bytes (powers of ten).
StatusOr<std::int64_t> ParseSizeBytes(std::string_view text);
// "95%" or "0.95" as 0.95.
StatusOr<double> ParseRatio(std::string_view text);
// "1.8 games/s" or "1.8/s"; the word, when there, must be `unit`.
StatusOr<double> ParseRate(std::string_view text, std::string_view unit);
// "100Mbps", "1Gbps" in Mbit/s.
StatusOr<double> ParseBandwidthMbps(std::string_view text);
StatusOr<std::int64_t> ParseCount(std::string_view text);
// Finite, not negative.
StatusOr<double> ParseNumber(std::string_view text);
StatusOr<bool> ParseYesNo(std::string_view text);

// The reverse; each gives text that parses back to the very same value.
std::string PriceText(std::int64_t micro_usd_per_hour);
std::string MoneyText(std::int64_t micro_usd);
std::string SpanText(std::int64_t seconds);
std::string SizeGbText(std::int64_t gb);
std::string RatioText(double ratio);
std::string RateText(double per_second, std::string_view unit);
std::string BandwidthText(double mbps);
std::string NumberText(double number);

}  // namespace muster
