#include "workers/servers/remote/run_commands.h"

#include <memory>
#include <utility>

#include "eventstore/base/strings.h"

namespace muster::remote {
namespace {

// The end of what a command had to say: where its reason stands.
std::string Tail(std::string_view text, std::size_t bytes_max = 600) {
  text = Trim(text);
  if (text.size() <= bytes_max) return std::string(text);
  text.remove_prefix(text.size() - bytes_max);
  return ToValidUtf8(Cat("...", text));
}

struct OnePiece {
  std::string text;
  static Task<StatusOr<std::string>> Next(std::shared_ptr<OnePiece> source) {
    co_return std::exchange(source->text, "");
  }
};
RemoteInput FromText(std::string text) {
  const auto bytes = static_cast<std::int64_t>(text.size());
  auto source = std::make_shared<OnePiece>(OnePiece{std::move(text)});
  return {[source] { return OnePiece::Next(source); }, bytes};
}

StatusOr<RemoteInput> InputOf(const RemoteCommand& command, const RemotePorts& ports) {
  if (!command.input_file.empty()) return ports.open(command.input_file);
  if (command.input_secret.empty()) return FromText(command.input);
  StatusOr<std::string> secret = ports.secret(command.input_secret);
  if (!secret.ok()) return secret.status();
  return FromText(*std::move(secret));
}

Status Ended(const RemoteCommand& command, const RemoteOutcome& outcome,
             const std::string& signal) {
  const std::string said = Tail(outcome.err.empty() ? outcome.out : outcome.err);
  const std::string why = said.empty() ? "" : Cat(": ", said);
  if (!signal.empty()) return Aborted(Cat(command.name, ": ended by SIG", signal, why));
  if (outcome.exit_status == 0 || outcome.exit_status == kExitDone) return {};
  if (outcome.exit_status == kExitRefused) {
    return FailedPrecondition(Cat(command.name, ": ", said));
  }
  if (command.may_fail) return {};
  return Aborted(Cat(command.name, ": failed with status ", outcome.exit_status, why));
}

Task<StatusOr<RemoteOutcome>> RunOne(SshSession& session, const RemoteCommand& command,
                                     RemoteInput input, const RemotePorts& ports,
                                     std::function<void(std::int64_t)> taken) {
  const absl::Time start = ports.rt.Steady();
  SshCommand call{.command = command.shell,
                  .deadline = ports.rt.Now() + command.timeout,
                  .silence_max = command.silence_max,
                  .input = std::move(input.next),
                  .progress = std::move(taken)};
  StatusOr<SshResult> result = co_await session.Run(std::move(call));
  if (!result.ok()) {
    const Status masked = MakeStatus(result.status().code(), ports.mask(Message(result.status())));
    co_return Annotate(masked, command.name);
  }
  RemoteOutcome outcome{.name = command.name,
                        .exit_status = result->exit_status,
                        .out = ports.mask(ToValidUtf8(result->out)),
                        .err = ports.mask(ToValidUtf8(result->err)),
                        .took = ports.rt.Steady() - start};
  const Status ended = Ended(command, outcome, result->exit_signal);
  if (!ended.ok()) co_return ended;
  co_return outcome;
}

}  // namespace

Task<StatusOr<std::vector<RemoteOutcome>>> RunCommands(
    SshSession& session, std::vector<RemoteCommand> commands, const RemotePorts& ports,
    std::function<void(const RemoteProgress&)> progress) {
  std::vector<RemoteOutcome> outcomes;
  RemoteProgress at{.count = commands.size()};
  const auto tell = [&progress, &at](RemoteProgress::State state) {
    at.state = state;
    if (progress) progress(at);
  };
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const RemoteCommand& command = commands[i];
    at.index = i;
    at.name = command.name;
    StatusOr<RemoteInput> input = InputOf(command, ports);
    if (!input.ok()) co_return Annotate(input.status(), command.name);
    at.bytes_taken = 0;
    at.bytes_total = input->bytes;
    at.took = {};
    tell(RemoteProgress::State::kStarted);
    const auto taken = [&at, &tell](std::int64_t bytes) {
      at.bytes_taken = bytes;
      tell(RemoteProgress::State::kMoved);
    };
    StatusOr<RemoteOutcome> outcome =
        co_await RunOne(session, command, *std::move(input), ports, taken);
    if (!outcome.ok()) co_return outcome.status();
    at.took = outcome->took;
    tell(RemoteProgress::State::kDone);
    const bool all_done = outcome->exit_status == kExitDone;
    outcomes.push_back(*std::move(outcome));
    if (all_done) break;
  }
  co_return outcomes;
}

}  // namespace muster::remote
