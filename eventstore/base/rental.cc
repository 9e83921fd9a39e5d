#include "eventstore/base/rental.h"

#include <array>
#include <cstddef>

namespace muster {
namespace {

constexpr std::array<std::string_view, 11> kNames = {"none",    "created", "loading", "running",
                                                     "exited",  "stopped", "frozen",  "transient",
                                                     "unknown", "offline", "other"};

}  // namespace

std::string_view ActualStatusName(ActualStatus status) {
  return kNames[static_cast<std::size_t>(status)];
}

ActualStatus ActualStatusFromName(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<ActualStatus>(i);
  }
  return ActualStatus::kOther;
}

}  // namespace muster
