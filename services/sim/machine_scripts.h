// The shell scripts that a machine of SshdMachines is made of.
#pragma once

namespace muster {

// Runs one system after the other in name spaces of its own: the rescue system, or what is on the
// disks. Words: its folder, "rescue" or "disk".
extern const char kMachineScript[];
// Under many names, the tools inside.
extern const char kToolScript[];
// The names, separated by spaces. An installed system with a card has "nvidia-smi" too.
extern const char kTools[];

}  // namespace muster
