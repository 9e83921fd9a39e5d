#include "workers/servers/remote/new_files.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"

namespace muster::remote {
namespace {

constexpr std::string_view kSafe =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

bool IsWord(std::string_view text) {
  return !text.empty() && text.find_first_not_of(kSafe) == std::string_view::npos &&
         text.front() != '-';
}

std::string UserOf(const specpb::ServerSpec& spec) {
  return spec.nix().user().empty() ? "root" : spec.nix().user();
}

StatusOr<std::string> AuthorizedKeys(const specpb::ServerSpec& spec) {
  if (spec.access().authorized_keys().empty()) {
    return InvalidArgument("access.authorized_keys: nobody would be let in");
  }
  std::string text;
  for (const std::string& key : spec.access().authorized_keys()) {
    const std::string_view line = Trim(key);
    if (line.find_first_of("\r\n") != std::string_view::npos || line.find(' ') == line.npos) {
      return InvalidArgument("access.authorized_keys: each is one line, \"ssh-ed25519 AAAA...\"");
    }
    text += Cat(line, "\n");
  }
  return text;
}

// What a builder must allow and be able to do: the machine line alone is not enough.
StatusOr<std::string> NixConf(const specpb::ServerSpec& spec) {
  std::set<std::string> features;
  for (const auto* list : {&spec.nix().supported_features(), &spec.nix().mandatory_features()}) {
    for (const std::string& feature : *list) {
      if (!IsWord(feature)) return InvalidArgument(Cat("\"", feature, "\" is no feature of Nix"));
      features.insert(feature);
    }
  }
  const std::string user = UserOf(spec);
  std::string text = Cat("trusted-users = root", user == "root" ? "" : Cat(" ", user), "\n");
  if (!features.empty()) text += Cat("system-features = ", absl::StrJoin(features, " "), "\n");
  if (spec.nix().max_jobs() > 0) text += Cat("max-jobs = ", spec.nix().max_jobs(), "\n");
  return text;
}

Status AddOwnFiles(const specpb::ServerSpec& spec, std::vector<NewFile>& files) {
  for (const auto& [path, text] : spec.install().files()) {
    const std::vector<std::string> parts = absl::StrSplit(path, '/');
    const bool climbs = std::any_of(parts.begin() + 1, parts.end(), [](const std::string& part) {
      return part.empty() || part == "." || part == "..";
    });
    if (path.empty() || path.front() != '/' || climbs || path.find('\0') != path.npos ||
        path.find('\n') != path.npos) {
      return InvalidArgument(Cat("install.files: \"", path, "\" is no path of a file"));
    }
    if (path.starts_with("/etc/ssh/ssh_host_")) {
      return InvalidArgument("install.files: the host key is muster's to make");
    }
    files.push_back({.path = path, .text = text});
  }
  // A map has no order, and a plan must come out the same each time.
  std::sort(files.begin(), files.end(),
            [](const NewFile& a, const NewFile& b) { return a.path < b.path; });
  return {};
}

}  // namespace

StatusOr<std::vector<NewFile>> NewFiles(const specpb::ServerSpec& spec) {
  const std::string user = UserOf(spec);
  if (!IsWord(spec.name())) return InvalidArgument(Cat("\"", spec.name(), "\" is no host name"));
  if (!IsWord(user)) return InvalidArgument(Cat("nix.user: \"", user, "\" is no user"));
  MUSTER_ASSIGN_OR_RETURN(const std::string keys, AuthorizedKeys(spec));
  MUSTER_ASSIGN_OR_RETURN(const std::string nix, NixConf(spec));
  std::vector<NewFile> files = {
      {.path = "/etc/hostname", .text = Cat(spec.name(), "\n")},
      {.path = "/root/.ssh/authorized_keys", .text = keys, .mode = 0600},
      {.path = "/etc/ssh/authorized_keys.d/root", .text = keys},
      // One kind of host key, so that every client asks for the one that is pinned; one MAC that
      // libssh2 1.10 knows.
      {.path = "/etc/ssh/sshd_config.d/00-muster.conf",
       .text = "HostKey /etc/ssh/ssh_host_ed25519_key\n"
               "MACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256\n"
               "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys.d/%u\n"
               "PasswordAuthentication no\n"
               "PermitRootLogin prohibit-password\n"},
      {.path = "/etc/muster/nix.conf", .text = nix},
  };
  if (user != "root") {
    files.push_back({.path = Cat("/etc/ssh/authorized_keys.d/", user), .text = keys});
  }
  std::vector<NewFile> own;
  MUSTER_RETURN_IF_ERROR(AddOwnFiles(spec, own));
  files.insert(files.end(), own.begin(), own.end());
  return files;
}

StatusOr<NewFile> NetworkFile(const eventpb::Inspection& inspection, const InstallFacts& facts) {
  const auto card = std::find_if(
      inspection.nics().begin(), inspection.nics().end(),
      [](const auto& nic) { return !nic.gateway4().empty() || !nic.gateway6().empty(); });
  if (card == inspection.nics().end()) {
    return FailedPrecondition("no network card of the inspection has a gateway");
  }
  if (facts.ipv4.empty() && facts.ipv6.empty()) {
    return FailedPrecondition("the server has no address");
  }
  std::string text = Cat("[Match]\nMACAddress=", card->mac(), "\n\n[Network]\nIPv6AcceptRA=no\n");
  if (!facts.ipv6.empty()) text += Cat("Address=", facts.ipv6, "/64\n");
  if (!facts.ipv4.empty()) text += Cat("Address=", facts.ipv4, "/32\n");
  if (!facts.ipv6.empty()) {
    const std::string& gateway = card->gateway6();
    text +=
        Cat("\n[Route]\nGateway=", gateway.empty() ? "fe80::1" : gateway, "\nGatewayOnLink=yes\n");
  }
  if (!facts.ipv4.empty() && !card->gateway4().empty()) {
    text += Cat("\n[Route]\nGateway=", card->gateway4(), "\nGatewayOnLink=yes\n");
  }
  text += "\n[Network]\n";
  return NewFile{.path = "/etc/systemd/network/10-muster.network", .text = text};
}

}  // namespace muster::remote
