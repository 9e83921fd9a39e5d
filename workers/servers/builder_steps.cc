#include "workers/servers/builder_steps.h"

#include <utility>

#include "absl/strings/str_join.h"
#include "eventstore/base/canary.h"
#include "eventstore/base/log.h"
#include "eventstore/events/values.h"
#include "workers/servers/nix/machine_line.h"
#include "workers/servers/nix/machines_file.h"

namespace muster {
namespace {

constexpr int kInstalledHost = 1;

// What is said of a build before Nix is asked for it.
StatusOr<server::RequestBuild> BuildOf(const std::string& line, const std::string& nonce) {
  MUSTER_ASSIGN_OR_RETURN(const nix::Machine machine, nix::ParseMachineLine(line));
  MUSTER_ASSIGN_OR_RETURN(const std::vector<std::string> features, nix::ProvingFeatures(machine));
  server::RequestBuild build;
  build.build.set_build(nonce);
  build.build.set_derivation(nix::ProbeName(nonce));
  build.build.set_system(machine.systems[0]);
  build.build.set_store(machine.store);
  build.build.mutable_features()->Assign(features.begin(), features.end());
  return build;
}

eventpb::BuildDone BuiltBy(const nix::ProbeResult& probe, const std::string& nonce) {
  eventpb::BuildDone built;
  built.set_build(nonce);
  built.set_derivation(StoredText(probe.derivation));
  built.set_output(StoredText(probe.output));
  built.set_built_on(StoredText(probe.built_on));
  built.set_host(StoredText(probe.host));
  built.set_nix_version(StoredText(probe.version));
  built.set_took_ms(absl::ToInt64Milliseconds(probe.took));
  return built;
}

}  // namespace

StatusOr<std::string> LineOf(const ServerContext& context, const server::State& state) {
  return nix::MachineLine(state.spec, context.AddressOf(state, kInstalledHost),
                          context.options.reach.ssh_port, state.host_public_key);
}

Task<StepEnd> RunRegister(ServerContext& context, ServerId id) {
  const server::State* state = context.Find(id);
  StatusOr<std::string> line = LineOf(context, *state);
  if (!line.ok()) {
    co_return FailStep(line.status(), false, "change its file, then order what fits it");
  }
  StepEnd end;
  end.done.done.set_text(Cat("registered as ", nix::WithoutComment(*line)));
  end.done.done.set_machine_line(*std::move(line));
  co_return end;
}

Task<StepEnd> RunValidate(ServerContext& context, ServerId id, std::string cause) {
  const server::State* state = context.Find(id);
  const std::string line = state->machine_line, name = state->name.str();
  const absl::Duration budget =
      context.Timer(*state, &specpb::ServerTimers::probe_s, context.options.probe);
  const std::string nonce = context.ports.rt.rng().Token(12);
  StatusOr<server::RequestBuild> build = BuildOf(line, nonce);
  if (!build.ok()) co_return FailStep(build.status(), false, Cat("muster server register ", name));
  const Status asked = co_await context.Tell(id, *std::move(build), std::move(cause));
  if (!asked.ok()) co_return FailStep(asked, true, "");
  const nix::ProbePorts ports{context.ports.rt, context.ports.programs, context.ports.files,
                              context.options.nix};
  const StatusOr<nix::ProbeResult> probe = co_await nix::ProbeBuilder(ports, line, nonce, budget);
  if (probe.ok()) {
    StepEnd end;
    *end.done.done.mutable_build() = BuiltBy(*probe, nonce);
    end.done.done.set_text(Cat("a fresh build that requires ", absl::StrJoin(probe->required, ", "),
                               " was done on ", probe->built_on, " in ", FormatSpan(probe->took)));
    co_return end;
  }
  const StatusCode code = probe.status().code();
  const bool transient = code == StatusCode::kUnavailable || code == StatusCode::kDeadlineExceeded;
  StepEnd end = FailStep(
      probe.status(), transient,
      Cat("its line is out of the machines file until muster server validate ", name, " succeeds"));
  end.build = nonce;
  co_return end;
}

Task<StepEnd> RunUnregister(ServerContext&, ServerId) {
  StepEnd end;
  end.done.done.set_text("no builds are sent there any more");
  co_return end;
}

void KeepMachinesFile(ServerContext& context) {
  if (context.options.machines_file.empty()) return;
  std::vector<std::string> lines;
  for (const auto& [id, state] : context.world().servers) {
    const bool forgotten = MUSTER_CANARY("server-line-outlives-it") && !state.machine_line.empty();
    if (state.Registered() || forgotten) lines.push_back(state.machine_line);
  }
  const Status written =
      nix::WriteMachinesFile(context.ports.files, context.options.machines_file, lines);
  if (written.ok()) return;
  Log(LogLevel::kError, "machines_file_not_written",
      {{"file", context.options.machines_file}, {"error", written}});
}

}  // namespace muster
