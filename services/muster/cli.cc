#include "services/muster/cli.h"

#include "absl/strings/str_format.h"
#include "eventstore/base/strings.h"
#include "services/muster/args.h"
#include "services/muster/session.h"

namespace muster::cli {
namespace {

const std::vector<Flag>& GlobalFlags() {
  static const auto* flags = new std::vector<Flag>{
      {"address", 0, "ADDRESS", "unix:///PATH or HOST:PORT; else MUSTER_ADDRESS"},
      {"output", 'o', "FORMAT", "table, wide, json, yaml or name"},
      {"timeout", 0, "SPAN", "of one call or of --wait; 30s"},
      {"no-color", 0, "", "no colours; NO_COLOR does the same"},
      {"tls-ca", 0, "FILE", "who vouches for the daemon's certificate"},
      {"tls-cert", 0, "FILE", "our certificate"},
      {"tls-key", 0, "FILE", "its key"},
      {"help", 'h', "", "how this verb is used"},
  };
  return *flags;
}

int Version(Session& s) {
  s.env.out << "muster " << MUSTER_VERSION << "\n";
  return kOk;
}

int Completion(Session& s);

const std::vector<Verb>& AllVerbs() {
  static const auto* verbs = [] {
    auto* all = new std::vector<Verb>;
    for (const auto& group : {SetupVerbs(), FleetVerbs(), LookVerbs(), WorkerVerbs(), MoneyVerbs(),
                              HistoryVerbs(), ReplayVerbs(), ShadowVerbs(), AuditVerbs(),
                              ProveVerbs(), NotifyVerbs(), ServerVerbs(), StudyVerbs()}) {
      all->insert(all->end(), group.begin(), group.end());
    }
    all->push_back(
        {{"completion", "bash|zsh|fish", 1, 1, "Prints a completion script for the shell.", {}},
         Completion,
         Manner::kLocal});
    all->push_back({{"version", "", 0, 0, "Prints the version.", {}}, Version, Manner::kLocal});
    return all;
  }();
  return *verbs;
}

std::vector<VerbSpec> AllSpecs() {
  std::vector<VerbSpec> specs;
  for (const Verb& verb : AllVerbs()) specs.push_back(verb.spec);
  return specs;
}

int Completion(Session& s) {
  const std::string& shell = s.args.positional()[0];
  if (shell != "bash" && shell != "zsh" && shell != "fish") {
    return s.Fail(kUsage, Cat("\"", shell, "\": expected bash, zsh or fish"));
  }
  s.env.out << CompletionScript(shell, AllSpecs(), GlobalFlags());
  return kOk;
}

void Help(std::ostream& out) {
  out << "muster: keeps fleets of rented machines at their size, healthy and within budget\n\n"
         "usage: muster VERB [ARGUMENT...] [--flag...]\n\n";
  for (const Verb& verb : AllVerbs()) {
    const std::string& help = verb.spec.help;  // its first line stands for itself
    out << absl::StrFormat("  %-12s %s\n", verb.spec.name, help.substr(0, help.find('\n')));
  }
  out << "\n'muster help VERB' or 'muster VERB --help' tells more.\n"
         "What reads the log takes --at TIME|POSITION; spans are named by --from, --since, "
         "--until\n"
         "or --around.\n"
         "Exit codes: 0 ok, 1 failed, 2 changes pending (--detailed-exitcode), 3 refused by a\n"
         "guard, 4 not authorised, 5 not found or ambiguous, 6 timed out, 7 partly done,\n"
         "64 usage, 130 interrupted.\n";
}

bool KnownOutput(const std::string& form) {
  for (const char* known : {"table", "wide", "json", "yaml", "name"}) {
    if (form == known) return true;
  }
  return false;
}

}  // namespace

int RunCli(const std::vector<std::string>& words, CliEnv& env) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" ||
      (words[0] == "help" && words.size() == 1)) {
    Help(env.out);
    return words.empty() ? kUsage : kOk;
  }
  if (words[0] == "--version") {
    env.out << "muster " << MUSTER_VERSION << "\n";
    return kOk;
  }
  // Flags may stand before the verb: muster --address X status.
  std::vector<std::string> rest = words;
  std::vector<std::string> before;
  while (!rest.empty() && rest[0].size() > 1 && rest[0][0] == '-') {
    const bool takes_value = rest[0].find('=') == std::string::npos &&
                             (rest[0] == "--address" || rest[0] == "-o" || rest[0] == "--output" ||
                              rest[0] == "--timeout" || rest[0] == "--tls-ca" ||
                              rest[0] == "--tls-cert" || rest[0] == "--tls-key");
    before.push_back(rest[0]);
    rest.erase(rest.begin());
    if (takes_value && !rest.empty()) {
      before.push_back(rest[0]);
      rest.erase(rest.begin());
    }
  }
  if (rest.empty()) {
    env.err << "muster: no verb given; see 'muster help'\n";
    return kUsage;
  }
  const bool help = rest[0] == "help" && rest.size() > 1;
  const std::string word = help ? rest[1] : rest[0];
  const auto found = FindVerb(AllSpecs(), word);
  if (!found.ok()) {
    env.err << "muster: " << Message(found.status()) << "\n";
    return kUsage;
  }
  const Verb& verb = AllVerbs()[*found];
  if (help) {
    env.out << UsageOf(verb.spec, GlobalFlags());
    return kOk;
  }
  std::vector<std::string> arguments = before;
  arguments.insert(arguments.end(), rest.begin() + 1, rest.end());
  auto args = ParseArgs(verb.spec, GlobalFlags(), arguments);
  if (!args.ok()) {
    env.err << "muster: " << Message(args.status()) << "\n";
    return kUsage;
  }
  if (args->Has("help")) {
    env.out << UsageOf(verb.spec, GlobalFlags());
    return kOk;
  }
  if (verb.manner == Manner::kStudy) {
    const std::string form = args->Get("output", "text");
    if (form != "text" && form != "json") {
      env.err << "muster: -o " << form << ": 'muster " << verb.spec.name
              << "' shows text or json\n";
      return kUsage;
    }
  } else if (const std::string form = args->Get("output", "table"); !KnownOutput(form)) {
    env.err << "muster: -o " << form << ": expected table, wide, json, yaml or name\n";
    return kUsage;
  }
  if (verb.manner == Manner::kNameless && args->Get("output") == "name") {
    env.err << "muster: -o name: what 'muster " << verb.spec.name
            << "' shows has no names; expected table, wide, json or yaml\n";
    return kUsage;
  }
  Session session(env, *std::move(args));
  const bool alone = verb.manner == Manner::kLocal || verb.manner == Manner::kStudy;
  const Status flags = alone ? absl::OkStatus() : session.CheckFlags();
  if (flags.ok()) return verb.run(session);
  return session.Fail(flags.code() == StatusCode::kNotFound ? kFailed : kUsage, Message(flags));
}

}  // namespace muster::cli
