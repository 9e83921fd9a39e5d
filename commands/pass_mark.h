// PassMark: which pass of the policy a decision came of: how far the log went that it looked at,
// and at what time. It stands in the envelope of each decision, as its correlation, so that a
// replay decides at the very moment at which it was decided live. Pure.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "eventstore/base/strings.h"

namespace muster {

struct PassMark {
  std::uint64_t head = 0;  // position of the newest event it knew
  absl::Time at;
  friend bool operator==(const PassMark&, const PassMark&) = default;
};

inline constexpr std::string_view kPassPrefix = "pass/";

// "pass/48197/1763743987000000"
inline std::string PassMarkText(const PassMark& mark) {
  return Cat(kPassPrefix, mark.head, "/", absl::ToUnixMicros(mark.at));
}

// nullopt where `correlation` names no pass.
inline std::optional<PassMark> PassMarkOf(std::string_view correlation) {
  if (!correlation.starts_with(kPassPrefix)) return std::nullopt;
  const char* const end = correlation.data() + correlation.size();
  std::uint64_t head = 0;
  const auto read = std::from_chars(correlation.data() + kPassPrefix.size(), end, head);
  std::int64_t micros = 0;
  if (read.ec != std::errc() || read.ptr == end || *read.ptr != '/') return std::nullopt;
  const auto time = std::from_chars(read.ptr + 1, end, micros);
  if (time.ec != std::errc() || time.ptr != end) return std::nullopt;
  return PassMark{head, absl::FromUnixMicros(micros)};
}

}  // namespace muster
