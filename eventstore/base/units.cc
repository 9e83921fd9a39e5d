#include "eventstore/base/units.h"

#include <cmath>
#include <cstdlib>

#include "absl/strings/str_format.h"
#include "eventstore/base/strings.h"

namespace muster {

std::optional<std::int64_t> MicrosFromDouble(double usd) {
  if (!std::isfinite(usd) || std::fabs(usd) > 1e12) return std::nullopt;
  return std::llround(usd * 1e6);
}

MicroUsd Cost(MicroUsdPerHour rate, absl::Duration span) {
  if (span <= absl::ZeroDuration() || rate.micros <= 0) return MicroUsd(0);
  const double micros = static_cast<double>(rate.micros) * (absl::ToDoubleSeconds(span) / 3600.0);
  return MicroUsd(static_cast<std::int64_t>(std::ceil(micros - 1e-6)));
}

std::string FormatUsd(MicroUsd amount, int decimals_max) {
  std::string text = absl::StrFormat("%.*f", decimals_max, std::fabs(amount.usd()));
  const std::size_t keep = text.find('.') + 3;
  while (text.size() > keep && text.back() == '0') text.pop_back();
  return Cat(amount.micros < 0 ? "-$" : "$", text);
}

std::string FormatUsdPerHour(MicroUsdPerHour rate) {
  return Cat(FormatUsd(MicroUsd(rate.micros)), "/h");
}

std::string FormatSpan(absl::Duration span) {
  if (span == absl::InfiniteDuration()) return "forever";
  if (span < absl::ZeroDuration()) return Cat("-", FormatSpan(-span));
  const std::int64_t s = absl::ToInt64Seconds(span);
  if (s < 60) return absl::StrFormat("%ds", s);
  if (s < 3600) return absl::StrFormat("%dm%02ds", s / 60, s % 60);
  if (s < 86400) return absl::StrFormat("%dh%02dm", s / 3600, s / 60 % 60);
  return absl::StrFormat("%dd%dh", s / 86400, s / 3600 % 24);
}

std::string FormatUtc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}
std::string FormatClock(absl::Time time) {
  return absl::FormatTime("%H:%M:%S", time, absl::UTCTimeZone());
}

}  // namespace muster
