// Log: one line per thing worth a person's or a collector's attention, on standard error.
//
//   Log(LogLevel::kInfo, "worker_launched", {{"fleet", fleet}, {"price", price.usd()}});
//   => 2026-11-21T08:00:00.000Z info worker_launched fleet=zeb-large price=0.081
//
// What happened to the fleet belongs in the event log; this is for what happened to the program.
// The event's name and the keys are fixed words of the code, so they can be searched for. Values
// pass the mask before they are written. Any thread; lines never mix.
#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/time/time.h"
#include "eventstore/base/status.h"

namespace muster {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, std::same_as<bool> auto v) : key(k), value(v ? "true" : "false") {}
  LogField(std::string_view k, const Status& v) : key(k), value(v.ToString()) {}
  LogField(std::string_view k, absl::Duration v) : key(k), value(absl::FormatDuration(v)) {}
  LogField(std::string_view k, absl::Time v)
      : key(k), value(absl::FormatTime(absl::RFC3339_full, v, absl::UTCTimeZone())) {}
  template <class T>
    requires(std::is_arithmetic_v<T> && !std::same_as<T, bool>)
  LogField(std::string_view k, T v) : key(k), value(Cat(v)) {}
  // Ids.
  template <class T>
    requires requires(const T& v) {
      { v.str() } -> std::convertible_to<std::string_view>;
    }
  LogField(std::string_view k, const T& v) : key(k), value(v.str()) {}

  std::string_view key;
  std::string value;
};

struct LogOptions {
  enum class Format { kText, kJson };
  LogLevel level = LogLevel::kInfo;  // less is not written
  Format format = Format::kText;
  // The journal's priority "<6>" in front, and no time: the journal has its own.
  bool journal = false;
  std::function<absl::Time()> now;                    // no time is written when empty
  std::function<std::string(std::string_view)> mask;  // of values; from any thread
  std::function<void(std::string_view line)> sink;    // for tests; standard error when empty
};

// Replaces the options; before the first call the defaults hold.
void ConfigureLog(LogOptions options);
// "debug", "info", "warning", "error". kInvalidArgument for anything else.
StatusOr<LogLevel> ParseLogLevel(std::string_view name);

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace muster
