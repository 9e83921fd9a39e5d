// CRC-32C (Castagnoli), the checksum of every stored record. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

namespace muster {

// Crc32c("123456789") == 0xe3069283
std::uint32_t Crc32c(std::string_view data);

}  // namespace muster
