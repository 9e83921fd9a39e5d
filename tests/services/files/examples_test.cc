// What deploy/examples promises: each file is valid, and its README names every key there is.
#include <google/protobuf/util/message_differencer.h>

#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_split.h"
#include "muster/spec/v1/fleet.pb.h"
#include "muster/spec/v1/server.pb.h"
#include "services/files/builder_file.h"
#include "services/files/daemon_config.h"
#include "services/files/fleet_file.h"
#include "services/files/spec_check.h"
#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;
using testing::IsEmpty;

std::string ExamplePath(const std::string& name) {
  return SourceDir() + "/deploy/examples/" + name;
}

std::string Text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

specpb::FleetSpec Example(const std::string& name) {
  auto spec = LoadFleetFile(ExamplePath(name));
  EXPECT_THAT(spec, IsOk());
  return spec.ok() ? *spec : specpb::FleetSpec();
}

TEST(Examples, EveryFleetParsesAndSurvivesBeingWrittenOut) {
  for (const char* name :
       {"zeb.yaml", "zeb-large.yaml", "zeb-large-belief.yaml", "minimal.yaml", "demo.yaml"}) {
    const specpb::FleetSpec spec = Example(name);
    EXPECT_THAT(ValidateSpec(spec), IsEmpty()) << name;
    const auto back = ParseFleetFile(FormatFleetFile(spec), name);
    ASSERT_THAT(back, IsOk()) << name;
    EXPECT_TRUE(MessageDifferencer::Equals(*back, spec)) << name;
    EXPECT_LE(spec.launch().onstart().size(), 4096u) << name;
  }
}

TEST(Examples, HoldTheRunbooksFleets) {
  const specpb::FleetSpec zeb = Example("zeb.yaml");
  EXPECT_EQ(zeb.workers(), 4);
  EXPECT_EQ(zeb.market().price_max_micro_usd_per_hour(), 90'000);
  EXPECT_EQ(zeb.launch().env().at("HF_TOKEN"), "env:HF_TOKEN");
  EXPECT_THAT(zeb.launch().onstart(), HasSubstr("Setup started"));
  const specpb::FleetSpec large = Example("zeb-large.yaml");
  EXPECT_EQ(large.workers(), 8);
  const specpb::FleetSpec belief = Example("zeb-large-belief.yaml");
  EXPECT_EQ(belief.workers(), 12);
  EXPECT_EQ(belief.market().price_max_micro_usd_per_hour(), 100'000);
  EXPECT_EQ(belief.market().gpus(0).name(), "RTX 3070 Ti");
  for (const auto& fleet : {zeb, large, belief}) {
    EXPECT_EQ(fleet.quota().name(), "huggingface-commits");
    EXPECT_EQ(fleet.preflight_size(), 1);
    // The label of the old scripts, so that their fleets can be adopted.
    EXPECT_EQ(fleet.launch().label(), "{fleet}-worker-vast-{index}");
  }
}

TEST(Examples, TheScriptPrintsWhatTheFactRulesRead) {
  const std::string script = Text(ExamplePath("zeb-worker.sh"));
  for (const char* line : {"=== Setup started at", "git installed", "repo cloned", "deps installed",
                           "GPU OK:", "=== Starting worker"}) {
    EXPECT_THAT(script, HasSubstr(line));
  }
}

TEST(Examples, TheDaemonsConfigurationShowsTheDefaults) {
  const auto config = LoadDaemonConfig(ExamplePath("musterd.yaml"));
  ASSERT_THAT(config, IsOk());
  const DaemonConfig defaults;
  EXPECT_EQ(config->metrics, defaults.metrics);
  EXPECT_EQ(config->store_path, defaults.store_path);
  EXPECT_EQ(config->tail_keep, defaults.tail_keep);
  EXPECT_EQ(config->limits.launches_in_flight, defaults.limits.launches_in_flight);
  EXPECT_EQ(config->limits.log_bytes_max, defaults.limits.log_bytes_max);
  EXPECT_EQ(config->limits.answer_bytes_max, defaults.limits.answer_bytes_max);
  EXPECT_EQ(config->audit.heads_every, defaults.audit.heads_every);
  EXPECT_EQ(config->audit.heads_to_syslog, defaults.audit.heads_to_syslog);
}

TEST(Examples, PrometheusScrapesWhereTheDaemonAnswers) {
  const std::string config = Text(SourceDir() + "/deploy/prometheus/prometheus.yml");
  EXPECT_THAT(config, HasSubstr("\"" + DaemonConfig().metrics + "\""));
}

// The keys of a section, as told to whoever writes one that is not known.
template <class Parse>
std::vector<std::string> KeysOf(Parse parse, const std::string& text) {
  const auto parsed = parse(text, "x");
  const std::string error(Message(parsed.status()));
  const std::string mark = "zzzzzzzzzzzz: is not a known key; expected one of ";
  const std::size_t at = error.find(mark);
  EXPECT_NE(at, std::string::npos) << text << error;
  if (at == std::string::npos) return {};
  const std::string rest = error.substr(at + mark.size());
  return absl::StrSplit(rest.substr(0, rest.find('\n')), ", ");
}

struct KeySection {
  std::string shown;  // as the README writes it, with its dot
  std::string yaml;   // with the unknown key where ZZ stands
};

template <class Parse>
void ExpectNamed(Parse parse, const std::vector<KeySection>& sections) {
  const std::string readme = Text(ExamplePath("README.md"));
  for (const KeySection& section : sections) {
    std::string yaml = section.yaml;
    yaml.replace(yaml.find("ZZ"), 2, "zzzzzzzzzzzz: 1");
    for (const std::string& key : KeysOf(parse, yaml)) {
      const std::string cell = "| `" + section.shown + key;  // itself, or what is below it
      EXPECT_TRUE(readme.find(cell + "` |") != std::string::npos ||
                  readme.find(cell + ".") != std::string::npos)
          << section.shown << key;
    }
  }
}

TEST(Examples, TheReadmeNamesEveryKeyOfAFleetFile) {
  ExpectNamed(ParseFleetFile, {{"", "ZZ"},
                               {"market.", "market: {ZZ}"},
                               {"market.gpus.NAME.", "market: {gpus: {RTX 3060: {ZZ}}}"},
                               {"launch.", "launch: {ZZ}"},
                               {"timers.", "timers: {ZZ}"},
                               {"facts[].", "facts: [{ZZ}]"},
                               {"strikes.", "strikes: {ZZ}"},
                               {"budget.", "budget: {ZZ}"},
                               {"quota.", "quota: {ZZ}"},
                               {"preflight[].", "preflight: [{ZZ}]"},
                               {"upgrades.", "upgrades: {ZZ}"}});
}

TEST(Examples, TheBuilderParses) {
  const auto spec = LoadBuilderFile(ExamplePath("builder.yaml"));
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->market().price_max_micros_per_month(), 200'000'000);
  EXPECT_THAT(spec->nix().mandatory_features(), testing::ElementsAre("cuda"));
}

TEST(Examples, TheReadmeNamesEveryKeyOfABuilderFile) {
  ExpectNamed(ParseBuilderFile, {{"", "ZZ"},
                                 {"market.", "market: {ZZ}"},
                                 {"access.", "access: {ZZ}"},
                                 {"install.", "install: {ZZ}"},
                                 {"install.steps[].", "install: {steps: [{ZZ}]}"},
                                 {"nix.", "nix: {ZZ}"},
                                 {"timers.", "timers: {ZZ}"}});
}

TEST(Examples, TheReadmeNamesEveryKeyOfTheDaemon) {
  ExpectNamed(ParseDaemonConfig, {{"", "ZZ"},
                                  {"providers.vast.", "providers: {vast: {ZZ}}"},
                                  {"providers.vast.budget.", "providers: {vast: {budget: {ZZ}}}"},
                                  {"providers.vast.pace.", "providers: {vast: {pace: {ZZ}}}"},
                                  {"tls.", "tls: {ZZ}"},
                                  {"store.", "store: {ZZ}"},
                                  {"log.", "log: {ZZ}"},
                                  {"limits.", "limits: {ZZ}"},
                                  {"audit.", "audit: {ZZ}"},
                                  {"notify.", "notify: {ZZ}"},
                                  {"notify.targets.NAME.", "notify: {targets: {a: {ZZ}}}"},
                                  {"notify.rules[].", "notify: {rules: [{ZZ}]}"},
                                  {"notify.fleet_short.", "notify: {fleet_short: {ZZ}}"},
                                  {"nix.", "nix: {ZZ}"},
                                  {"sim.", "sim: {ZZ}"}});
}

// A default in the README is the default in the code.
TEST(Examples, TheReadmesFleetDefaultsAreTheRealOnes) {
  specpb::FleetSpec spec;
  spec.set_name("x");
  FillDefaults(spec);
  const std::string readme = Text(ExamplePath("README.md"));
  std::string section;
  for (const auto piece : absl::StrSplit(FormatFleetFile(spec), '\n')) {
    const std::string line(piece);
    const std::size_t colon = line.find(": ");
    if (!line.empty() && line[0] != ' ' && line.back() == ':')
      section = line.substr(0, line.size() - 1) + ".";
    if (colon == std::string::npos || line.rfind("    ", 0) == 0) continue;
    const bool nested = line.rfind("  ", 0) == 0;
    const std::string key =
        (nested ? section : "") + line.substr(nested ? 2 : 0, colon - (nested ? 2 : 0));
    std::string value = line.substr(colon + 2);
    if (value.front() == '"') value = value.substr(1, value.size() - 2);
    if (key == "name" || key == "workers") continue;
    EXPECT_NE(readme.find("| `" + key + "` | `" + value + "`"), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace muster
