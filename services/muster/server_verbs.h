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

std::string Bytes(double bytes);  // "1.9GB", without more digits than anybody reads

// "3 of 14: receive the image, 25%, 512MB of 2.0GB, 48MB/s"
std::string ProgressText(const api::ServerProgress& progress);

// How far a server is while one waits for it, on stderr: on a terminal one line that is drawn over
// again and again, else a line for each command that is met and for each tenth of its input.
class ProgressLine {
 public:
  explicit ProgressLine(Session& session) : session_(session) {}
  ProgressLine(const ProgressLine&) = delete;
  ~ProgressLine() { Clear(); }

  void Show(const api::Server& server);
  // Takes it off the terminal. REQUIRES: called before anything else is written there
  void Clear();

 private:
  Session& session_;
  bool drawn_ = false;
  std::string said_;  // what the last line was for
};

// The server as it is now; kOk, or the exit code of what was said.
int FetchServer(Session& session, const std::string& name, api::Server& out);

}  // namespace muster::cli
