#include "eventstore/base/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace muster {
namespace {

constexpr std::array<std::uint32_t, 256> MakeTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
    table[byte] = crc;
  }
  return table;
}

std::uint32_t Portable(std::uint32_t crc, std::string_view data) {
  static constexpr std::array<std::uint32_t, 256> kTable = MakeTable();
  for (const char c : data) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<std::uint8_t>(c)) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t Hardware(std::uint32_t crc, std::string_view data) {
  std::uint64_t wide = crc;
  while (data.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, data.data(), 8);
    wide = _mm_crc32_u64(wide, word);
    data.remove_prefix(8);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (const char c : data) crc = _mm_crc32_u8(crc, static_cast<std::uint8_t>(c));
  return crc;
}
#endif

}  // namespace

std::uint32_t Crc32c(std::string_view data) {
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("sse4.2") != 0;
  if (fast) return ~Hardware(~0u, data);
#endif
  return ~Portable(~0u, data);
}

}  // namespace muster
