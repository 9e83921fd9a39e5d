// Diff: what is otherwise at one moment than at another: fleets, workers, machines, accounts.
// Pure; either side may be live or of the past, and either may be the earlier one.
#pragma once

#include <string>
#include <vector>

#include "queries/read_models.h"

namespace muster::queries {

// One thing that differs; both texts are in the reader's words. `before` is empty for what is new,
// `after` for what is gone.
struct Change {
  std::string subject;  // "fleet/zeb", "worker/k7f2q", "host/vast/5512", "account/vast"
  std::string field;    // "healthy", "price", "strikes", "spent"
  std::string before;
  std::string after;
};

struct Side {
  const ReadModels& models;
  absl::Time now;
};

// Of one fleet (with its workers and their machines), or of all when `fleet` is empty. By subject,
// fleets first, then accounts, workers, hosts. Fields that grow by time alone, such as ages, are
// left out; what was spent is told.
std::vector<Change> Diff(const Side& from, const Side& to, const FleetName& fleet);

}  // namespace muster::queries
