// The state check: what the log says of builders, their lines, the machines file and the Nix of
// this machine, held against each other. Looks at this machine only; nobody is called.
#pragma once

#include <string>
#include <vector>

#include "muster/spec/v1/server.pb.h"
#include "workers/ports/text_files.h"

namespace muster {
namespace specpb = spec::v1;
}  // namespace muster

namespace muster::nix {

// A server as the log has it.
struct KnownBuilder {
  std::string name;
  specpb::ServerSpec spec;
  std::string number;   // the provider's; "" = not delivered
  std::string address;  // where builds reach it; "" = nobody knows
  int port = 22;
  std::string host_public_key;  // what it has to prove
  std::string line;             // as registered; "" = not
  bool in_file = false;         // its line has to be in the machines file
};

struct Finding {
  enum class Kind { kOk, kWarning, kFailed } kind = Kind::kOk;
  std::string subject;  // "builder-01: host key", "machines file"
  std::string detail;   // what was found
  std::string next;     // what can be done; "" when it is OK
};

// Where old set-ups kept what is now the log's.
struct LegacyPlaces {
  std::string nix_machines = "/etc/nix/machines";
  std::string nix_conf = "/etc/nix/nix.conf";
  std::vector<std::string> remote_confs = {"/etc/nix/builder-remote.conf",
                                           "/etc/muster/builder-remote.conf"};
};

// All that was looked at, in the order of `builders`, then the file, then what is left over from
// before. Only kFailed is a violation.
std::vector<Finding> CheckBuilders(const std::vector<KnownBuilder>& builders, TextFiles& files,
                                   const std::string& machines_file,
                                   const LegacyPlaces& legacy = {});

}  // namespace muster::nix
