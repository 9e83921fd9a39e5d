#include "workers/servers/remote/install.h"

#include "absl/strings/str_join.h"
#include "eventstore/base/strings.h"
#include "workers/servers/remote/boot_loader.h"
#include "workers/servers/remote/disks.h"
#include "workers/servers/remote/new_files.h"
#include "workers/servers/remote/new_root.h"
#include "workers/servers/remote/prelude.h"
#include "workers/servers/remote/recipe.h"

namespace muster::remote {
namespace {

struct Drawn {
  Layout layout;
  InstallPlan plan;
};

StatusOr<Drawn> Draw(const specpb::ServerSpec& spec, const eventpb::Inspection& inspection,
                     const InstallFacts& facts) {
  MUSTER_RETURN_IF_ERROR(CheckSpec(spec, facts));
  Drawn drawn;
  MUSTER_ASSIGN_OR_RETURN(drawn.layout, ChooseLayout(spec.install().raid(), inspection));
  MUSTER_ASSIGN_OR_RETURN(const std::vector<NewFile> files, NewFiles(spec));
  MUSTER_ASSIGN_OR_RETURN(const NewFile network, NetworkFile(inspection, facts));
  const Layout& layout = drawn.layout;
  std::vector<RemoteCommand>& commands = drawn.plan.commands;
  commands = {CheckDisks(spec, layout), StopDisks()};
  if (IsSteps(spec)) {
    for (RemoteCommand& each : OwnSteps(spec, layout)) commands.push_back(std::move(each));
  } else {
    for (const eventpb::DiskSeen& disk : layout.all) {
      commands.push_back(WipeDisk(layout, disk, inspection));
    }
    commands.push_back(MakeFilesystem(spec, layout));
    for (RemoteCommand& each : PutImage(spec)) commands.push_back(std::move(each));
  }
  commands.push_back(PutHostKey(facts));
  commands.push_back(PutFile(
      network,
      R"({ cat; sed -n 's/^nameserver[[:space:]]*\([0-9a-fA-F.:]*\).*/DNS=\1/p' /etc/resolv.conf; })"));
  for (const NewFile& file : files) commands.push_back(PutFile(file));
  commands.push_back(AdaptRoot(spec));

  const std::string id = PlanId(commands);
  drawn.plan.id = id;
  commands.insert(commands.begin(), LookForMarker(id));
  commands.push_back(PutMarker(id));
  drawn.plan.disks_lost = layout.all;
  return drawn;
}

std::string DiskText(const eventpb::DiskSeen& disk) {
  return Cat(disk.identity(), "  ", disk.path(), " at inspection, ", disk.bytes() / 1'000'000'000,
             " GB, ", disk.model().empty() ? "model unknown" : disk.model(),
             disk.serial().empty() ? "" : Cat(", serial ", disk.serial()),
             disk.holds().empty() ? "" : Cat(", holds ", disk.holds()));
}

}  // namespace

StatusOr<InstallPlan> PlanPrepare(const specpb::ServerSpec& spec,
                                  const eventpb::Inspection& inspection,
                                  const InstallFacts& facts) {
  MUSTER_ASSIGN_OR_RETURN(Drawn drawn, Draw(spec, inspection, facts));
  std::vector<std::string>& words = drawn.plan.words;
  words.push_back("ALL DATA ON THESE DISKS WILL BE LOST:");
  for (const eventpb::DiskSeen& disk : drawn.layout.all) words.push_back(Cat("  ", DiskText(disk)));
  if (IsSteps(spec)) {
    words.push_back(Cat("the builder file's own ", spec.install().steps_size(), " steps"));
  } else {
    words.push_back(Cat("root: ", FilesystemOf(spec), " on ", drawn.layout.root[0].identity(),
                        drawn.layout.mirrored()
                            ? Cat(" and ", drawn.layout.root[1].identity(), ", a RAID1")
                            : ", without a mirror"));
    words.push_back(
        Cat("image: ", spec.install().image(), ", SHA-256 ", spec.install().image_sha256()));
  }
  return std::move(drawn.plan);
}

StatusOr<InstallPlan> PlanBoot(const specpb::ServerSpec& spec,
                               const eventpb::Inspection& inspection, const InstallFacts& facts) {
  MUSTER_ASSIGN_OR_RETURN(const Drawn drawn, Draw(spec, inspection, facts));
  InstallPlan plan;
  plan.commands = {BootMount(drawn.layout, drawn.plan.id), BootCheck(facts)};
  if (!IsSteps(spec)) {
    plan.commands.push_back(BootMenu());
    for (const eventpb::DiskSeen& disk : drawn.layout.all) {
      plan.commands.push_back(BootLoader(disk));
      plan.words.push_back(Cat("boot loaders for BIOS and EFI on ", disk.identity()));
    }
  }
  plan.commands.push_back(BootUnmount());
  plan.id = PlanId(plan.commands);
  plan.words.push_back(Cat("then it must answer with the host key ", PinnedKey(facts)));
  return plan;
}

RemoteCommand RebootCommand() {
  RemoteCommand command = Script("reboot", "now", {},
                                 "(sleep 2; reboot) </dev/null >/dev/null 2>&1 &\n"
                                 "echo rebooting\n",
                                 /*with_prelude=*/false);
  command.name = "reboot";
  return command;
}

std::string DescribePlan(const InstallPlan& plan) {
  return Cat("plan ", plan.id, "\n", absl::StrJoin(plan.words, "\n"), "\n\n",
             Describe(plan.commands));
}

std::string Ipv6Address(std::string_view net, int host) {
  if (net.empty()) return "";
  std::string address(net.substr(0, net.find('/')));
  if (!address.ends_with("::")) address += "::";
  return Cat(address, host);
}

}  // namespace muster::remote
