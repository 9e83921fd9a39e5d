#include "workers/servers/remote/shell.h"

#include <cstdio>

#include "eventstore/base/check.h"
#include "eventstore/base/strings.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"
#include "workers/servers/remote/prelude.h"

namespace muster::remote {
namespace {

const char* const kHostile[] = {
    "",         "plain",     "two words", "it's",    "''",        "'",  "\\",      "$(reboot)",
    "`reboot`", "${HOME}",   "a;b",       "a\nb",    "*",         "~",  "-rf",     "\"",
    "!!",       "# not",     "a'\\''b",   "\\'",     "&& reboot", "\t", "a|b>c<d", "\xff\xfe bytes",
    "{a,b}",    "über name", "[_*]",      "trail\\",
};

std::string Output(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  MUSTER_CHECK(pipe != nullptr);
  std::string out;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) out += static_cast<char>(c);
  MUSTER_CHECK(pclose(pipe) == 0);
  return out;
}

TEST(Shell, AQuotedValueIsOneWordOfARealShellWhateverIsInIt) {
  for (const std::string value : kHostile) {
    EXPECT_EQ(Output(Cat("printf '<%s>' x ", Quoted(value), " y")), Cat("<x><", value, "><y>"));
  }
}

TEST(Shell, WordsReadsBackWhatQuotedWrote) {
  for (const std::string value : kHostile) {
    EXPECT_THAT(Words(Cat("a ", Quoted(value), " b")).value_or(std::vector<std::string>()),
                testing::ElementsAre("a", value, "b"));
  }
  EXPECT_EQ(Words("a 'b"), std::nullopt);
  EXPECT_EQ(Words("$(reboot)"), std::nullopt);
}

TEST(Shell, TheFunctionsOfAllCommandsAreSoundForAPosixShell) {
  EXPECT_EQ(Output(Cat("dash -n -c ", Quoted(Prelude()), " 2>&1; true")), "");
  EXPECT_EQ(Output(Cat("bash -n -c ", Quoted(Prelude()), " 2>&1; true")), "");
}

TEST(Shell, TheMarkerLineIsPassedOverWhateverItsWords) {
  const RemoteCommand command =
      Script("prepare", "step", {"it's; exit 3", "$(exit 4)"}, "echo went on\n", false);
  EXPECT_EQ(Output(command.shell), "went on\n");
}

}  // namespace
}  // namespace muster::remote
