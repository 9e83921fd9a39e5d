// What the parts of a recipe have in common: the lines by which its commands find their disks and
// the new root, and what it wants of a spec. Private to this folder. Pure.
#pragma once

#include <string>
#include <vector>

#include "workers/servers/remote/install.h"
#include "workers/servers/remote/layout.h"

namespace muster::remote {

inline constexpr char kHostKey[] = "/mnt/etc/ssh/ssh_host_ed25519_key";

// "ssh-ed25519 AAAA..." without a comment; "" when it is something else.
std::string PinnedKey(const InstallFacts& facts);
// The file's own steps in place of an image.
bool IsSteps(const specpb::ServerSpec& spec);
std::string FilesystemOf(const specpb::ServerSpec& spec);
// kInvalidArgument  what no recipe can do, as the message says
Status CheckSpec(const specpb::ServerSpec& spec, const InstallFacts& facts);

// Words of a disk: its identity and size, as muster_disk takes them.
std::vector<std::string> DiskWords(const eventpb::DiskSeen& disk);
// Refuses to go on where there are other disks than these.
std::string ExpectLine(const Layout& layout);
// Sets $disk; whoever runs it knows that it is that very disk, and that nobody uses it.
std::string FindDisk(const eventpb::DiskSeen& disk);
// Sets $1, $2 to the partitions of the root file system, in the order of identities.
std::string FindRoot(const Layout& layout);
std::string OnNewRoot();
// Where it is written that all of the plan `id` was done.
std::string Marker(const std::string& id);

}  // namespace muster::remote
