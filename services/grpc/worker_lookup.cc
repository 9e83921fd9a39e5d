#include "services/grpc/worker_lookup.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "services/grpc/errors.h"

namespace muster::grpc_api {

StatusOr<WorkerId> LookUpWorker(const World& world, std::string_view key) {
  if (absl::StartsWith(ToAbsl(key), "worker/")) key.remove_prefix(7);
  if (const worker::State* exact = world.FindWorker(WorkerId(key))) return exact->identity.id;
  std::vector<std::string> found;
  for (const auto& [id, state] : world.workers) {
    if (!state->open() || key.empty()) continue;
    const worker::Identity& identity = state->identity;
    const bool meant = absl::StartsWith(id.str(), ToAbsl(key)) || identity.label == key ||
                       state->instance.str() == key ||
                       Cat(identity.fleet.str(), "/", identity.index) == key;
    if (meant) found.push_back(id.str());
  }
  std::sort(found.begin(), found.end());
  if (found.size() == 1) return WorkerId(found[0]);
  if (found.empty()) {
    return Refusal(
        StatusCode::kNotFound, "WORKER_NOT_FOUND",
        Cat("no open worker is called '", key,
            "': expected an id, a prefix of one, a label, an instance id or FLEET/INDEX"),
        {{"next", "muster get workers lists them"}});
  }
  if (found.size() > 8) found.resize(8);
  return Refusal(StatusCode::kInvalidArgument, "AMBIGUOUS",
                 Cat("'", key, "' may mean ", std::string(absl::StrJoin(found, ", "))));
}

}  // namespace muster::grpc_api
