#include "workers/servers/remote/inspect.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "workers/servers/remote/prelude.h"

namespace muster::remote {
namespace {

using nlohmann::json;

json Parsed(std::string_view text) {
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

// Text, number or flag as text: tools changed their minds between versions. "" of null and others.
std::string TextOf(const json& object, std::string_view key) {
  const auto found = object.find(std::string(key));
  if (found == object.end()) return "";
  if (found->is_string()) return std::string(Trim(found->get<std::string>()));
  if (found->is_number_integer()) return Cat(found->get<std::int64_t>());
  if (found->is_boolean()) return found->get<bool>() ? "1" : "0";
  return "";
}
std::int64_t NumberOf(std::string_view text) {
  std::int64_t value = 0;
  return absl::SimpleAtoi(ToAbsl(text), &value) ? value : 0;
}
std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  for (const auto line : absl::StrSplit(ToAbsl(text), '\n')) {
    const std::string_view bare = Trim(ToStd(line));
    if (!bare.empty()) lines.push_back(ToValidUtf8(bare));
  }
  return lines;
}

// lscpu's fields end in ":"; newer versions nest them.
void ReadCpu(const json& fields, eventpb::Inspection& seen) {
  if (!fields.is_array()) return;
  for (const json& field : fields) {
    if (!field.is_object()) continue;
    const std::string name = TextOf(field, "field");
    if (name == "CPU(s):") seen.set_threads(static_cast<int>(NumberOf(TextOf(field, "data"))));
    if (name == "Model name:") seen.set_cpu(ToValidUtf8(TextOf(field, "data")));
    if (const auto nested = field.find("children"); nested != field.end()) ReadCpu(*nested, seen);
  }
}

std::string HoldsOf(const json& disk) {
  std::string holds = TextOf(disk, "fstype");
  const auto parts = disk.find("children");
  if (parts == disk.end() || !parts->is_array()) return holds;
  for (const json& part : *parts) {
    if (!part.is_object()) continue;
    const std::string kind = TextOf(part, "fstype");
    if (!kind.empty()) holds += Cat(holds.empty() ? "" : ", ", kind);
  }
  return holds;
}

// `identities` has the lines of muster_disks: what a plan will find the disks by.
Status ReadDisks(std::string_view identities, const json& blocks, eventpb::Inspection& seen) {
  std::map<std::string, const json*> by_path;
  if (blocks.is_array()) {
    for (const json& block : blocks) {
      if (block.is_object()) by_path[TextOf(block, "path")] = &block;
    }
  }
  for (const std::string& line : Lines(identities)) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() != 3 || NumberOf(words[1]) <= 0) {
      return InvalidArgument(Cat("what are the disks \"", Ellipsize(line, 80), "\"?"));
    }
    eventpb::DiskSeen& disk = *seen.add_disks();
    disk.set_identity(words[0] == "-" ? "" : words[0]);
    disk.set_bytes(NumberOf(words[1]));
    disk.set_path(words[2]);
    const auto found = by_path.find(words[2]);
    if (found == by_path.end()) continue;
    disk.set_model(ToValidUtf8(TextOf(*found->second, "model")));
    disk.set_serial(ToValidUtf8(TextOf(*found->second, "serial")));
    disk.set_rotates(TextOf(*found->second, "rota") == "1");
    disk.set_holds(ToValidUtf8(HoldsOf(*found->second)));
  }
  return {};
}

std::string GatewayOf(const json& routes, const std::string& nic) {
  if (!routes.is_array()) return "";
  for (const json& route : routes) {
    if (route.is_object() && TextOf(route, "dst") == "default" && TextOf(route, "dev") == nic) {
      return TextOf(route, "gateway");
    }
  }
  return "";
}

void ReadNics(const json& links, const json& routes4, const json& routes6,
              const std::map<std::string, std::string>& drivers, eventpb::Inspection& seen) {
  if (!links.is_array()) return;
  for (const json& link : links) {
    // A card, and not a loopback, bridge or tunnel: it has a driver of its own.
    if (!link.is_object() || TextOf(link, "link_type") != "ether") continue;
    const std::string name = TextOf(link, "ifname");
    const auto driver = drivers.find(name);
    if (driver == drivers.end()) continue;
    eventpb::Inspection::Nic& nic = *seen.add_nics();
    nic.set_name(name);
    nic.set_mac(TextOf(link, "address"));
    nic.set_driver(driver->second);
    nic.set_gateway4(GatewayOf(routes4, name));
    nic.set_gateway6(GatewayOf(routes6, name));
    const auto addresses = link.find("addr_info");
    if (addresses == link.end() || !addresses->is_array()) continue;
    for (const json& address : *addresses) {
      if (!address.is_object() || TextOf(address, "scope") != "global") continue;
      nic.add_addresses(Cat(TextOf(address, "local"), "/", TextOf(address, "prefixlen")));
    }
  }
}

RemoteCommand Fact(std::string_view name, std::string_view body, bool with_prelude = false) {
  RemoteCommand command = Script("inspect", name, {}, body, with_prelude);
  command.may_fail = true;  // what must not be missing is missed when it is read
  return command;
}

}  // namespace

std::vector<RemoteCommand> InspectCommands() {
  return {
      Fact("cpu", "lscpu -J\n"),
      Fact("identities", "muster_disks\n", /*with_prelude=*/true),
      Fact("disks", "lsblk -J -b -o NAME,PATH,TYPE,SIZE,MODEL,SERIAL,ROTA,TRAN,FSTYPE\n"),
      Fact("memory", "cat /proc/meminfo\n"),
      Fact("firmware", "if test -d /sys/firmware/efi; then echo efi; else echo bios; fi\n"),
      Fact("gpus", "lspci -nn -d 10de:\n"),
      Fact("links", "ip -j addr\n"),
      Fact("routes4", "ip -j route\n"),
      Fact("routes6", "ip -j -6 route\n"),
      Fact("drivers",
           "cd /sys/class/net\n"
           "for nic in *; do\n"
           "  driver=$(readlink \"$nic/device/driver\") || continue\n"
           "  printf '%s %s\\n' \"$nic\" \"${driver##*/}\"\n"
           "done\n"),
      Fact("arrays", "mdadm --detail --scan || true\nvgs --noheadings -o vg_name || true\n"),
  };
}

StatusOr<eventpb::Inspection> ReadInspection(const std::vector<RemoteOutcome>& outcomes) {
  std::map<std::string, std::string> said;
  for (const RemoteOutcome& outcome : outcomes) said[outcome.name] = outcome.out;
  eventpb::Inspection seen;
  const json cpu = Parsed(said["cpu"]);
  if (cpu.is_object() && cpu.contains("lscpu")) ReadCpu(cpu["lscpu"], seen);
  if (seen.threads() <= 0) return InvalidArgument("lscpu does not tell the processors");
  const json blocks = Parsed(said["disks"]);
  if (!blocks.is_object() || !blocks.contains("blockdevices")) {
    return InvalidArgument("lsblk does not tell the disks");
  }
  MUSTER_RETURN_IF_ERROR(ReadDisks(said["identities"], blocks["blockdevices"], seen));
  for (const std::string& line : Lines(said["memory"])) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() >= 2 && words[0] == "MemTotal:") seen.set_memory_kb(NumberOf(words[1]));
  }
  seen.set_efi(Trim(said["firmware"]) == "efi");
  for (const std::string& line : Lines(said["gpus"])) {
    // The card's sound and USB functions are no GPUs.
    if (line.find("[03") != std::string::npos) seen.add_gpus(line);
  }
  std::map<std::string, std::string> drivers;
  for (const std::string& line : Lines(said["drivers"])) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() == 2) drivers[words[0]] = words[1];
  }
  ReadNics(Parsed(said["links"]), Parsed(said["routes4"]), Parsed(said["routes6"]), drivers, seen);
  for (const std::string& line : Lines(said["arrays"])) seen.add_arrays(line);
  return seen;
}

}  // namespace muster::remote
