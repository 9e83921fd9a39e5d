#include "queries/projection.h"

#include "absl/strings/str_format.h"

namespace muster::queries {

std::string DigestOf(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ull;
  }
  return absl::StrFormat("%016x", hash);
}

}  // namespace muster::queries
