// Canaries: old bugs that can be let in again, one at a time, to see that the storm reports them.
// Some sit in the code behind MUSTER_CANARY (eventstore/base/canary.h), some are a Provider that
// lies (faulty_provider.h). Each has a number of seeds within which it must be caught.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {
// Whether this canary was let in. What MUSTER_CANARY asks. The name must be one of AllCanaries.
bool CanarySings(const char* name);
}  // namespace muster

namespace muster::storm {

struct Weather;

struct Canary {
  const char* name;
  int seeds;               // caught with one of the seeds 1 to this
  void (*suit)(Weather&);  // what is done to their weather
  const char* what;        // what the bug does
};
const std::vector<Canary>& AllCanaries();
const Canary* FindCanary(std::string_view name);

// Lets one in, for all storms of the process from then on; "" = none. Before any other thread
// begins. REQUIRES: FindCanary(name), or ""
void LetIn(std::string_view name);

}  // namespace muster::storm
