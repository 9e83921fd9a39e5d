// The bridge between std:: strings and Debian 12's abseil, whose string_view is a type of its own.
//
// Everywhere else the code says std::string_view; only this file and status.h convert. Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace muster {

inline absl::string_view ToAbsl(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view ToStd(absl::string_view s) { return {s.data(), s.size()}; }

namespace internal {
template <class T>
decltype(auto) CatArg(const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view> &&
                !std::is_convertible_v<const T&, absl::AlphaNum>) {
    return absl::AlphaNum(ToAbsl(std::string_view(value)));
  } else {
    return absl::AlphaNum(value);
  }
}
}  // namespace internal

// Joins its arguments (strings of any kind and numbers) into one string.
template <class... Args>
std::string Cat(const Args&... args) {
  return absl::StrCat(internal::CatArg(args)...);
}

// Without leading and trailing ASCII white space.
std::string_view Trim(std::string_view text);

// `text` cut to at most `bytes_max` bytes on a UTF-8 boundary, "..." appended when cut.
std::string Ellipsize(std::string_view text, std::size_t bytes_max);

// Valid UTF-8: every malformed byte becomes U+FFFD. Foreign text passes here before it is stored.
std::string ToValidUtf8(std::string_view text);

}  // namespace muster
