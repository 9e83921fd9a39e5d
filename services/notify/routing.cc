#include "services/notify/routing.h"

#include <algorithm>

namespace muster::notify {
namespace {

bool Holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}
bool Fits(const std::vector<std::string>& names, std::string_view name) {
  return names.empty() || Holds(names, name);
}

}  // namespace

bool IsFor(const std::vector<Rule>& rules, const std::string& target,
           const queries::Notice& notice) {
  if (rules.empty()) return notice.severity >= Severity::kWarning;
  return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
    return Holds(rule.to, target) && notice.severity >= rule.least &&
           Fits(rule.kinds, notice.kind->name) && Fits(rule.rules, notice.rule) &&
           Fits(rule.fleets, notice.fleet);
  });
}

}  // namespace muster::notify
