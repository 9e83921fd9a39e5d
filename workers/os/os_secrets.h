// The Secrets of the daemon: environment variables and files.
//
// Owned by the caller. Any thread: log lines are masked wherever they are written. Resolve reads
// small local files, which does not block the reactor for long.
#pragma once

#include <memory>

#include "workers/ports/secrets.h"

namespace muster {

std::unique_ptr<Secrets> MakeOsSecrets();

}  // namespace muster
