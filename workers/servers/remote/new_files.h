// The files that muster writes into a new root file system. Pure.
#pragma once

#include <string>
#include <vector>

#include "eventstore/base/status.h"
#include "workers/servers/remote/install.h"

namespace muster::remote {

struct NewFile {
  std::string path;  // in the new root, "/etc/hostname"
  std::string text;
  int mode = 0644;
};

// Host name, authorised keys, sshd, Nix, mounts, and the spec's own files (which come last and so
// win).
//
// kInvalidArgument  the spec's name, keys, features or files cannot be written so
StatusOr<std::vector<NewFile>> NewFiles(const specpb::ServerSpec& spec);

// For systemd-networkd: the card is matched by its address, since its name changes; IPv6 first, an
// IPv4 address is alone in its net and its gateway on the link. Ends in a section that "DNS=" lines
// may be appended to.
//
// kFailedPrecondition  no card has a gateway; no address at all
StatusOr<NewFile> NetworkFile(const eventpb::Inspection& inspection, const InstallFacts& facts);

}  // namespace muster::remote
