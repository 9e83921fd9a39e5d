// The command line of musterd. Pure.
#pragma once

#include <string>
#include <vector>

#include "eventstore/base/status.h"

namespace muster {

struct DaemonOptions {
  enum class Mode {
    kServe,
    kCheckConfig,  // read the configuration, say whether it is good, end
    kVerify,       // walk the log's hash chain, end
    kRestore,      // make a store from a backup, end
    kHelp,
    kVersion,
  };
  Mode mode = Mode::kServe;
  std::string config_file;   // "" = defaults only
  std::string restore_from;  // a folder made by a backup
};

// `args` without the program's name.
// kInvalidArgument  names the argument and what was expected
StatusOr<DaemonOptions> ParseDaemonOptions(const std::vector<std::string>& args);
std::string DaemonUsage();

}  // namespace muster
