#include "workers/servers/remote/recipe.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "workers/servers/remote/shell.h"

namespace muster::remote {

std::string PinnedKey(const InstallFacts& facts) {
  const std::vector<std::string> words =
      absl::StrSplit(facts.host_public_key, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
  std::string blob;
  if (words.size() < 2 || words[0] != "ssh-ed25519" || !absl::Base64Unescape(words[1], &blob)) {
    return "";
  }
  return Cat(words[0], " ", words[1]);
}

bool IsSteps(const specpb::ServerSpec& spec) { return spec.install().recipe() == "steps"; }

Status CheckSpec(const specpb::ServerSpec& spec, const InstallFacts& facts) {
  const specpb::Install& install = spec.install();
  if (PinnedKey(facts).empty()) {
    return InvalidArgument("the host key to install is not an ed25519 key");
  }
  if (IsSteps(spec)) {
    if (install.steps().empty()) return InvalidArgument("install.steps: there are none");
    return {};
  }
  if (install.recipe() != "image" && !install.recipe().empty()) {
    return InvalidArgument(
        Cat("install.recipe is \"image\" or \"steps\", not \"", install.recipe(), "\""));
  }
  if (install.image().empty()) return InvalidArgument("install.image: which archive?");
  if (install.image_sha256().size() != 64 ||
      install.image_sha256().find_first_not_of("0123456789abcdef") != std::string::npos) {
    return InvalidArgument("install.image_sha256 is 64 hex digits in lower case");
  }
  const std::string& fs = install.filesystem();
  if (!fs.empty() && fs != "ext4" && fs != "xfs" && fs != "btrfs") {
    return InvalidArgument(Cat("install.filesystem is ext4, xfs or btrfs, not \"", fs, "\""));
  }
  return {};
}

std::string FilesystemOf(const specpb::ServerSpec& spec) {
  return spec.install().filesystem().empty() ? "ext4" : spec.install().filesystem();
}

std::vector<std::string> DiskWords(const eventpb::DiskSeen& disk) {
  return {disk.identity(), Cat(disk.bytes())};
}

std::string ExpectLine(const Layout& layout) {
  std::string line = "muster_expect";
  for (const std::string& word : layout.Expected()) line += Cat(" ", Quoted(word));
  return line + "\n";
}

std::string FindDisk(const eventpb::DiskSeen& disk) {
  return Cat("disk=$(muster_disk ", Quoted(disk.identity()), " ", disk.bytes(),
             ") || muster_refuse \"no such disk:\" ", Quoted(disk.identity()), "\n");
}

std::string FindRoot(const Layout& layout) {
  std::string text = "set --\n";
  for (const eventpb::DiskSeen& disk : layout.root) {
    text += FindDisk(disk) + "set -- \"$@\" \"$(muster_part \"$disk\" 3)\"\n";
  }
  return text;
}

std::string OnNewRoot() {
  return "mountpoint -q /mnt || { echo 'nothing is mounted at /mnt' >&2; exit 1; }\n";
}

std::string Marker(const std::string& id) { return Cat("/mnt/.muster-rootfs-", id); }

}  // namespace muster::remote
