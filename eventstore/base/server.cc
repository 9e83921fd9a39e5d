#include "eventstore/base/server.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_format.h"

namespace muster {

std::string FormatMoney(const Money& money) {
  const std::int64_t micros = std::abs(money.micros);
  std::string text = absl::StrFormat("%s%d.%04d", money.micros < 0 ? "-" : "", micros / 1'000'000,
                                     micros % 1'000'000 / 100);
  for (int cut = 0; cut < 2 && text.back() == '0'; ++cut) text.pop_back();
  return text + " " + money.currency;
}

std::int64_t ServerCost(std::int64_t month_micros, std::int64_t hour_micros,
                        std::int64_t setup_micros, absl::Time from, absl::Time to) {
  std::int64_t sum = setup_micros;
  const absl::TimeZone utc = absl::UTCTimeZone();
  to = std::max(to, from + absl::Microseconds(1));  // the first hour has begun
  for (absl::Time at = from; at < to;) {
    const absl::CivilMonth month(absl::ToCivilSecond(at, utc));
    const absl::Time end = std::min(to, absl::FromCivil(absl::CivilSecond(month + 1), utc));
    const absl::Duration span = end - at;
    const std::int64_t hours = absl::ToInt64Hours(absl::Ceil(span, absl::Hours(1)));
    const std::int64_t by_hour = hour_micros > 0 ? hours * hour_micros : month_micros;
    sum += std::min(by_hour, month_micros);
    at = end;
  }
  return sum;
}

std::string_view ServerChannelName(ServerChannel channel) {
  return channel == ServerChannel::kAuction ? "auction" : "standard";
}

std::string_view ResetKindName(ResetKind kind) {
  switch (kind) {
    case ResetKind::kSoftware:
      return "sw";
    case ResetKind::kHardware:
      return "hw";
    case ResetKind::kPower:
      return "power";
    case ResetKind::kPowerLong:
      return "power_long";
    case ResetKind::kManual:
      return "man";
  }
  return "";
}

}  // namespace muster
