// A builder, its machine and its facts, as the tests of what is done to machines want them.
#pragma once

#include <string>

#include "eventstore/base/strings.h"
#include "workers/servers/remote/install.h"

namespace muster::remote {

inline constexpr char kHostPublicKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f builder-01";

inline eventpb::DiskSeen Disk(const std::string& identity, const std::string& path,
                              std::int64_t bytes = 1'920'383'410'176, bool rotates = false) {
  eventpb::DiskSeen disk;
  disk.set_identity(identity);
  disk.set_path(path);
  disk.set_bytes(bytes);
  disk.set_rotates(rotates);
  disk.set_model("SAMSUNG MZVL21T0");
  disk.set_serial(Cat("S", path.substr(path.size() - 3)));
  disk.set_holds("linux_raid_member");
  return disk;
}

inline eventpb::Inspection TwoAlike() {
  eventpb::Inspection seen;
  seen.set_threads(20);
  *seen.add_disks() = Disk("nvme-eui.0025385a", "/dev/nvme0n1");
  *seen.add_disks() = Disk("nvme-eui.0025385b", "/dev/nvme1n1");
  eventpb::Inspection::Nic& nic = *seen.add_nics();
  nic.set_name("eth0");
  nic.set_mac("a8:a1:59:8b:00:01");
  nic.set_gateway4("203.0.113.1");
  nic.set_gateway6("fe80::1");
  nic.set_driver("igb");
  return seen;
}

inline specpb::ServerSpec Builder() {
  specpb::ServerSpec spec;
  spec.set_name("builder-01");
  spec.set_provider("hetzner");
  spec.mutable_access()->add_authorized_keys("ssh-ed25519 AAAAC3op op@desk");
  spec.mutable_install()->set_recipe("image");
  spec.mutable_install()->set_image("/srv/images/builder.tar.zst");
  spec.mutable_install()->set_image_sha256(std::string(64, 'a'));
  spec.mutable_nix()->set_user("builder");
  spec.mutable_nix()->set_max_jobs(20);
  spec.mutable_nix()->add_supported_features("benchmark");
  spec.mutable_nix()->add_supported_features("big-parallel");
  spec.mutable_nix()->add_mandatory_features("cuda");
  (*spec.mutable_install()->mutable_files())["/etc/motd"] = "ours\n";
  return spec;
}

inline InstallFacts Facts() {
  return {.host_public_key = kHostPublicKey, .ipv4 = "203.0.113.10", .ipv6 = "2001:db8:61:1f::1"};
}

}  // namespace muster::remote
