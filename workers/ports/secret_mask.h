// SecretMask: finds known secrets in text by their literal value, in every form in which software
// commonly writes them down, and paints them over.
//
// The half of Secrets that needs no outside world; the real Secrets and the fakes share it. One
// thread at a time.
#pragma once

#include <bitset>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace muster {

// Every text under which `secret` may appear: itself, JSON-escaped (also twice), URL-encoded,
// base64 (both alphabets, at each of the three offsets inside something longer). Longest first,
// without repeats.
std::vector<std::string> SecretForms(std::string_view secret);

class SecretMask {
 public:
  static constexpr std::size_t kBytesMin = 6;  // shorter values would paint over ordinary words

  // From now on `secret` is found. Of a text of many lines (a private key) each long line is found
  // by itself too. Shorter than kBytesMin: ignored.
  void Learn(std::string_view secret);
  // `text` with all that is known replaced by "[secret]"; what overlaps becomes one.
  std::string Mask(std::string_view text) const;

 private:
  void Add(std::string_view secret);
  // The length of the longest form that starts at `at`, or 0.
  std::size_t LongestAt(std::string_view text, std::size_t at) const;

  std::set<std::string, std::less<>> secrets_;
  // Forms by their first four bytes, each list longest first; before it a filter on two bytes, so
  // that a long log costs little however many secrets are known.
  absl::flat_hash_map<std::uint32_t, std::vector<std::string>> forms_;
  std::bitset<1 << 16> starts_;
};

}  // namespace muster
