#include "services/musterd/options.h"

#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using ::testing::HasSubstr;
using Mode = DaemonOptions::Mode;

TEST(DaemonOptions, ServesAConfiguration) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"--config", "a.yaml"}, {"--config=a.yaml"}}) {
    const auto options = ParseDaemonOptions(args);
    ASSERT_TRUE(options.ok());
    EXPECT_EQ(options->mode, Mode::kServe);
    EXPECT_EQ(options->config_file, "a.yaml");
  }
}

TEST(DaemonOptions, KnowsItsOtherModes) {
  EXPECT_EQ(ParseDaemonOptions({"--help"})->mode, Mode::kHelp);
  EXPECT_EQ(ParseDaemonOptions({"--version"})->mode, Mode::kVersion);
  EXPECT_EQ(ParseDaemonOptions({"--config", "a", "--check-config"})->mode, Mode::kCheckConfig);
  EXPECT_EQ(ParseDaemonOptions({"--config", "a", "--verify"})->mode, Mode::kVerify);
  const auto restore = ParseDaemonOptions({"--config", "a", "--restore", "backup"});
  EXPECT_EQ(restore->mode, Mode::kRestore);
  EXPECT_EQ(restore->restore_from, "backup");
}

TEST(DaemonOptions, RefusesWhatItDoesNotUnderstand) {
  const auto message = [](const std::vector<std::string>& args) {
    const auto options = ParseDaemonOptions(args);
    EXPECT_EQ(options.status().code(), StatusCode::kInvalidArgument);
    return std::string(Message(options.status()));
  };
  EXPECT_THAT(message({}), HasSubstr("--config FILE is missing"));
  EXPECT_THAT(message({"--config"}), HasSubstr("--config needs a value"));
  EXPECT_THAT(message({"--conf", "a"}), HasSubstr("unknown argument '--conf'"));
  EXPECT_THAT(message({"--verify=yes"}), HasSubstr("--verify takes no value"));
}

}  // namespace
}  // namespace muster
