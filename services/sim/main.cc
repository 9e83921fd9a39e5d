// muster-sim: a simulated provider on loopback, for demos, tests and foreign clients.
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "services/sim/command_line.h"
#include "services/sim/make_sim.h"
#include "services/sim/sim_http_server.h"
#include "services/sim/sshd_machines.h"

namespace muster {
namespace {

constexpr int kExitUsage = 64;

int Fail(const Status& status, int code) {
  std::fprintf(stderr, "muster-sim: %s\n", std::string(Message(status)).c_str());
  return code;
}

// Of a provider of dedicated servers, where it is said on which port they answer.
Status AddMachines(SimSpec& spec) {
  const auto port = spec.settings.find("ssh_port");
  SshdMachines::Options options;
  if (port == spec.settings.end() || !absl::SimpleAtoi(port->second, &options.port)) return {};
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
  if (!machines.ok()) return Fail(Annotate(machines, "ssh_port"), 1);
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
