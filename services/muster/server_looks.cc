// server: what only looks.
#include "services/muster/server_verbs.h"

namespace muster::cli {

std::vector<ServerWord> ServerLooks() { return {}; }

}  // namespace muster::cli
