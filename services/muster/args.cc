#include "services/muster/args.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace muster::cli {
namespace {

const Flag* FindLong(const VerbSpec& verb, const std::vector<Flag>& global,
                     const std::string& name) {
  for (const auto* list : {&verb.flags, &global}) {
    for (const Flag& flag : *list) {
      if (flag.name == name) return &flag;
    }
  }
  return nullptr;
}

const Flag* FindLetter(const VerbSpec& verb, const std::vector<Flag>& global, char letter) {
  for (const auto* list : {&verb.flags, &global}) {
    for (const Flag& flag : *list) {
      if (flag.letter == letter) return &flag;
    }
  }
  return nullptr;
}

std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = up;
    }
  }
  return row[b.size()];
}

Status UnknownFlag(const VerbSpec& verb, const std::vector<Flag>& global, const std::string& name) {
  std::vector<std::string> names;
  for (const auto* list : {&verb.flags, &global}) {
    for (const Flag& flag : *list) names.push_back(flag.name);
  }
  const std::string near = Nearest(name, names);
  return InvalidArgument(Cat("unknown flag --", name, " for 'muster ", verb.name, "'",
                             near.empty() ? "" : Cat("; did you mean --", near, "?")));
}

std::string FlagLine(const Flag& flag) {
  std::string left = flag.letter != 0 ? absl::StrFormat("  -%c, ", flag.letter) : "      ";
  left += Cat("--", flag.name);
  if (!flag.value.empty()) left += Cat(" ", flag.value);
  return absl::StrFormat("%-34s %s\n", left, flag.help);
}

}  // namespace

std::string Args::Get(const std::string& flag, const std::string& otherwise) const {
  const auto it = flags_.find(flag);
  return it == flags_.end() ? otherwise : it->second;
}

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = Distance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

StatusOr<Args> ParseArgs(const VerbSpec& verb, const std::vector<Flag>& global,
                         const std::vector<std::string>& words) {
  Args args;
  bool only_positional = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (only_positional || word.size() < 2 || word[0] != '-') {
      args.positional_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_positional = true;
      continue;
    }
    const Flag* flag = nullptr;
    std::optional<std::string> value;
    if (word[1] == '-') {
      const std::size_t equals = word.find('=');
      const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
      if (equals != std::string::npos) value = word.substr(equals + 1);
      flag = FindLong(verb, global, name);
      if (flag == nullptr) return UnknownFlag(verb, global, name);
    } else {
      flag = FindLetter(verb, global, word[1]);
      if (flag == nullptr) {
        return InvalidArgument(Cat("unknown flag ", word, " for 'muster ", verb.name, "'"));
      }
      if (word.size() > 2) value = word.substr(word[2] == '=' ? 3 : 2);
    }
    if (flag->value.empty()) {
      if (value.has_value()) return InvalidArgument(Cat("--", flag->name, " takes no value"));
      args.flags_[flag->name] = "";
      continue;
    }
    if (!value.has_value()) {
      if (i + 1 >= words.size()) {
        return InvalidArgument(Cat("--", flag->name, " needs a value: ", flag->value));
      }
      value = words[++i];
    }
    args.flags_[flag->name] = *value;
  }
  const int count = static_cast<int>(args.positional_.size());
  if (args.Has("help")) return args;
  if (count < verb.arguments_min || count > verb.arguments_max) {
    return InvalidArgument(Cat("'muster ", verb.name, "' is used as: muster ", verb.name, " ",
                               verb.arguments, "; got ", count, " argument(s)"));
  }
  return args;
}

StatusOr<std::size_t> FindVerb(const std::vector<VerbSpec>& verbs, std::string_view word) {
  std::vector<std::string> names;
  std::vector<std::size_t> matches;
  for (std::size_t i = 0; i < verbs.size(); ++i) {
    names.push_back(verbs[i].name);
    if (verbs[i].name == word) return i;
    if (verbs[i].name.compare(0, word.size(), word) == 0) matches.push_back(i);
  }
  if (matches.size() == 1) return matches[0];
  if (matches.empty()) {
    const std::string near = Nearest(word, names);
    return NotFound(Cat("no verb \"", word, "\"",
                        near.empty() ? "; see 'muster help'" : Cat("; did you mean ", near, "?")));
  }
  std::vector<std::string> several;
  several.reserve(matches.size());
  for (const std::size_t i : matches) several.push_back(verbs[i].name);
  return InvalidArgument(
      Cat("\"", word, "\" is short for several: ", absl::StrJoin(several, ", ")));
}

std::string UsageOf(const VerbSpec& verb, const std::vector<Flag>& global) {
  std::string text = Cat("muster ", verb.name, verb.arguments.empty() ? "" : " ", verb.arguments,
                         "\n\n", verb.help, "\n");
  if (!verb.more.empty()) text += Cat("\n", verb.more);
  if (!verb.flags.empty()) {
    text += "\nFlags:\n";
    for (const Flag& flag : verb.flags) text += FlagLine(flag);
  }
  text += "\nEverywhere:\n";
  for (const Flag& flag : global) text += FlagLine(flag);
  return text;
}

std::string CompletionScript(std::string_view shell, const std::vector<VerbSpec>& verbs,
                             const std::vector<Flag>& global) {
  std::vector<std::string> names;
  names.reserve(verbs.size());
  for (const VerbSpec& verb : verbs) names.push_back(verb.name);
  const std::string all = absl::StrJoin(names, " ");
  const auto flags_of = [&](const VerbSpec& verb) {
    std::vector<std::string> flags;
    for (const auto* list : {&verb.flags, &global}) {
      for (const Flag& flag : *list) flags.push_back("--" + flag.name);
    }
    return absl::StrJoin(flags, " ");
  };
  std::string text;
  if (shell == "fish") {
    for (const VerbSpec& verb : verbs) {
      text += absl::StrFormat("complete -c muster -f -n __fish_use_subcommand -a %s -d '%s'\n",
                              verb.name, verb.help.substr(0, verb.help.find('\n')));
      for (const Flag& flag : verb.flags) {
        text += absl::StrFormat(
            "complete -c muster -f -n '__fish_seen_subcommand_from %s' -l %s%s -d '%s'\n",
            verb.name, flag.name, flag.value.empty() ? "" : " -r", flag.help);
      }
    }
    return text;
  }
  const std::string function = shell == "zsh" ? "_muster" : "_muster_complete";
  if (shell == "zsh") text += "#compdef muster\nautoload -U +X bashcompinit && bashcompinit\n";
  text += Cat(function, "() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" words\n",
              "  if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"", all, "\"; else\n",
              "    case \"${COMP_WORDS[1]}\" in\n");
  for (const VerbSpec& verb : verbs) {
    text += Cat("      ", verb.name, ") words=\"", flags_of(verb), "\" ;;\n");
  }
  text += Cat("    esac\n  fi\n  COMPREPLY=( $(compgen -W \"$words\" -- \"$cur\") )\n}\n",
              "complete -o default -F ", function, " muster\n");
  return text;
}

}  // namespace muster::cli
