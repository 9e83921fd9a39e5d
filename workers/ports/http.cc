#include "workers/ports/http.h"

#include "absl/strings/match.h"

namespace muster {

std::string_view FindHeader(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (absl::EqualsIgnoreCase(key, ToAbsl(name))) return value;
  }
  return {};
}

}  // namespace muster
