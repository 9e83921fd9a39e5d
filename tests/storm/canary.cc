#include "tests/storm/canary.h"

#include <algorithm>

#include "eventstore/base/check.h"
#include "tests/storm/canary_weather.h"

namespace muster {
namespace {

std::string& Singing() {
  static std::string name;
  return name;
}

}  // namespace

bool CanarySings(const char* name) {
  const std::string& singing = Singing();
  if (singing.empty()) return false;
  MUSTER_CHECK(storm::FindCanary(name) != nullptr);
  return singing == name;
}

namespace storm {

const std::vector<Canary>& AllCanaries() {
  static const std::vector<Canary> all = {
#define CANARY(name, seeds, suit, what) {name, seeds, suit, what},
#include "tests/storm/canaries.def"
#undef CANARY
  };
  return all;
}

const Canary* FindCanary(std::string_view name) {
  const auto found = std::find_if(AllCanaries().begin(), AllCanaries().end(),
                                  [&](const Canary& canary) { return canary.name == name; });
  return found == AllCanaries().end() ? nullptr : &*found;
}

void LetIn(std::string_view name) {
  MUSTER_CHECK(name.empty() || FindCanary(name) != nullptr);
  Singing() = std::string(name);
}

}  // namespace storm
}  // namespace muster
