#include "services/files/human_units.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"

namespace muster {
namespace {

constexpr std::int64_t kMicros = 1'000'000;
constexpr std::int64_t kWholeMax = 1'000'000'000'000;  // nothing here is honestly larger

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// A number at the front of a text and what follows it, without the space between.
struct Split {
  std::string_view number;
  std::string_view unit;
  bool negative = false;
};

Split SplitNumber(std::string_view text) {
  text = Trim(text);
  Split out;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    out.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  std::size_t n = 0;
  while (n < text.size() && (IsDigit(text[n]) || text[n] == '.')) ++n;
  out.number = text.substr(0, n);
  out.unit = Trim(text.substr(n));
  return out;
}

// Digits with at most one point, as a finite double; nullopt for anything else.
std::optional<double> Decimal(std::string_view digits) {
  double value = 0;
  if (digits.empty() || digits.size() > 30 || digits == "." ||
      !absl::SimpleAtod(ToAbsl(digits), &value) || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::int64_t> Whole(std::string_view digits) {
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(ToAbsl(digits), &value) || value > kWholeMax) return std::nullopt;
  return value;
}

// "0.09" as 90000, exactly; no more than six decimals.
StatusOr<std::int64_t> Micros(std::string_view digits, std::string_view expected) {
  const std::size_t point = digits.find('.');
  const std::string_view whole = digits.substr(0, point);
  const std::string_view part =
      point == std::string_view::npos ? std::string_view() : digits.substr(point + 1);
  if ((whole.empty() && part.empty()) || part.find('.') != std::string_view::npos) {
    return InvalidArgument(Cat("is not an amount of money; expected ", expected));
  }
  if (part.size() > 6) {
    return InvalidArgument(Cat("is finer than a millionth; expected ", expected));
  }
  const auto dollars = whole.empty() ? std::optional<std::int64_t>(0) : Whole(whole);
  if (!dollars || *dollars > kMicros) {
    return InvalidArgument(Cat("is more than a million; expected ", expected));
  }
  std::int64_t micros = 0;
  for (std::size_t i = 0; i < 6; ++i) micros = micros * 10 + (i < part.size() ? part[i] - '0' : 0);
  return *dollars * kMicros + micros;
}

// The amount in front, and what stands after the slash ("" when nothing does).
struct Amount {
  std::int64_t micros = 0;
  std::string_view per;
};

StatusOr<Amount> ParseAmount(std::string_view text, std::string_view expected) {
  text = Trim(text);
  bool negative = false;
  if (!text.empty() && text[0] == '-') {
    negative = true;
    text.remove_prefix(1);
  }
  if (text.empty() || text[0] != '$') {
    const bool number = !text.empty() && (IsDigit(text[0]) || text[0] == '.');
    return InvalidArgument(
        Cat(number ? "has no dollar sign" : "is not an amount of money", "; expected ", expected));
  }
  const Split split = SplitNumber(text.substr(1));
  if (negative || split.negative) return InvalidArgument(Cat("is negative; expected ", expected));
  Amount out;
  MUSTER_ASSIGN_OR_RETURN(out.micros, Micros(split.number, expected));
  if (split.unit.empty()) return out;
  if (split.unit[0] != '/' || split.unit.size() == 1) {
    return InvalidArgument(Cat("has an unknown unit; expected ", expected));
  }
  out.per = Trim(split.unit.substr(1));
  return out;
}

bool IsHour(std::string_view per) { return per == "h" || per == "hr" || per == "hour"; }
bool IsDay(std::string_view per) { return per == "d" || per == "day"; }

std::string Shortest(double value) {
  char text[64];
  for (const int digits : {6, 12, 15, 17}) {
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    double back = 0;
    if (absl::SimpleAtod(text, &back) && back == value) break;
  }
  if (std::string_view(text).find('e') != std::string_view::npos) {
    std::snprintf(text, sizeof text, "%.20f", value);  // our grammar has no exponents
    std::string fixed = text;
    fixed.erase(fixed.find_last_not_of('0') + 1);
    if (fixed.back() == '.') fixed.pop_back();
    return fixed;
  }
  return text;
}

// Money with as many decimals as it needs, at least two.
std::string Dollars(std::int64_t micros) {
  char text[48];
  std::snprintf(text, sizeof text, "$%lld.%06lld", static_cast<long long>(micros / kMicros),
                static_cast<long long>(micros % kMicros));
  std::string out = text;
  while (out.back() == '0' && out[out.size() - 3] != '.') out.pop_back();
  return out;
}

struct Unit {
  std::string_view name;
  double factor;
};

StatusOr<double> Measured(std::string_view text, std::initializer_list<Unit> units,
                          std::string_view what, std::string_view expected) {
  const Split split = SplitNumber(text);
  const auto value = Decimal(split.number);
  if (!value) return InvalidArgument(Cat("is not ", what, "; expected ", expected));
  if (split.negative) return InvalidArgument(Cat("is negative; expected ", expected));
  if (split.unit.empty()) return InvalidArgument(Cat("has no unit; expected ", expected));
  for (const Unit& unit : units) {
    if (split.unit == unit.name) return *value * unit.factor;
  }
  return InvalidArgument(Cat("has the wrong unit; expected ", expected));
}

StatusOr<std::int64_t> MeasuredWhole(std::string_view text, std::initializer_list<Unit> units,
                                     std::string_view what, std::string_view expected) {
  MUSTER_ASSIGN_OR_RETURN(const double value, Measured(text, units, what, expected));
  if (value != std::floor(value) || value > static_cast<double>(kWholeMax)) {
    return InvalidArgument(Cat("is not a whole number; expected ", expected));
  }
  return static_cast<std::int64_t>(value);
}

std::int64_t SecondsOf(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86400;
    default:
      return 0;
  }
}

}  // namespace

StatusOr<std::int64_t> ParsePrice(std::string_view text) {
  constexpr std::string_view kExpected = "a price per hour such as $0.09/h";
  MUSTER_ASSIGN_OR_RETURN(const Amount amount, ParseAmount(text, kExpected));
  if (amount.per.empty())
    return InvalidArgument(Cat("does not say per what; expected ", kExpected));
  if (!IsHour(amount.per)) return InvalidArgument(Cat("is not per hour; expected ", kExpected));
  return amount.micros;
}

StatusOr<std::int64_t> ParseMoney(std::string_view text, std::string_view per) {
  const std::string expected =
      per.empty() ? "an amount such as $500" : Cat("an amount such as $18.00 or $18.00/", per);
  MUSTER_ASSIGN_OR_RETURN(const Amount amount, ParseAmount(text, expected));
  const bool fits = amount.per.empty() || (IsHour(per) && IsHour(amount.per)) ||
                    (IsDay(per) && IsDay(amount.per));
  if (!fits) return InvalidArgument(Cat("has the wrong unit; expected ", expected));
  return amount.micros;
}

StatusOr<AmountIn> ParseAmountIn(std::string_view text, std::string_view per) {
  const std::string expected = Cat("an amount such as 148.00 EUR", per.empty() ? "" : "/", per);
  Split split = SplitNumber(text);
  if (split.number.empty()) {
    return InvalidArgument(Cat("is not an amount of money; expected ", expected));
  }
  if (split.negative) return InvalidArgument(Cat("is negative; expected ", expected));
  const std::size_t slash = split.unit.find('/');
  const std::string_view currency = Trim(split.unit.substr(0, slash));
  if (currency.empty()) return InvalidArgument(Cat("has no currency; expected ", expected));
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (currency.size() != 3 || !std::all_of(currency.begin(), currency.end(), capital)) {
    return InvalidArgument(Cat("has no currency of three capitals; expected ", expected));
  }
  const std::string_view found =
      slash == std::string_view::npos ? std::string_view() : Trim(split.unit.substr(slash + 1));
  if (found != per && found.empty()) {
    return InvalidArgument(Cat("does not say per what; expected ", expected));
  }
  if (found != per) return InvalidArgument(Cat("has the wrong unit; expected ", expected));
  AmountIn out;
  MUSTER_ASSIGN_OR_RETURN(out.micros, Micros(split.number, expected));
  out.currency = std::string(currency);
  return out;
}

StatusOr<std::int64_t> ParseSpan(std::string_view text) {
  constexpr std::string_view kExpected = "a time span such as 45s, 10m, 1h30m or 30d";
  text = Trim(text);
  if (text == "0") return 0;
  if (!text.empty() && text[0] == '-')
    return InvalidArgument(Cat("is negative; expected ", kExpected));
  std::int64_t total = 0;
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  if (text.empty()) return InvalidArgument(Cat("is empty; expected ", kExpected));
  while (!text.empty()) {
    std::size_t n = 0;
    while (n < text.size() && IsDigit(text[n])) ++n;
    const auto count = Whole(text.substr(0, n));
    if (!count || *count > 1'000'000'000) {
      return InvalidArgument(Cat("is not a time span; expected ", kExpected));
    }
    if (n == text.size()) return InvalidArgument(Cat("has no unit; expected ", kExpected));
    const std::int64_t seconds = SecondsOf(text[n]);
    if (seconds == 0) return InvalidArgument(Cat("has an unknown unit; expected ", kExpected));
    if (seconds >= last) {
      return InvalidArgument(Cat("has its units out of order; expected ", kExpected));
    }
    last = seconds;
    total += *count * seconds;
    text.remove_prefix(n + 1);
  }
  return total;
}

StatusOr<std::int64_t> ParseSizeGb(std::string_view text) {
  return MeasuredWhole(text, {{"GB", 1}, {"TB", 1000}}, "a size",
                       "a size in whole GB such as 15GB");
}

StatusOr<std::int64_t> ParseSizeBytes(std::string_view text) {
  return MeasuredWhole(text, {{"B", 1}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}}, "a size",
                       "a size such as 512KB or 1MB");
}

StatusOr<double> ParseRatio(std::string_view text) {
  constexpr std::string_view kExpected = "a percentage such as 15%";
  const Split split = SplitNumber(text);
  const auto value = Decimal(split.number);
  if (!value) return InvalidArgument(Cat("is not a percentage; expected ", kExpected));
  if (split.negative) return InvalidArgument(Cat("is negative; expected ", kExpected));
  if (split.unit == "%") return *value / 100;
  if (!split.unit.empty()) return InvalidArgument(Cat("has the wrong unit; expected ", kExpected));
  if (*value > 1) return InvalidArgument(Cat("has no unit; expected ", kExpected));
  return *value;
}

StatusOr<double> ParseRate(std::string_view text, std::string_view unit) {
  const std::string expected = Cat("a rate such as 1.8 ", unit, "/s");
  const Split split = SplitNumber(text);
  const auto value = Decimal(split.number);
  if (!value) return InvalidArgument(Cat("is not a rate; expected ", expected));
  if (split.negative) return InvalidArgument(Cat("is negative; expected ", expected));
  if (split.unit.empty()) return InvalidArgument(Cat("has no unit; expected ", expected));
  if (split.unit == "/s" || split.unit == Cat(unit, "/s")) return *value;
  return InvalidArgument(Cat("has the wrong unit; expected ", expected));
}

StatusOr<double> ParseBandwidthMbps(std::string_view text) {
  return Measured(text, {{"Mbps", 1}, {"Mbit/s", 1}, {"Gbps", 1000}, {"Gbit/s", 1000}},
                  "a bandwidth", "a bandwidth such as 100Mbps or 1Gbps");
}

StatusOr<std::int64_t> ParseCount(std::string_view text) {
  text = Trim(text);
  if (text.size() > 1 && text[0] == '-' && IsDigit(text[1])) {
    return InvalidArgument("is negative; expected a whole number");
  }
  const auto value = Whole(text);
  if (!value || *value > std::numeric_limits<std::int32_t>::max()) {
    return InvalidArgument("is not a whole number; expected a whole number such as 4");
  }
  return *value;
}

StatusOr<double> ParseNumber(std::string_view text) {
  const Split split = SplitNumber(text);
  const auto value = Decimal(split.number);
  if (!value || !split.unit.empty()) {
    return InvalidArgument("is not a number; expected a number such as 12.4");
  }
  if (split.negative) return InvalidArgument("is negative; expected a number such as 12.4");
  return *value;
}

StatusOr<bool> ParseYesNo(std::string_view text) {
  text = Trim(text);
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  return InvalidArgument("is neither; expected true or false");
}

std::string PriceText(std::int64_t micro_usd_per_hour) {
  return Dollars(micro_usd_per_hour) + "/h";
}
std::string MoneyText(std::int64_t micro_usd) { return Dollars(micro_usd); }

std::string SpanText(std::int64_t seconds) {
  if (seconds <= 0) return "0s";
  std::string out;
  for (const char unit : {'d', 'h', 'm', 's'}) {
    const std::int64_t count = seconds / SecondsOf(unit);
    if (count == 0) continue;
    out += Cat(count);
    out += unit;
    seconds -= count * SecondsOf(unit);
  }
  return out;
}

std::string SizeGbText(std::int64_t gb) { return Cat(gb, "GB"); }

std::string RatioText(double ratio) {
  const std::string percent = Shortest(std::round(ratio * 1e8) / 1e6) + "%";
  const auto back = ParseRatio(percent);
  return back.ok() && *back == ratio ? percent : Shortest(ratio);
}

std::string RateText(double per_second, std::string_view unit) {
  return Cat(Shortest(per_second), " ", unit, "/s");
}

std::string BandwidthText(double mbps) { return Cat(Shortest(mbps), "Mbps"); }
std::string NumberText(double number) { return Shortest(number); }

}  // namespace muster
