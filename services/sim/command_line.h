// The command line of muster-sim, as values. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/sim/sim_http_server.h"

namespace muster {

struct SimCommand {
  bool help = false;
  std::string provider;
  SimHttpServer::Options server;
  SimSpec spec;
};

// kInvalidArgument  what is wrong with the arguments, for the user to read
StatusOr<SimCommand> ParseSimCommand(const std::vector<std::string>& arguments);

std::string SimUsage();

}  // namespace muster
