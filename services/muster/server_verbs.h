// The words of `muster server WORD [NAME]`, by file. Internal to the CLI.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "services/muster/session.h"

namespace muster::cli {

struct ServerWord {
  std::string word;   // "up"
  std::string help;   // one line
  bool named = true;  // takes the server's name
  // `server` is its name or id, "" when none was given.
  std::function<int(Session&, const std::string& server)> run;
};

std::vector<ServerWord> ServerChanges();  // order up rescue inspect install boot register ...
std::vector<ServerWord> ServerLooks();    // list describe watch ...
std::vector<ServerWord> ServerFinds();    // find
std::vector<Flag> FindFlags();

// The server as it is now; kOk, or the exit code of what was said.
int FetchServer(Session& session, const std::string& name, api::Server& out);

}  // namespace muster::cli
