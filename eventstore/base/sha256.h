// SHA-256: digests of specs and requests, ids derived from keys, the log's hash chain.
//
// Over OpenSSL. Pure, thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace muster {

using Sha256Digest = std::array<std::uint8_t, 32>;

// Of `data`, or of the concatenation of `parts` (which is not built).
Sha256Digest Sha256(std::string_view data);
Sha256Digest Sha256(std::initializer_list<std::string_view> parts);

// HMAC-SHA256 (RFC 2104) of `data` under `key`.
Sha256Digest HmacSha256(std::string_view key, std::string_view data);

// As 64 lower-case hex digits.
std::string Sha256Hex(std::string_view data);
std::string ToHex(const Sha256Digest& digest);

// The bytes themselves; valid as long as `digest`.
inline std::string_view Bytes(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace muster
