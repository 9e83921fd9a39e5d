// What the machines of VirtualMachines answer to a command. Changes nothing but the machine.
#pragma once

#include <string>
#include <vector>

#include "workers/ports/ssh.h"
#include "workers/virtual/virtual_machines.h"

namespace muster {

// The step and its words out of the first line of `shell` (": muster prepare wipe ..."), or
// "hostname"; empty when it is nothing that muster asks.
std::vector<std::string> AskedOf(const std::string& shell);

// Carries out `asked` with all of its input. A status of 127 for what it does not know.
SshResult Answer(VirtualMachines::Machine& machine, const std::vector<std::string>& asked,
                 const std::string& input,
                 const std::function<std::string(const std::string&)>& public_key_of);

}  // namespace muster
