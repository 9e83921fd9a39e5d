// Who is told of what: rules by kind, policy rule, fleet and urgency. Pure values.
#pragma once

#include <string>
#include <vector>

#include "queries/notices/notice.h"

namespace muster::notify {

// Everything that is not named matches all.
struct Rule {
  std::vector<std::string> to;
  std::vector<std::string> kinds;
  std::vector<std::string> rules;   // of the decision: "no-progress"
  std::vector<std::string> fleets;  // notices of no fleet match no rule that names fleets
  Severity least = Severity::kInfo;
};

// Whether some rule sends `notice` to `target`. Without rules every target is told of all that is a
// warning or worse.
bool IsFor(const std::vector<Rule>& rules, const std::string& target,
           const queries::Notice& notice);

}  // namespace muster::notify
