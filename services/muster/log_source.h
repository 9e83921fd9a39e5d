// Where `muster audit` reads a log from: a running daemon, a store's folder, or an exported file.
// In all three the records come as they are stored, and are checked here.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "eventstore/audit/export_file.h"
#include "services/muster/session.h"

namespace muster::cli {

// --store DIR and --file EXPORT; neither = the daemon.
std::vector<Flag> LogSourceFlags();
bool IsOffline(const Session& s);

// Calls `begin` once with where the log begins, then `take` with each record until it fails.
// Returns kOk, or the exit code of what was said on stderr: that the source cannot be read. What
// `take` and the source say of damage is left in `damage`.
using TakeRecord = std::function<Status(std::string_view record)>;
int ReadLog(Session& s, const std::function<void(const audit::ExportStart&)>& begin,
            const TakeRecord& take, Status& damage);

}  // namespace muster::cli
