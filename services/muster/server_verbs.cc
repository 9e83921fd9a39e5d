// server: dedicated servers, from the offer to the last day.
#include "services/muster/server_verbs.h"

#include "absl/strings/str_join.h"

namespace muster::cli {
namespace {

std::vector<ServerWord> AllWords() {
  std::vector<ServerWord> words = ServerFinds();
  for (ServerWord& each : ServerLooks()) words.push_back(std::move(each));
  for (ServerWord& each : ServerChanges()) words.push_back(std::move(each));
  return words;
}

int Server(Session& s) {
  const auto& given = s.args.positional();
  const std::vector<ServerWord> words = AllWords();
  std::vector<std::string> names;
  for (const ServerWord& each : words) names.push_back(each.word);
  for (const ServerWord& each : words) {
    if (each.word != given[0]) continue;
    const std::string name = given.size() < 2 ? "" : WithoutKind(given[1], "server");
    if (given.size() > 2 && each.word != "ssh") {
      return s.Fail(kUsage, Cat("muster server ", each.word, " takes no more than a name"));
    }
    if (each.named && name.empty() && !s.args.Has("file")) {
      return s.Fail(kUsage, Cat("muster server ", each.word, " NAME"));
    }
    return each.run(s, name);
  }
  const std::string near = Nearest(given[0], names);
  return s.Fail(kUsage, Cat("server \"", given[0], "\": expected ", absl::StrJoin(names, ", "),
                            near.empty() ? "" : Cat("; did you mean ", near, "?")));
}

std::string Help() {
  std::string text;
  for (const ServerWord& each : AllWords()) {
    text += Cat(each.word, std::string(each.word.size() < 10 ? 11 - each.word.size() : 1, ' '),
                each.help, "\n");
  }
  return text;
}

}  // namespace

int FetchServer(Session& s, const std::string& name, api::Server& out) {
  api::GetServerRequest request;
  request.set_server(name);
  return s.Ask(&Queries::GetServer, request, out);
}

std::vector<Verb> ServerVerbs() {
  std::vector<Flag> flags = {
      {"file", 'f', "BUILDER.yaml", "order, up, find: what is wanted"},
      {"confirm", 0, "NAME", "the server's name, typed: for what destroys data or the server"},
      {"plan", 0, "ID", "only if the plan is still this one"},
      {"date", 0, "DAY", "cancel: now (the default) or a day, as in 2026-12-31"},
      {"show", 0, "", "cancel: only shows how it stands"},
      {"reason", 0, "TEXT", "cancel, settle: kept in the log"},
      {"steps", 0, "", "shows every command of a plan, not only what it comes to"},
      {"all", 'a', "", "list: ended ones too"},
      {"interval", 0, "SPAN", "watch: between two looks; 2s"},
      {"for", 0, "STATE", "wait: another state than 'in service'"},
      {"user", 0, "NAME", "ssh: another user than root"},
      {"print", 0, "", "ssh: only prints the command"},
      YesFlag(),
      DryRunFlag(),
      WaitFlag(),
      RequestIdFlag(),
      WatchFlag(),
      AtFlag()};
  for (Flag& each : FindFlags()) flags.push_back(std::move(each));
  return {
      {{"server", "WORD [NAME] [COMMAND...]", 1, 64,
        "Dedicated servers: finds, orders, installs, registers, watches and gives them back.",
        std::move(flags), Help()},
       Server},
  };
}

}  // namespace muster::cli
