#include "services/sim/command_line.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::HasSubstr;

TEST(SimCommandLine, ReadsAllFlagsInBothForms) {
  const auto command = ParseSimCommand({"vast", "--listen", "127.0.0.1:4010", "--seed=7", "--speed",
                                        "60", "--set", "machines=40", "--set=api_key=a=b"});
  ASSERT_THAT(command, IsOk());
  EXPECT_EQ(command->provider, "vast");
  EXPECT_EQ(command->server.address, "127.0.0.1");
  EXPECT_EQ(command->server.port, 4010);
  EXPECT_EQ(command->server.speed, 60);
  EXPECT_EQ(command->spec.seed, 7u);
  EXPECT_EQ(command->spec.settings.at("machines"), "40");
  EXPECT_EQ(command->spec.settings.at("api_key"), "a=b");
}

TEST(SimCommandLine, HelpNeedsNothingElseAndNamesTheProviders) {
  EXPECT_TRUE(ParseSimCommand({"--help"})->help);
  EXPECT_THAT(SimUsage(), HasSubstr("vast"));
}

TEST(SimCommandLine, StaysOnLoopbackUnlessToldOtherwise) {
  EXPECT_THAT(ParseSimCommand({"vast", "--listen", "0.0.0.0:4010"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("--allow-remote")));
  EXPECT_THAT(ParseSimCommand({"vast", "--listen", "0.0.0.0:4010", "--allow-remote"}), IsOk());
  EXPECT_EQ(ParseSimCommand({"vast", "--listen", "localhost:0"})->server.address, "127.0.0.1");
}

TEST(SimCommandLine, SaysWhatIsWrong) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> bad = {
      {{}, "which provider"},
      {{"vast", "again"}, "again"},
      {{"vast", "--listen"}, "needs a value"},
      {{"vast", "--listen", "4010"}, "HOST:PORT"},
      {{"vast", "--listen", "127.0.0.1:65536"}, "port"},
      {{"vast", "--seed", "x"}, "--seed"},
      {{"vast", "--seed", "-1"}, "--seed"},
      {{"vast", "--speed", "0"}, "--speed"},
      {{"vast", "--speed", "nan"}, "--speed"},
      {{"vast", "--set", "machines"}, "NAME=VALUE"},
      {{"vast", "--sped", "1"}, "unknown flag --sped"},
  };
  for (const auto& [arguments, message] : bad) {
    EXPECT_THAT(ParseSimCommand(arguments),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

}  // namespace
}  // namespace muster
