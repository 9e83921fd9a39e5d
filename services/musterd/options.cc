#include "services/musterd/options.h"

namespace muster {

StatusOr<DaemonOptions> ParseDaemonOptions(const std::vector<std::string>& args) {
  using Mode = DaemonOptions::Mode;
  DaemonOptions options;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string name = args[i];
    std::string value;
    const std::size_t equals = name.find('=');
    const bool inline_value = equals != std::string::npos;
    if (inline_value) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const bool takes_value = name == "--config" || name == "--restore";
    if (takes_value && !inline_value) {
      if (++i == args.size()) return InvalidArgument(Cat(name, " needs a value"));
      value = args[i];
    }
    if (!takes_value && inline_value) return InvalidArgument(Cat(name, " takes no value"));
    if (name == "--config") {
      options.config_file = value;
    } else if (name == "--restore") {
      options.mode = Mode::kRestore;
      options.restore_from = value;
    } else if (name == "--check-config") {
      options.mode = Mode::kCheckConfig;
    } else if (name == "--verify") {
      options.mode = Mode::kVerify;
    } else if (name == "--help" || name == "-h") {
      options.mode = Mode::kHelp;
    } else if (name == "--version") {
      options.mode = Mode::kVersion;
    } else {
      return InvalidArgument(Cat("unknown argument '", args[i], "'; see musterd --help"));
    }
  }
  if (options.config_file.empty() && options.mode != Mode::kHelp &&
      options.mode != Mode::kVersion) {
    return InvalidArgument("--config FILE is missing; see musterd --help");
  }
  return options;
}

std::string DaemonUsage() {
  return R"(musterd: rents machines, keeps them healthy, and writes down why.

  musterd --config FILE                  serve until SIGTERM; SIGHUP reads FILE again
  musterd --config FILE --check-config   say whether FILE is good
  musterd --config FILE --verify         walk the log's hash chain
  musterd --config FILE --restore DIR    make the store from a backup; it must not exist yet
  musterd --version | --help

Every key of FILE: deploy/examples/README.md. Talk to it with: muster status
)";
}

}  // namespace muster
