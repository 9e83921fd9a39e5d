// What the daemon asks of the operating system about itself, once, before anything else.
#pragma once

#include <functional>

#include "eventstore/base/status.h"
#include "workers/os/os_runtime.h"

namespace muster {

struct ProcessLimits {
  std::uint64_t open_files = 0;  // how many this process may have
};

// No core dumps and no reading of our memory by others of the same user (secrets are in it), files
// for the owner only, SIGPIPE ignored, as many open files as the system allows. Call it before
// threads are started and files are made.
//
// kInternal  the system refused a protection: do not go on with secrets
StatusOr<ProcessLimits> HardenProcess();

// Whether standard error goes to systemd's journal, which wants priorities and adds times.
bool StderrIsJournal();

struct ProcessSignals {
  std::function<void()> stop;    // SIGTERM and SIGINT, the first time
  std::function<void()> reload;  // SIGHUP
};
// Calls back on the reactor. A second SIGTERM or SIGINT ends the program at once with 128 + its
// number: the log is safe at any moment, so an operator in a hurry loses nothing but manners.
void HandleSignals(OsRuntime& rt, ProcessSignals callbacks);

}  // namespace muster
