// The Secrets of the daemon: environment variables and files.
//
// Owned by the caller; reactor thread (it reads small local files, which does not block for long).
#pragma once

#include <memory>

#include "workers/ports/secrets.h"

namespace muster {

std::unique_ptr<Secrets> MakeOsSecrets();

}  // namespace muster
