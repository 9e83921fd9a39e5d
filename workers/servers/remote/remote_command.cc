#include "workers/servers/remote/remote_command.h"

#include "absl/strings/str_replace.h"
#include "eventstore/base/sha256.h"
#include "eventstore/base/strings.h"
#include "workers/servers/remote/prelude.h"

namespace muster::remote {
namespace {

constexpr std::string_view kIndent = "      ";
constexpr std::string_view kInTheirPlace = "# the functions muster_*, as at the end\n";

std::string Indented(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    out += line.empty() ? "\n" : Cat(kIndent, line, "\n");
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

std::string InputWords(const RemoteCommand& command) {
  if (!command.input_file.empty()) return Cat("    input: the file ", command.input_file, "\n");
  if (!command.input_secret.empty()) {
    return Cat("    input: the secret ", command.input_secret, "\n");
  }
  if (!command.input.empty()) return Cat("    input:\n", Indented(command.input));
  return "";
}

}  // namespace

std::string_view SharedFunctions() { return Prelude(); }

std::string ShownShell(const RemoteCommand& command) {
  std::string shell = command.shell;
  if (const std::size_t at = shell.find(Prelude()); at != std::string::npos) {
    shell.replace(at, Prelude().size(), kInTheirPlace);
  }
  return shell;
}

std::string Describe(const std::vector<RemoteCommand>& commands) {
  std::string text;
  bool named = false;
  int number = 0;
  for (const RemoteCommand& command : commands) {
    const std::string shell = ShownShell(command);
    named = named || shell != command.shell;
    text += Cat(++number, ". ", command.name, "  (at most ", absl::FormatDuration(command.timeout),
                ", silent at most ", absl::FormatDuration(command.silence_max),
                command.may_fail ? ", may fail" : "", ")\n", Indented(shell), InputWords(command));
  }
  if (named) text += Cat("The functions:\n", Indented(Prelude()));
  return text;
}

std::string PlanId(const std::vector<RemoteCommand>& commands) {
  std::string all;
  for (const RemoteCommand& command : commands) {
    for (const std::string& part :
         {command.name, command.shell, command.input, command.input_file, command.input_secret}) {
      all += Cat(part.size(), ":", part);
    }
  }
  return Sha256Hex(all).substr(0, 12);
}

}  // namespace muster::remote
