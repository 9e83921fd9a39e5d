#include "services/sim/command_line.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "eventstore/base/host.h"
#include "services/sim/make_sim.h"

namespace muster {

namespace {

Status ReadListen(const std::string& text, SimHttpServer::Options& server) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return InvalidArgument(Cat("--listen: expected HOST:PORT, not \"", text, "\""));
  }
  server.address = text.substr(0, colon);
  if (server.address == "localhost") server.address = "127.0.0.1";
  if (!absl::SimpleAtoi(text.substr(colon + 1), &server.port) || server.port < 0 ||
      server.port > 65535) {
    return InvalidArgument(Cat("--listen: the port of \"", text, "\" is not in 0...65535"));
  }
  return {};
}

Status ReadFlag(const std::string& name, const std::string& value, SimCommand& command) {
  if (name == "--listen") return ReadListen(value, command.server);
  if (name == "--seed") {
    if (absl::SimpleAtoi(value, &command.spec.seed)) return {};
    return InvalidArgument(Cat("--seed: expected a whole number, not \"", value, "\""));
  }
  if (name == "--speed") {
    const bool read = absl::SimpleAtod(value, &command.server.speed);
    if (read && command.server.speed > 0 && command.server.speed <= 100'000) return {};
    return InvalidArgument(Cat("--speed: expected a number above 0, not \"", value, "\""));
  }
  if (name == "--set") {
    const std::size_t equals = value.find('=');
    if (equals == std::string::npos) {
      return InvalidArgument(Cat("--set: expected NAME=VALUE, not \"", value, "\""));
    }
    command.spec.settings[value.substr(0, equals)] = value.substr(equals + 1);
    return {};
  }
  return InvalidArgument(Cat("unknown flag ", name));
}

}  // namespace

std::string SimUsage() {
  return Cat(
      "usage: muster-sim PROVIDER [--listen HOST:PORT] [--seed N] [--speed X] [--set "
      "NAME=VALUE]...\n"
      "\n"
      "Serves a simulated provider over HTTP. The first line of output is the URL it serves;\n"
      "it ends on SIGTERM or SIGINT.\n"
      "\n"
      "  PROVIDER          ",
      absl::StrJoin(SimNames(), ", "),
      "\n"
      "  --listen HOST:PORT  where to listen; loopback unless --allow-remote (127.0.0.1:0, a free "
      "port)\n"
      "  --allow-remote    let other machines reach it: everybody who can may then control it\n"
      "  --seed N          what chance starts from (1)\n"
      "  --speed X         simulated seconds per second (1)\n"
      "  --set NAME=VALUE  a setting of the simulator, such as machines=40 or credit_usd=5\n");
}

StatusOr<SimCommand> ParseSimCommand(const std::vector<std::string>& arguments) {
  SimCommand command;
  bool allow_remote = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (name == "--help" || name == "-h") {
      command.help = true;
      return command;
    }
    if (name == "--allow-remote") {
      allow_remote = true;
      continue;
    }
    if (!absl::StartsWith(name, "-")) {
      if (!command.provider.empty()) return InvalidArgument(Cat("what is \"", name, "\"?"));
      command.provider = name;
      continue;
    }
    std::string value;
    if (const std::size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (++i < arguments.size()) {
      value = arguments[i];
    } else {
      return InvalidArgument(Cat(name, " needs a value"));
    }
    MUSTER_RETURN_IF_ERROR(ReadFlag(name, value, command));
  }
  if (command.provider.empty()) return InvalidArgument("which provider?");
  if (!allow_remote && !IsLoopbackHost(command.server.address)) {
    return InvalidArgument(Cat("--listen: ", command.server.address,
                               " is not loopback; say --allow-remote if that is meant"));
  }
  return command;
}

}  // namespace muster
