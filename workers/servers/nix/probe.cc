#include "workers/servers/nix/probe.h"

#include <algorithm>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "re2/re2.h"
#include "workers/servers/nix/machine_line.h"

namespace muster::nix {
namespace {

constexpr std::size_t kOutputBytesMax = 256u << 10;
constexpr std::size_t kShown = 300;
constexpr absl::Duration kPingMax = absl::Seconds(20);
constexpr int kConnectS = 10;

bool Says(std::string_view output, std::string_view what) {
  return output.find(what) != std::string_view::npos;
}

// The first line that holds `what`, cut to a readable length; "" when there is none.
std::string LineWith(std::string_view output, std::string_view what) {
  const std::size_t at = output.find(what);
  if (at == std::string_view::npos) return "";
  const std::size_t begin = output.rfind('\n', at) + 1;  // npos + 1 = 0
  return Ellipsize(Trim(output.substr(begin, output.find('\n', at) - begin)), kShown);
}

// The line of ssh's own that says why nobody could be talked to.
std::string SshTrouble(std::string_view output) {
  for (const char* what :
       {"Connection refused", "Connection timed out", "No route to host", "Network is unreachable",
        "Connection closed", "Connection reset", "Could not resolve", "kex_exchange_identification",
        "Operation timed out"}) {
    std::string line = LineWith(output, what);
    if (!line.empty()) return line;
  }
  return "";
}

std::set<std::string> Words(const std::string& list) {
  return absl::StrSplit(list, absl::ByAnyChar(", "), absl::SkipEmpty());
}

// "... with features {cuda} is required to build ..., but I am a '...' with features {kvm}": what
// the one lacks of the other.
std::string Lacking(std::string_view output) {
  static const RE2* const kRequired =
      new RE2(R"(with features \{([^}]*)\} is required to build[^{]*but I am a[^{]*\{([^}]*)\})");
  std::string required, has;
  if (!RE2::PartialMatch(re2::StringPiece(output.data(), output.size()), *kRequired, &required,
                         &has)) {
    return "";
  }
  const std::set<std::string> there = Words(has);
  std::vector<std::string> lacking;
  for (const std::string& feature : Words(required)) {
    if (there.count(feature) == 0) lacking.push_back(feature);
  }
  return absl::StrJoin(lacking, " ");
}

Status ExplainLogin(std::string_view output, const Machine& machine) {
  const std::string place = Cat(machine.user, "@", machine.host);
  if (Says(output, "Host key verification failed") || Says(output, "IDENTIFICATION HAS CHANGED")) {
    return PermissionDenied(
        Cat("the machine at ", machine.host, " proves another host key than the pinned one"));
  }
  if (Says(output, "Permission denied (")) {
    const bool unread = Says(output, "not accessible") || Says(output, "Load key");
    return Unauthenticated(
        unread
            ? Cat("the key ", machine.ssh_key, " cannot be read by whoever runs Nix here: ",
                  LineWith(output, Says(output, "not accessible") ? "not accessible" : "Load key"))
            : Cat(place, " refuses the key ", machine.ssh_key,
                  ": its public half has to be among authorized_keys"));
  }
  const std::string trouble = SshTrouble(output);
  if (!trouble.empty()) return Unavailable(Cat("nobody answers: ", trouble));
  if (Says(output, "nix-daemon: command not found") ||
      (Says(output, "nix-daemon") && Says(output, "No such file or directory"))) {
    return FailedPrecondition(
        Cat("no nix-daemon on the PATH of a login without a terminal as ", place));
  }
  return {};
}

Status ExplainTrust(std::string_view output, const Machine& machine) {
  if (Says(output, "you are not privileged") || Says(output, "lacks a valid signature") ||
      Says(output, "lacks a signature by a trusted key")) {
    return FailedPrecondition(
        Cat(machine.user, " is not among trusted-users in the nix.conf of the builder"));
  }
  if (Says(output, "restricted setting") || Says(output, "you are not a trusted user")) {
    return FailedPrecondition(
        "whoever runs musterd is not among trusted-users in the nix.conf of this machine, so its "
        "Nix ignores --builders");
  }
  if (Says(output, "cannot connect to daemon") || Says(output, "cannot connect to socket")) {
    return Unavailable(Cat("Nix here cannot be used: ", LineWith(output, "cannot connect to")));
  }
  return {};
}

// What Nix says of a build that nobody did, or that failed over there.
Status ExplainBuild(std::string_view output, int exit_code, const Machine& machine) {
  const std::string lacking = Lacking(output);
  const bool given = Says(output, Cat("' on '", machine.store));
  if (!lacking.empty() && given) {
    return FailedPrecondition(Cat("system-features in the nix.conf of the builder lack ", lacking,
                                  ", which its line promises"));
  }
  const std::string cannot = LineWith(output, "cannot build on");
  if (!cannot.empty()) return Unavailable(Cat("Nix could not use the builder: ", cannot));
  if (!lacking.empty()) {
    return FailedPrecondition(
        Cat("Nix gave the build to nobody: no line promises ", lacking, " for this system"));
  }
  const std::string_view what = given ? "the build failed on the builder" : "Nix failed here";
  static const RE2* const kCause = new RE2(R"(failed: error: ([^\n]+))");
  std::string text;
  if (RE2::PartialMatch(re2::StringPiece(output.data(), output.size()), *kCause, &text)) {
    return Aborted(Cat(what, ": ", Ellipsize(ToValidUtf8(text), kShown)));
  }
  for (const auto& line : absl::StrSplit(ToAbsl(output), '\n', absl::SkipWhitespace())) {
    text += Cat(text.empty() ? "" : " | ", Trim(ToStd(line)));
  }
  if (text.size() > kShown) text = Cat("... ", text.substr(text.size() - kShown));
  return Aborted(Cat(what, " (exit ", exit_code, "): ", ToValidUtf8(text)));
}

// "/nix/store/HASH-muster-probe-NONCE" on a line of its own; "" when it is not there.
std::string OutputPath(std::string_view output, std::string_view nonce) {
  const std::string end = Cat("-muster-probe-", nonce);
  for (const auto& piece : absl::StrSplit(ToAbsl(output), '\n')) {
    const std::string_view line = Trim(ToStd(piece));
    if (line.starts_with("/") && line.ends_with(end)) return std::string(line);
  }
  return "";
}

// What both steps share: where Nix is, how ssh is to behave, and how long there is.
class Steps {
 public:
  Steps(const ProbePorts& ports, const Machine& machine, std::string line, absl::Duration budget)
      : ports_(ports),
        machine_(machine),
        line_(std::move(line)),
        began_(ports.rt.Steady()),
        budget_(budget) {}

  // Never asked for anything on a terminal, never left waiting for a machine that is not there.
  ProgramCall Call(std::string_view program) const {
    ProgramCall call;
    call.argv = {Cat(ports_.nix.folder, "/", program)};
    call.environment = ports_.nix.environment;
    call.environment.push_back(Cat("PATH=", ports_.nix.folder, ":/usr/local/bin:/usr/bin:/bin"));
    call.environment.push_back(Cat("NIX_SSHOPTS=-o BatchMode=yes -o IdentitiesOnly=yes ",
                                   "-o ConnectTimeout=", kConnectS, " -p ", machine_.port));
    call.output_bytes_max = kOutputBytesMax;
    return call;
  }

  Task<StatusOr<std::string>> Run(ProgramCall call, absl::Duration at_most) {
    call.patience = std::min(at_most, budget_ - Took());
    if (call.patience <= absl::ZeroDuration()) co_return TooLong();
    const StatusOr<ProgramResult> ran = co_await ports_.programs.Run(std::move(call));
    if (!ran.ok() && ran.status().code() == StatusCode::kDeadlineExceeded) co_return TooLong();
    if (!ran.ok()) {
      co_return Unavailable(Cat("Nix cannot be run on this machine: ", Message(ran.status())));
    }
    if (ran->exit_code != 0) co_return ExplainFailure(ran->output, ran->exit_code, line_);
    co_return ran->output;
  }

  absl::Duration Took() const { return ports_.rt.Steady() - began_; }

 private:
  Status TooLong() const {
    return DeadlineExceeded(Cat("no answer of ", machine_.host, " within ",
                                absl::FormatDuration(absl::Trunc(Took(), absl::Seconds(1)))));
  }

  const ProbePorts& ports_;
  const Machine& machine_;
  const std::string line_;
  const absl::Time began_;
  const absl::Duration budget_;
};

ProgramCall PingCall(const Steps& steps, const Machine& machine) {
  ProgramCall call = steps.Call("nix");
  const std::string store =
      Cat(machine.store, machine.store.find('?') == std::string::npos ? "?" : "&",
          "ssh-key=", machine.ssh_key,
          "&base64-ssh-public-host-key=", absl::Base64Escape(machine.host_key));
  for (const char* word :
       {"--extra-experimental-features", "nix-command", "store", "ping", "--store"}) {
    call.argv.emplace_back(word);
  }
  call.argv.push_back(store);
  return call;
}

ProgramCall BuildCall(const Steps& steps, const NixHere& nix, std::string_view line,
                      const std::string& expression) {
  ProgramCall call = steps.Call("nix-build");
  if (!nix.store.empty()) call.argv.insert(call.argv.end(), {"--store", nix.store});
  call.argv.insert(call.argv.end(), {"--expr", expression, "--no-out-link", "--builders",
                                     std::string(WithoutComment(line))});
  return call;
}

Status CheckBuilt(std::string_view said, const Machine& machine, std::string_view nonce,
                  ProbeResult& result) {
  static const RE2* const kOn = new RE2(R"(building '([^']*-muster-probe-[^']*)' on '([^']*)')");
  if (!RE2::PartialMatch(re2::StringPiece(said.data(), said.size()), *kOn, &result.derivation,
                         &result.built_on)) {
    return FailedPrecondition(
        "it was built on this machine: its own system-features hold what the probe required");
  }
  if (result.built_on != machine.store) {
    return FailedPrecondition(
        Cat("it was built on ", result.built_on, " and not on ", machine.store));
  }
  result.output = OutputPath(said, nonce);
  if (result.output.empty()) return DataLoss("Nix did not say where the output is");
  return {};
}

}  // namespace

std::string ProbeName(std::string_view nonce) { return Cat("muster-probe-", nonce); }

std::string ProbeExpression(std::string_view system, std::string_view nonce,
                            const std::vector<std::string>& features) {
  std::string list;
  for (const std::string& feature : features) list += Cat("\"", feature, "\" ");
  return Cat("derivation { name = \"", ProbeName(nonce), "\"; system = \"", system,
             "\"; builder = \"/bin/sh\"; args = [ \"-c\" ",
             "\"read h < /proc/sys/kernel/hostname; echo ", nonce, " $h > $out\" ]; ",
             "requiredSystemFeatures = [ ", list, "]; }");
}

Status ExplainFailure(std::string_view output, int exit_code, std::string_view line) {
  const StatusOr<Machine> machine = ParseMachineLine(line);
  if (!machine.ok()) return machine.status();
  Status why = ExplainLogin(output, *machine);
  if (why.ok()) why = ExplainTrust(output, *machine);
  return why.ok() ? ExplainBuild(output, exit_code, *machine) : why;
}

Task<StatusOr<ProbeResult>> ProbeBuilder(const ProbePorts& ports, std::string line,
                                         std::string nonce, absl::Duration budget) {
  static const RE2* const kNonce = new RE2("[a-z0-9]{8,64}");
  if (!RE2::FullMatch(nonce, *kNonce)) co_return InvalidArgument(Cat("no nonce: ", nonce));
  CO_ASSIGN_OR_RETURN(const Machine machine, ParseMachineLine(line));
  ProbeResult result;
  CO_ASSIGN_OR_RETURN(result.required, ProvingFeatures(machine));
  Steps steps(ports, machine, line, budget);

  ProgramCall ping = PingCall(steps, machine);
  const StatusOr<std::string> pinged = co_await steps.Run(std::move(ping), kPingMax);
  if (!pinged.ok()) co_return pinged.status();
  static const RE2* const kVersion = new RE2(R"((?m)^Version: (\S+))");
  RE2::PartialMatch(*pinged, *kVersion, &result.version);

  ProgramCall build = BuildCall(steps, ports.nix, line,
                                ProbeExpression(machine.systems[0], nonce, result.required));
  const StatusOr<std::string> built = co_await steps.Run(std::move(build), budget);
  if (!built.ok()) co_return built.status();
  CO_RETURN_IF_ERROR(CheckBuilt(*built, machine, nonce, result));
  const StatusOr<std::string> text = ports.files.Read(Cat(ports.nix.store, result.output));
  if (!text.ok()) co_return DataLoss(Cat("the output: ", Message(text.status())));
  if (!text->starts_with(Cat(nonce, " ")) && Trim(*text) != nonce) {
    co_return DataLoss(
        Cat("the output says '", Ellipsize(ToValidUtf8(Trim(*text)), 80), "' and not ", nonce));
  }
  result.host = ToValidUtf8(Trim(std::string_view(*text).substr(nonce.size())));
  result.took = steps.Took();
  co_return result;
}

}  // namespace muster::nix
