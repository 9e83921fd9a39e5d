// Keys of the RocksDB store, and its small values. log_format.md describes them. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "eventstore/event_store.h"

namespace muster::rocks {

inline constexpr char kFormatKey[] = "format";
inline constexpr char kFormat[] = "muster-log 1";
inline constexpr char kLogFamily[] = "log";        // position -> record
inline constexpr char kStreamFamily[] = "stream";  // stream, version -> position
inline constexpr char kIdFamily[] = "id";          // event id -> position

// Big-endian, so that byte order is number order.
inline void AppendBigEndian(std::string& out, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
}

// 0 when `bytes` is not eight long: no position is 0.
inline std::uint64_t FromBigEndian(std::string_view bytes) {
  if (bytes.size() != 8) return 0;
  std::uint64_t number = 0;
  for (const char c : bytes) number = number << 8 | static_cast<std::uint8_t>(c);
  return number;
}

inline std::string PositionBytes(Position position) {
  std::string bytes;
  AppendBigEndian(bytes, position);
  return bytes;
}

// The length comes first so that no stream's keys can stand between another's.
inline std::string StreamPrefix(const StreamId& stream) {
  const std::size_t size = stream.str().size();
  std::string key;
  key.reserve(2 + size + 8);
  key += static_cast<char>(size >> 8);
  key += static_cast<char>(size);
  key += stream.str();
  return key;
}

inline std::string StreamKey(const StreamId& stream, Version version) {
  std::string key = StreamPrefix(stream);
  AppendBigEndian(key, version);
  return key;
}

}  // namespace muster::rocks
