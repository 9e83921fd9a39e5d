// A probe: a fresh build that only one builder can do, ordered as anybody's Nix would order it.
//
//   const StatusOr<ProbeResult> probe = co_await ProbeBuilder(ports, line, nonce, budget);
//
// First the store over there is asked for its version: connection, key, host key. Then a derivation
// that nobody has built before (the nonce is in its name) and that requires a feature no other
// machine has. What comes back must hold the nonce, and Nix must have said that it was built on
// that store. Reactor thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/runtime.h"
#include "eventstore/base/status.h"
#include "workers/ports/program.h"
#include "workers/ports/text_files.h"

namespace muster::nix {

// Where Nix is on this machine, and what it is told there.
struct NixHere {
  std::string folder = "/usr/bin";  // of the programs nix and nix-build
  std::string store;                // "" = the machine's own; else a folder, as for --store
  // NAME=VALUE: HOME, NIX_CONFIG, NIX_REMOTE. NIX_SSHOPTS and PATH are set by the probe.
  std::vector<std::string> environment;
};

struct ProbePorts {
  Runtime& rt;
  ProgramRunner& programs;
  TextFiles& files;  // reads what was built
  NixHere nix;
};

struct ProbeResult {
  std::vector<std::string> required;  // the features that were asked for
  std::string built_on;               // the store, as Nix says it
  std::string host;                   // what the machine calls itself; "" in a sandbox
  std::string version;                // of Nix over there; "" when not told
  std::string derivation;             // "/nix/store/...-muster-probe-NONCE.drv"
  std::string output;                 // "/nix/store/...-muster-probe-NONCE"
  absl::Duration took;                // of both steps
};

// `line` is one of MachineLine's; `nonce` (letters and digits) has never been used before.
//
// kFailedPrecondition  something is set up wrong, here or there; the message says what and where
// kPermissionDenied    somebody with another host key answers: a person must look
// kUnauthenticated     the right machine refuses the key, or the key cannot be read here
// kUnavailable         nobody answers there, or Nix cannot be run here: try again
// kAborted             the build itself failed over there: its last lines are in the message
// kDeadlineExceeded    not done within `budget`
// kDataLoss            what came back is not what was asked for
// kInvalidArgument     no line, or no nonce: a fault of the caller
Task<StatusOr<ProbeResult>> ProbeBuilder(const ProbePorts& ports, std::string line,
                                         std::string nonce, absl::Duration budget);

// What a step of the probe says when it failed: one of the above, by what Nix and ssh printed.
// Pure.
Status ExplainFailure(std::string_view output, int exit_code, std::string_view line);

// What the derivation is called: "muster-probe-NONCE". Pure.
std::string ProbeName(std::string_view nonce);
// The derivation, as an expression of Nix. Pure.
std::string ProbeExpression(std::string_view system, std::string_view nonce,
                            const std::vector<std::string>& features);

}  // namespace muster::nix
