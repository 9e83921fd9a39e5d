// muster: the command. Talks to musterd over gRPC; only simulate works on files alone.
//
// Data goes to `out`, talk to `err`; no question is asked without a terminal. The process's world
// comes in through CliEnv, so that tests run whole commands in memory. Single-threaded.
#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace muster::cli {

// Documented exit codes.
enum ExitCode {
  kOk = 0,
  kFailed = 1,
  kChangesPending = 2,  // with --detailed-exitcode
  kRefused = 3,         // by a guard: budget, credit, policy, stale plan
  kNotAuthorised = 4,
  kNotFound = 5,  // or ambiguous
  kTimedOut = 6,
  kPartlyDone = 7,
  kUsage = 64,
  kInterrupted = 130,
};

struct CliEnv {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  int columns = 100;
  std::function<std::optional<std::string>(const std::string&)> getenv;
  std::string user;  // by the operating system, where USER is not set; "" = unknown
  // Replaces the process by a command; returns only on failure.
  std::function<int(std::vector<std::string>)> exec;
  // How long somebody waits for an answer without being told that it is being worked on.
  absl::Duration patience = absl::Seconds(3);
  // Between two looks of --watch; false ends it.
  std::function<bool(absl::Duration)> pause;
};

// Runs one command, `args` without the program's name, and returns its exit code.
int RunCli(const std::vector<std::string>& args, CliEnv& env);

}  // namespace muster::cli
