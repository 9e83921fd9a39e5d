#include "services/muster/cli.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "muster/spec/v1/fleet.pb.h"
#include "muster/spec/v1/server.pb.h"
#include "services/files/builder_file.h"
#include "services/files/daemon_config.h"
#include "services/files/fleet_file.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Runs one command in memory, without a terminal and without a daemon.
struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};
Ran Muster(const std::vector<std::string>& words,
           std::map<std::string, std::string> environment = {}) {
  std::istringstream in;
  std::ostringstream out, err;
  CliEnv env{.in = in,
             .out = out,
             .err = err,
             .getenv = [&](const std::string& name) -> std::optional<std::string> {
               const auto found = environment.find(name);
               if (found == environment.end()) return std::nullopt;
               return found->second;
             },
             .exec = [](std::vector<std::string>) { return 1; },
             .pause = [](absl::Duration) { return false; }};
  const int code = RunCli(words, env);
  return {code, out.str(), err.str()};
}

TEST(Cli, HelpNamesEveryVerbOfTheContract) {
  const Ran ran = Muster({"help"});
  EXPECT_EQ(ran.code, kOk);
  for (const char* verb :
       {"init",   "plan",    "apply",   "status",  "get",    "describe",   "logs",     "ssh",
        "offers", "scale",   "replace", "destroy", "down",   "hosts",      "stats",    "cost",
        "events", "explain", "watch",   "adopt",   "doctor", "completion", "simulate", "market",
        "audit",  "prove",   "notify",  "replay",  "bundle", "shadow"}) {
    EXPECT_THAT(ran.out, HasSubstr(Cat("\n  ", verb, " "))) << verb;
    EXPECT_EQ(Muster({"help", verb}).code, kOk) << verb;
  }
}

TEST(Cli, HelpForCostPublishesHowFarItMayBeFromTheBill) {
  const Ran ran = Muster({"help", "cost"});
  EXPECT_THAT(ran.out, HasSubstr("never more than"));
  EXPECT_THAT(ran.out, HasSubstr("never less than"));
}

// Verbs that read, that is: what changes things changes them now.
TEST(Cli, EveryVerbThatReadsTakesAMomentOfThePastOrItsHelpSaysWhyNot) {
  const std::set<std::string> change_or_read_no_log = {
      "init", "plan",  "apply",  "scale",    "replace",    "destroy",
      "down", "adopt", "backup", "simulate", "completion", "version"};
  std::istringstream help(Muster({"help"}).out);
  int verbs = 0;
  for (std::string line; std::getline(help, line);) {
    if (!line.starts_with("  ") || line.starts_with("   ")) continue;
    const std::string verb = line.substr(2, line.find(' ', 2) - 2);
    if (change_or_read_no_log.contains(verb)) continue;
    ++verbs;
    const std::string usage = Muster({"help", verb}).out;
    EXPECT_THAT(usage, ::testing::AnyOf(HasSubstr("--at TIME"), HasSubstr("akes no --at"),
                                        HasSubstr("--from TIME"), HasSubstr("--since TIME"),
                                        HasSubstr("--around TIME")))
        << verb;
  }
  EXPECT_GT(verbs, 15);
}

TEST(Cli, WhatChangesThingsTakesNoMomentOfThePast) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"hosts", "pardon", "5512", "--at", "7"},
        {"hosts", "import", "bad-hosts.txt", "--at", "7"},
        {"shadow", "promote", "zeb", "--at", "7"}}) {
    const Ran ran = Muster(words);
    EXPECT_EQ(ran.code, kUsage) << words[0];
    EXPECT_THAT(ran.err, HasSubstr("takes no --at")) << words[0];
  }
}

TEST(Cli, MisuseGoesToStderrWithItsOwnExitCode) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"no-such-verb"},
                                                {"scale"},
                                                {"scale", "zeb", "many"},
                                                {"status", "--no-such-flag"},
                                                {"status", "-o", "xml"},
                                                {"status", "--at", "yesterday"},
                                                {"completion", "tcsh"},
                                                {"--address", "127.0.0.1:1", "help"},
                                                {"apply", "--yes"},
                                                {"plan"},
                                                {"--address", "tcp:foo", "status"},
                                                {"status", "--address", "localhost"},
                                                {"status", "--address", "unix://relative"},
                                                {"status", "--address", "::1:80"},
                                                {"status", "--timeout", "soon"},
                                                {"status", "--timeout", "-3s"},
                                                {"status", "--at", ""},
                                                {"stats", "-o", "name"},
                                                {"events", "--limit", "0"},
                                                {"offers", "zeb", "--limit", "-1"},
                                                {"simulate"},
                                                {"simulate", "-f", "x", "--days", "0"},
                                                {"simulate", "-f", "x", "--seeds", "many"},
                                                {"simulate", "-f", "x", "--set", "boot_max"},
                                                {"simulate", "-f", "x", "-o", "yaml"},
                                                {"market"},
                                                {"market", "import"},
                                                {"market", "export", "--since", "monday"},
                                                {"audit"},
                                                {"audit", "verfy"},
                                                {"audit", "verify", "more"},
                                                {"audit", "prove"},
                                                {"audit", "prove", "here"},
                                                {"audit", "redact", "0"},
                                                {"audit", "export", "--raw", "--fleet", "zeb"},
                                                {"audit", "verify", "--store", "a", "--file", "b"},
                                                {"prove", "everything"},
                                                {"shadow"},
                                                {"shadow", "begin", "zeb"},
                                                {"shadow", "start", "zeb"},
                                                {"shadow", "stop"},
                                                {"shadow", "promote"},
                                                {"notify"},
                                                {"notify", "everybody"},
                                                {"notify", "test"},
                                                {"notify", "status", "pager"},
                                                {"market", "export", "-o", "name"}}) {
    const Ran ran = Muster(words);
    EXPECT_EQ(ran.code, kUsage) << ::testing::PrintToString(words) << ran.err;
    if (!words.empty()) EXPECT_EQ(ran.out, "") << ::testing::PrintToString(words);
  }
}

TEST(Cli, AnAddressIsRefusedWithWhatWasExpectedButNotWhereNoneIsNeeded) {
  EXPECT_THAT(Muster({"--address", "tcp:foo", "status"}).err, HasSubstr("HOST:PORT"));
  EXPECT_EQ(Muster({"version"}, {{"MUSTER_ADDRESS", "tcp:foo"}}).code, kOk);
}

TEST(Cli, VersionIsAFlagToo) {
  const Ran ran = Muster({"--version"});
  EXPECT_EQ(ran.code, kOk);
  EXPECT_EQ(ran.out, Muster({"version"}).out);
  EXPECT_EQ(ran.out.find("muster "), 0u);
}

TEST(Cli, AFileThatCannotBeReadIsNoMisuse) {
  EXPECT_EQ(Muster({"apply", "-f", "/nonexistent/fleet.yaml", "--yes"}).code, kFailed);
  const Ran tls = Muster({"status", "--address", "127.0.0.1:1", "--tls-ca", "/nonexistent/ca.pem"});
  EXPECT_EQ(tls.code, kFailed);
  EXPECT_THAT(tls.err, HasSubstr("--tls-ca: /nonexistent/ca.pem: cannot be read"));
}

TEST(Cli, CompletionKnowsTheVerbsInEveryShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Ran ran = Muster({"completion", shell});
    EXPECT_EQ(ran.code, kOk);
    EXPECT_THAT(ran.out, HasSubstr("explain"));
  }
}

TEST(Cli, WithoutADaemonItSaysWhereItLookedAndWhatToDo) {
  const Ran ran = Muster({"status", "--timeout", "5s"},
                         {{"MUSTER_ADDRESS", "unix:///nonexistent/musterd.sock"}});
  EXPECT_EQ(ran.code, kFailed);
  EXPECT_THAT(ran.err, HasSubstr("no musterd answers at unix:///nonexistent/musterd.sock"));
  EXPECT_THAT(ran.err, HasSubstr("MUSTER_ADDRESS"));
  EXPECT_EQ(ran.out, "");
}

TEST(Cli, InitOfServersWritesFilesThatItsOwnReadersAccept) {
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / Cat("muster-init-servers-", getpid());
  const Ran first = Muster({"init", "hetzner", "--dir", folder.string()});
  ASSERT_EQ(first.code, kOk) << first.err;
  const auto config = LoadDaemonConfig((folder / "musterd.yaml").string());
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->providers.at("hetzner").user, "#ws+abcd1234");
  EXPECT_THAT(LoadBuilderFile((folder / "builder.yaml").string()), IsOk());
  EXPECT_EQ(Muster({"init", "nimbus", "--dir", folder.string()}).code, kUsage);
  std::filesystem::remove_all(folder);
}

TEST(Cli, InitWritesFilesThatItsOwnReadersAcceptAndOverwritesNothing) {
  const std::filesystem::path folder =
      std::filesystem::path(::testing::TempDir()) / Cat("muster-init-", getpid());
  const Ran first = Muster({"init", "vast", "--dir", folder.string()});
  EXPECT_EQ(first.code, kOk) << first.err;
  EXPECT_THAT(first.err, HasSubstr("VAST_API_KEY"));
  const auto spec = LoadFleetFile((folder / "fleet.yaml").string());
  EXPECT_TRUE(spec.ok()) << spec.status();
  const auto config = LoadDaemonConfig((folder / "musterd.yaml").string());
  EXPECT_TRUE(config.ok()) << config.status();
  if (config.ok()) EXPECT_EQ(config->store_path, (folder / "store").string());
  const Ran second = Muster({"init", "vast", "--dir", folder.string()});
  EXPECT_EQ(second.code, kOk);
  EXPECT_EQ(second.out, "");
  EXPECT_THAT(second.err, HasSubstr("kept"));
  std::filesystem::remove_all(folder);
}

TEST(Cli, SimulateNeedsNoDaemonAndItsJsonIsAllThereIsOnStdout) {
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) / Cat("simulated-", getpid(), ".yaml");
  std::ofstream(file) << "name: zeb\nworkers: 0\nlaunch: {onstart: echo hello}\n";
  const Ran ran = Muster({"simulate", "-f", file.string(), "--days", "1", "-o", "json", "--set",
                          "machines=2,churn_interval=1h"},
                         {{"MUSTER_ADDRESS", "tcp:foo"}});
  EXPECT_EQ(ran.code, kOk) << ran.err;
  EXPECT_THAT(ran.out, ::testing::StartsWith("{"));
  EXPECT_THAT(ran.out, HasSubstr("\"digest\""));
  EXPECT_EQ(ran.err, "");
  const Ran wrong = Muster({"simulate", "-f", file.string(), "--set", "no_such=1"});
  EXPECT_EQ(wrong.code, kFailed);
  EXPECT_THAT(wrong.err, HasSubstr("expected one of machines"));
  const Ran market = Muster({"simulate", "-f", file.string(), "--market", file.string()});
  EXPECT_EQ(market.code, kFailed);
  EXPECT_THAT(market.err, HasSubstr("muster_market: is missing"));
  std::filesystem::remove(file);
}

TEST(Cli, TheModelIsListedWithItsDefaults) {
  const Ran ran = Muster({"simulate", "--model"});
  EXPECT_EQ(ran.code, kOk);
  EXPECT_THAT(ran.out, HasSubstr("failures_per_hour"));
}

TEST(Cli, AFleetFileProblemNamesFileAndLineBeforeAnybodyIsCalled) {
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) / Cat("bad-fleet-", getpid(), ".yaml");
  FILE* out = fopen(file.c_str(), "w");
  ASSERT_NE(out, nullptr);
  fputs("name: zeb\nprovider: vast\nworkers: -3\n", out);
  fclose(out);
  const Ran ran = Muster({"plan", "-f", file.string()});
  EXPECT_EQ(ran.code, kFailed);
  EXPECT_THAT(ran.err, HasSubstr(Cat(file.filename().string(), ":3")));
  EXPECT_THAT(ran.err, Not(HasSubstr("no musterd answers")));
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace muster::cli
