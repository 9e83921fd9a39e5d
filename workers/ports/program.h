// ProgramRunner: runs another program, once, without a shell.
//
// Reactor thread. The real one is workers/os/os_program.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "eventstore/base/task.h"

namespace muster {

struct ProgramCall {
  std::vector<std::string> argv;  // the first is a path; never holds a secret
  std::string input;              // on its standard input
  // Beside PATH and LANG, or in their place: NAME=VALUE. Never holds a secret.
  std::vector<std::string> environment = {};
  absl::Duration patience = absl::Seconds(10);
  std::size_t output_bytes_max = 4096;  // of standard output and error together; the rest is read
};

struct ProgramResult {
  int exit_code = 0;  // 128 + number when a signal ended it
  std::string output;
};

class ProgramRunner {
 public:
  virtual ~ProgramRunner() = default;

  // Its environment holds PATH, LANG and what the call names and nothing else, its descriptors are
  // the three standard ones, and it is killed with all it started in its process group when
  // `patience` is over.
  //
  // kUnavailable       it could not be started: says why
  // kDeadlineExceeded  it was killed
  virtual Task<StatusOr<ProgramResult>> Run(ProgramCall call) = 0;
};

}  // namespace muster
