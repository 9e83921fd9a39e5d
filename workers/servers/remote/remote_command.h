// What is to be run on a machine over SSH, as a value: it can be shown before it is done, compared
// with what was agreed to, and carried out by RunCommands (run_commands.h).
//
// The first line of each `shell` is ": muster STEP NAME WORDS...", which a shell passes over: who
// stands in for a machine knows by it what is asked of him.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace muster::remote {

struct RemoteCommand {
  std::string name;   // "partition nvme-eui.0025...": for people; once in a plan
  std::string shell;  // POSIX shell; never holds a secret
  absl::Duration timeout = absl::Minutes(1);
  absl::Duration silence_max = absl::Minutes(1);  // neither output nor taken input for so long
  // Its standard input: at most one of the three.
  std::string input;         // this text
  std::string input_file;    // the file of this path, on muster's machine
  std::string input_secret;  // the secret of this name ("host_key"): never shown, never logged
  bool may_fail = false;     // a status other than 0 is an answer too
};

// How a command ends that has not just failed; other statuses than these and 0 are failures.
inline constexpr int kExitRefused = 90;  // the machine is not as the plan says: nothing was done
inline constexpr int kExitDone = 91;     // all that the plan is for was done before: skip the rest

// How one ended.
struct RemoteOutcome {
  std::string name;
  int exit_status = 0;
  std::string out;  // masked, valid UTF-8
  std::string err;
  absl::Duration took;
};

// Its shell text for people: one line in the place of the functions that most commands begin with,
// which are told once (SharedFunctions).
std::string ShownShell(const RemoteCommand& command);
std::string_view SharedFunctions();

// Numbered commands with their input and limits, for people; the same text for the same commands.
std::string Describe(const std::vector<RemoteCommand>& commands);

// 12 hex digits that differ when anything of it differs.
std::string PlanId(const std::vector<RemoteCommand>& commands);

}  // namespace muster::remote
