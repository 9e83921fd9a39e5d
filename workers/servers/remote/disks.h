// Recipes, first part: what is done to a machine's disks. Each command finds its disk by what it
// was when it was inspected. Private to this folder. Pure.
#pragma once

#include "workers/servers/remote/recipe.h"

namespace muster::remote {

// Refuses what is no rescue system, lacks a tool, or has other disks in use than those of /mnt.
RemoteCommand CheckDisks(const specpb::ServerSpec& spec, const Layout& layout);
// Nobody uses the disks any more.
RemoteCommand StopDisks();
// Loses all that is on the disk; partitions for both kinds of firmware.
RemoteCommand WipeDisk(const Layout& layout, const eventpb::DiskSeen& disk,
                       const eventpb::Inspection& inspection);
// Makes the root file system, and mounts it at /mnt.
RemoteCommand MakeFilesystem(const specpb::ServerSpec& spec, const Layout& layout);

}  // namespace muster::remote
