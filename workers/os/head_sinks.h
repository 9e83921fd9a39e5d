// Places for signed heads that the operating system has: a file that grows, and the system's log.
// Reactor thread.
#pragma once

#include <memory>
#include <string>

#include "workers/ports/head_sink.h"

namespace muster {

// One line a head, on the disk before it counts as delivered.
std::unique_ptr<HeadSink> MakeFileHeadSink(std::string path);
// As notices of the facility "daemon". syslog(3) does not say whether anybody listened.
std::unique_ptr<HeadSink> MakeSyslogHeadSink();

}  // namespace muster
