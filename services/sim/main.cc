// muster-sim: a simulated provider on loopback, for demos, tests and foreign clients.
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "services/sim/command_line.h"
#include "services/sim/make_sim.h"
#include "services/sim/qemu_machines.h"
#include "services/sim/sim_http_server.h"
#include "services/sim/sshd_machines.h"

namespace muster {
namespace {

constexpr int kExitUsage = 64;

int Fail(const Status& status, int code) {
  std::fprintf(stderr, "muster-sim: %s\n", std::string(Message(status)).c_str());
  return code;
}

std::string Setting(const SimSpec& spec, const std::string& name) {
  const auto found = spec.settings.find(name);
  return found == spec.settings.end() ? "" : found->second;
}

Status OneOf(const std::string& text, const char* name, const char* one, const char* other) {
  if (text.empty() || text == one || text == other) return {};
  return InvalidArgument(Cat(name, " is ", one, " or ", other, ", not \"", text, "\""));
}

Status AddVirtualMachines(SimSpec& spec, int port) {
  QemuMachines::Options options{.system = Setting(spec, "qemu"), .port = port};
  if (const std::string disks = Setting(spec, "qemu_disks"); !disks.empty()) {
    MUSTER_ASSIGN_OR_RETURN(options.disks, QemuMachines::ReadDisks(disks));
  }
  const std::string firmware = Setting(spec, "qemu_firmware"), net = Setting(spec, "qemu_net");
  options.accel = Setting(spec, "qemu_accel");
  MUSTER_RETURN_IF_ERROR(OneOf(firmware, "qemu_firmware", "efi", "bios"));
  MUSTER_RETURN_IF_ERROR(OneOf(net, "qemu_net", "user", "tap"));
  MUSTER_RETURN_IF_ERROR(OneOf(options.accel, "qemu_accel", "kvm", "tcg"));
  options.efi = firmware != "bios";
  options.net = net == "tap" ? QemuMachines::Net::kTap : QemuMachines::Net::kUser;
  // Loopback addresses cannot be theirs.
  spec.settings["public_ipv4"] = "true";
  StatusOr<std::unique_ptr<QemuMachines>> machines = QemuMachines::Make(std::move(options));
  if (!machines.ok()) return machines.status();
  spec.machines = *std::move(machines);
  return {};
}

// Of a provider of dedicated servers, where it is said on which port they answer.
Status AddMachines(SimSpec& spec) {
  SshdMachines::Options options;
  const bool said = absl::SimpleAtoi(Setting(spec, "ssh_port"), &options.port);
  if (!Setting(spec, "qemu").empty()) return AddVirtualMachines(spec, said ? options.port : 2222);
  if (!said) return {};
  StatusOr<std::unique_ptr<SshdMachines>> machines = SshdMachines::Make(options);
  if (!machines.ok()) return machines.status();
  spec.machines = *std::move(machines);
  return {};
}

int Main(const std::vector<std::string>& arguments) {
  StatusOr<SimCommand> command = ParseSimCommand(arguments);
  if (!command.ok()) {
    Fail(command.status(), kExitUsage);
    std::fputs("try: muster-sim --help\n", stderr);
    return kExitUsage;
  }
  if (command->help) {
    std::fputs(SimUsage().c_str(), stdout);
    return 0;
  }
  // Signals are waited for below; the server's thread inherits the mask.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  signal(SIGPIPE, SIG_IGN);

  command->spec.start = command->server.start;
  const Status machines = AddMachines(command->spec);
  if (!machines.ok()) return Fail(Annotate(machines, "its machines"), 1);
  StatusOr<std::unique_ptr<SimServer>> sim = MakeSim(command->provider, command->spec);
  if (!sim.ok()) return Fail(sim.status(), kExitUsage);
  const auto server = SimHttpServer::Start(*std::move(sim), command->server);
  if (!server.ok()) return Fail(server.status(), 1);
  std::printf("%s\n", (*server)->origin().c_str());
  std::fflush(stdout);
  std::fprintf(stderr, "muster-sim: %s, seed %llu, speed %gx; control at %s/control/state\n",
               command->provider.c_str(), static_cast<unsigned long long>(command->spec.seed),
               command->server.speed, (*server)->origin().c_str());
  int signal_number = 0;
  sigwait(&ends, &signal_number);
  return 0;
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  return muster::Main(std::vector<std::string>(argv + 1, argv + argc));
}
