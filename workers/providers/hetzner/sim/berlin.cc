// The service writes some times in Europe/Berlin without saying so.
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "workers/providers/hetzner/sim/world.h"

namespace muster::hetznersim {

namespace {

absl::CivilDay LastSunday(absl::CivilMonth month) {
  return absl::PrevWeekday(absl::CivilDay(month + 1), absl::Weekday::sunday);
}

absl::CivilSecond Berlin(absl::Time time) {
  return absl::ToCivilSecond(time + BerlinOffset(time), absl::UTCTimeZone());
}

}  // namespace

absl::Duration BerlinOffset(absl::Time time) {
  const absl::CivilSecond utc = absl::ToCivilSecond(time, absl::UTCTimeZone());
  const auto change = [&](int month) {
    return absl::CivilSecond(LastSunday(absl::CivilMonth(utc.year(), month))) + 3600;
  };
  return absl::Hours(utc >= change(3) && utc < change(10) ? 2 : 1);
}

std::string BerlinStamp(absl::Time time) {
  const absl::CivilSecond t = Berlin(time);
  return absl::StrFormat("%04d-%02d-%02d %02d:%02d:%02d", t.year(), t.month(), t.day(), t.hour(),
                         t.minute(), t.second());
}

std::string BerlinDate(absl::Time time) { return BerlinStamp(time).substr(0, 10); }

std::optional<absl::Time> EndOfDay(const std::string& date) {
  int year = 0, month = 0, day = 0;
  if (date.size() != 10 || date[4] != '-' || date[7] != '-' ||
      !absl::SimpleAtoi(date.substr(0, 4), &year) || !absl::SimpleAtoi(date.substr(5, 2), &month) ||
      !absl::SimpleAtoi(date.substr(8, 2), &day)) {
    return std::nullopt;
  }
  const absl::CivilDay civil(year, month, day);
  if (civil.month() != month || civil.day() != day) return std::nullopt;
  const absl::Time utc = absl::FromCivil(absl::CivilSecond(civil + 1), absl::UTCTimeZone());
  return utc - BerlinOffset(utc);
}

}  // namespace muster::hetznersim
