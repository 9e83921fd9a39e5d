#include "tests/stage/told.h"

#include <cstdlib>
#include <fstream>
#include <map>

#include "queries/read_models.h"
#include "re2/re2.h"
#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

// Puts `word` and a number, by order of appearance, in place of what `pattern` finds.
class Renamed {
 public:
  std::string operator()(const std::string& text, const RE2& pattern, const std::string& word) {
    std::string out;
    re2::StringPiece rest(text);
    std::string before, name;
    while (RE2::Consume(&rest, pattern, &before, &name)) {
      const auto [it, fresh] = names_.try_emplace(Cat(word, "/", name), counts_[word] + 1);
      if (fresh) ++counts_[word];
      out += Cat(before, word, it->second);
    }
    return out + std::string(rest.data(), rest.size());
  }

 private:
  std::map<std::string, int> names_;
  std::map<std::string, int> counts_;
};

// What stands in chains of dedicated servers alone.
std::string SteadyServer(std::string out) {
  static const RE2 id("((?s:.*?)server/)([a-z2-7]{9})\\b");
  static const RE2 number("((?s:.*?)(?:server |builder@))(\\d[\\d.]+)");
  static const RE2 order("((?s:.*?)order )(B\\S+)");
  static const RE2 build("((?s:.*?)(?:build[ /]|muster-probe-))([a-z2-7]{12})\\b");
  Renamed renamed;
  out = renamed(out, id, "S");
  out = renamed(out, number, "N");
  out = renamed(out, order, "B");
  out = renamed(out, build, "K");
  RE2::GlobalReplace(&out, "\\(plan [^)]+\\)", "(plan)");
  RE2::GlobalReplace(&out, "\\d+\\.\\d+ EUR", "N EUR");
  RE2::GlobalReplace(&out, "127\\.\\d+\\.\\d+\\.\\d+", "ADDRESS");
  return out;
}

std::string Steady(const std::string& text) {
  static const RE2 worker("((?s:.*?))((?:worker/|worker |\\.)[a-z2-7]{9})\\b");
  static const RE2 offer("((?s:.*?)offer )(\\d+)");
  static const RE2 instance("((?s:.*?)instance )(\\d+)");
  static const RE2 machine("((?s:.*?)host/vast/)(\\d+)");
  static const RE2 cause("((?s:.*?)\\(cause )(\\d+)");
  Renamed renamed;
  std::string out = renamed(text, offer, "O");
  out = renamed(out, instance, "I");
  out = renamed(out, machine, "M");
  out = renamed(out, cause, "P");
  // A worker goes by several forms of one name.
  static const RE2 form("(worker/|worker |\\.)([a-z2-7]{4}[a-z2-7]{5})\\b");
  RE2::GlobalReplace(&out, form, "\\1<\\2>");
  static const RE2 name("((?s:.*?)<)([a-z2-7]{9})");
  out = renamed(out, name, "W");
  RE2::GlobalReplace(&out, "<(W\\d+)>", "\\1");
  // Amounts and spans depend on the moment of a poll; what they are compared to does not.
  RE2::GlobalReplace(&out, "\\$-?[0-9.]+\\b", "$N");
  RE2::GlobalReplace(&out, "-\\$N", "$N");
  RE2::GlobalReplace(&out, "\\b[0-9hm]+\\d\\ds >= ", "SPAN >= ");
  RE2::GlobalReplace(&out, "\\d+ polls agree", "N polls agree");
  RE2::GlobalReplace(&out, "paid back in [0-9hms]+", "paid back in SPAN");
  RE2::GlobalReplace(&out, "batch (still )?\\d+", "batch \\1N");
  RE2::GlobalReplace(&out, "(total|step) \\d+", "\\1 N");
  RE2::GlobalReplace(&out, "until \\d{4}-\\d\\d-\\d\\dT[0-9:]{8}Z", "until THEN");
  RE2::GlobalReplace(&out, "\\b\\d\\d:\\d\\d:\\d\\d\\b", "HH:MM:SS");
  return SteadyServer(out);
}

// Section -> text, as the golden file has it.
std::map<std::string, std::string> Read(const std::string& path) {
  std::map<std::string, std::string> sections;
  std::ifstream file(path);
  std::string line, name;
  while (std::getline(file, line)) {
    if (line.starts_with("== ")) {
      name = line.substr(3);
    } else if (!name.empty()) {
      sections[name] += line + "\n";
    }
  }
  return sections;
}

}  // namespace

std::string ToldSteadily(const EventStore& store, const std::string& subject) {
  queries::ReadModels models(store);
  Status folded;
  EXPECT_THAT(store.ReadAll(0, store.Head(),
                            [&](const RecordedEvent& event) {
                              folded = models.Apply(event);
                              return folded.ok();
                            }),
              IsOk());
  EXPECT_THAT(folded, IsOk());
  const auto explanation = models.Explain(subject);
  EXPECT_THAT(explanation, IsOk()) << subject;
  if (!explanation.ok()) return "";
  std::string text = Cat("explain ", explanation->title, "\n");
  std::map<Position, int> numbers;
  for (const queries::ExplainLine& line : explanation->lines) {
    numbers.try_emplace(line.position, static_cast<int>(numbers.size()) + 1);
    text += Cat("  ", numbers[line.position], ". ", line.text);
    if (!line.detail.empty()) text += Cat("  ", line.detail);
    std::string from;
    for (const Position position : line.evidence) {
      const auto shown = numbers.find(position);
      from += Cat(from.empty() ? "" : ",",
                  shown == numbers.end() ? Cat("elsewhere") : Cat(shown->second));
    }
    if (!from.empty()) text += Cat("  <- ", from);
    text += "\n";
  }
  return Steady(text);
}

void ExpectGolden(const std::string& file, const std::string& name, const std::string& text) {
  const std::string path = Cat(SourceDir(), "/tests/golden/", file);
  if (std::getenv("MUSTER_UPDATE_GOLDEN") != nullptr) {
    auto sections = Read(path);
    sections[name] = text;
    std::ofstream golden(path);
    for (const auto& [section, told] : sections) golden << "== " << section << "\n" << told;
    GTEST_SKIP() << "written anew";
  }
  EXPECT_EQ(text, Read(path)[name]);
}

}  // namespace muster
