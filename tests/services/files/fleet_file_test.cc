// Fleet files: what they may say, what they mean, and what is said of a wrong one.
#include "services/files/fleet_file.h"

#include <google/protobuf/util/message_differencer.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "eventstore/base/rng.h"
#include "muster/spec/v1/fleet.pb.h"
#include "services/files/spec_check.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kMinimal[] = "name: zeb\nworkers: 4\n";

std::string ErrorOf(std::string_view text) {
  const auto spec = ParseFleetFile(text, "f.yaml");
  return spec.ok() ? "accepted" : std::string(Message(spec.status()));
}

specpb::FleetSpec Parsed(std::string_view text) {
  auto spec = ParseFleetFile(text, "f.yaml");
  EXPECT_THAT(spec, IsOk());
  return spec.ok() ? *spec : specpb::FleetSpec();
}

TEST(FleetFile, FillsInTheRunbooksValues) {
  const specpb::FleetSpec spec = Parsed(kMinimal);
  EXPECT_EQ(spec.name(), "zeb");
  EXPECT_EQ(spec.workers(), 4);
  EXPECT_EQ(spec.provider(), "vast");
  EXPECT_EQ(spec.work_unit(), "games");
  EXPECT_EQ(spec.market().price_max_micro_usd_per_hour(), 90'000);
  EXPECT_EQ(spec.market().rate_default_per_s(), 1.8);
  EXPECT_EQ(spec.market().gpus_size(), 11);
  EXPECT_EQ(spec.market().gpus(0).name(), "RTX 3060");
  EXPECT_EQ(spec.market().gpus(10).name(), "RTX 4070 Ti");
  EXPECT_EQ(spec.market().gpus(10).rate_per_s(), 2.8);
  EXPECT_EQ(spec.launch().image(), "pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime");
  EXPECT_EQ(spec.launch().disk_gb(), 15);
  EXPECT_EQ(spec.launch().label(), "{fleet}-worker-vast-{index}");
  EXPECT_EQ(spec.launch().worker_name(), "worker-vast-{index}");
  EXPECT_EQ(spec.timers().boot_s(), 600);
  EXPECT_EQ(spec.timers().setup_s(), 600);
  EXPECT_EQ(spec.timers().warmup_s(), 900);
  EXPECT_EQ(spec.timers().no_progress_s(), 900);
  EXPECT_EQ(spec.timers().error_grace_s(), 300);
  EXPECT_EQ(spec.timers().log_poll_s(), 45);
  EXPECT_EQ(spec.timers().credit_probe_s(), 300);
  EXPECT_EQ(spec.timers().log_tail_lines(), 50);
  EXPECT_EQ(spec.strikes().limit(), 3);
  EXPECT_EQ(spec.strikes().expiry_s(), 30 * 86'400);
  EXPECT_EQ(spec.fact_rules(), "zeb");
  EXPECT_EQ(spec.upgrades().gain_min(), 0.15);
  EXPECT_FALSE(spec.upgrades().enabled());
  EXPECT_EQ(spec.orphans(), specpb::REPORT);
  EXPECT_FALSE(spec.has_quota());
}

TEST(FleetFile, FillsInTheRunbooksQuotaOnceAQuotaIsNamed) {
  const specpb::FleetSpec spec = Parsed(std::string(kMinimal) + "quota: {name: hf}\n");
  EXPECT_EQ(spec.quota().limit_per_hour(), 128);
  EXPECT_EQ(spec.quota().aim_per_hour(), 100);
  EXPECT_EQ(spec.quota().interval_s_min(), 240);
}

TEST(FleetFile, ReadsHumanUnits) {
  const specpb::FleetSpec spec = Parsed(R"(
name: big
workers: 12
work_unit: steps
market:
  price_max: $0.10/h
  gpus: {RTX 3070 Ti: 2.6 steps/s, RTX 3090: default, RTX 9090: {rate: 9/s, custom: true}}
  reliability_min: 95%
  cuda_min: 12.4
  inet_down_min: 1Gbps
  remaining_min: 2d
  countries: [SE, DE]
  bid: $0.05/h
  preferred_bonus: 10%
launch: {disk: 1TB}
timers: {boot: 1h30m, error_grace: 45s, launch_lookup: 1s, destroy_again: 2m}
strikes: {expiry: never}
budget: {per_hour: $1.20/h, per_day: $18, total: none}
)");
  const specpb::Market& market = spec.market();
  EXPECT_EQ(market.price_max_micro_usd_per_hour(), 100'000);
  ASSERT_EQ(market.gpus_size(), 3);
  EXPECT_EQ(market.gpus(0).rate_per_s(), 2.6);
  EXPECT_EQ(market.gpus(1).rate_per_s(), 0);
  EXPECT_EQ(market.gpus(2).name(), "RTX 9090");
  EXPECT_EQ(market.reliability_min(), 0.95);
  EXPECT_EQ(market.inet_down_mbps_min(), 1000);
  EXPECT_EQ(market.remaining_s_min(), 172'800);
  EXPECT_THAT(market.countries(), ElementsAre("SE", "DE"));
  EXPECT_EQ(market.bid_micro_usd_per_hour(), 50'000);
  EXPECT_EQ(spec.launch().disk_gb(), 1000);
  EXPECT_EQ(spec.timers().boot_s(), 5400);
  EXPECT_EQ(spec.timers().error_grace_s(), 45);
  EXPECT_EQ(spec.timers().launch_lookup_s(), 1);
  EXPECT_EQ(spec.timers().destroy_again_s(), 120);
  EXPECT_EQ(spec.strikes().expiry_s(), 0);
  EXPECT_EQ(spec.budget().per_hour_micro_usd(), 1'200'000);
  EXPECT_EQ(spec.budget().per_day_micro_usd(), 18'000'000);
}

struct Bad {
  const char* lines;     // after the two minimal ones, so the first is line 3
  const char* expected;  // part of the message
};

TEST(FleetFile, SaysWhereAndWhatOfEveryMistake) {
  const Bad table[] = {
      {"workerz: 4", "f.yaml:3:1: workerz: is not a known key; did you mean \"workers\"?"},
      {"colour: red", "f.yaml:3:1: colour: is not a known key; expected one of name, "},
      {"market: {gpu: RTX 3060}", "market.gpu: is not a known key; did you mean \"gpus\"?"},
      {"workers: 5", "f.yaml:3:1: workers: is here twice, first in line 2; expected it once"},
      {"timers: {boot: 10m, boot: 9m}",
       "f.yaml:3:21: timers.boot: is here twice, first in line 3; expected it once"},
      {"market: {price_max: 0.09}",
       "f.yaml:3:21: market.price_max: \"0.09\" has no dollar sign; expected a price per hour such "
       "as $0.09/h"},
      {"market: {price_max: $0.09}", "\"$0.09\" does not say per what; expected a price per hour"},
      {"market: {price_max: $2/day}", "\"$2/day\" is not per hour; expected a price per hour"},
      {"market: {price_max: -$0.09/h}", "market.price_max: \"-$0.09/h\" is negative; expected"},
      {"market: {price_max: $-0.09/h}", "market.price_max: \"$-0.09/h\" is negative; expected"},
      {"market: {price_max: $0/h}",
       "f.yaml:3:21: market.price_max: $0.00/h is out of range; expected $0.001/h to $128.00/h"},
      {"market: {price_max: $1..2/h}", "is not an amount of money"},
      {"market: {price_max: $nan/h}", "is not an amount of money"},
      {"market: {price_max: $0.00000009/h}", "is finer than a millionth"},
      {"market: {price_max: [1]}", "market.price_max: is a list; expected a price per hour"},
      {"market: {price_max: }", "market.price_max: has no value; expected a price per hour"},
      {"market: 7", "f.yaml:3:9: market: is a single value; expected a map of keys"},
      {"market:\n  gpus:\n    RTX 3070Ti: 2/s",
       "f.yaml:5:17: market.gpus.RTX 3070Ti: \"RTX 3070Ti\" is no known GPU; expected a name as "
       "offered, such as RTX 3070 Ti; did you mean \"RTX 3070 Ti\"? (a new one: {rate: ..., "
       "custom: true})"},
      {"market: {gpus: [RTX 3060, RTX_3070]}",
       "f.yaml:3:27: market.gpus[1]: \"RTX_3070\" is no known GPU; expected a name as offered, "
       "such "
       "as RTX 3070 Ti; did you mean \"RTX 3070\"?"},
      {"market: {gpus: {RTX 3060: 2 steps/s}}",
       "\"2 steps/s\" has the wrong unit; expected a rate "
       "such as 1.8 games/s"},
      {"market: {gpus: {RTX 3060: 2}}", "\"2\" has no unit; expected a rate such as 1.8 games/s"},
      {"market: {gpus: []}", "market.gpus: is empty; expected at least one GPU"},
      {"market: {reliability_min: 95}", "\"95\" has no unit; expected a percentage such as 15%"},
      {"market: {reliability_min: 950%}",
       "market.reliability_min: 950% is out of range; expected 0% to 100%"},
      {"market: {inet_up_min: 100MB}", "\"100MB\" has the wrong unit; expected a bandwidth"},
      {"market: {countries: Sweden}", "\"Sweden\" is no country; expected two capital letters"},
      {"market: {bid: $0.20/h}", "market.bid: $0.20/h is out of range"},
      {"market: {allow_unverified: maybe}", "\"maybe\" is neither; expected true or false"},
      {"launch: {disk: 15}",
       "f.yaml:3:16: launch.disk: \"15\" has no unit; expected a size in "
       "whole GB such as 15GB"},
      {"launch: {disk: 15GiB}", "\"15GiB\" has the wrong unit; expected a size in whole GB"},
      {"launch: {disk: 4GB}", "launch.disk: 4GB is out of range; expected 8GB to 100000GB"},
      {"launch: {image: \"a b\"}", "launch.image: \"a b\" is no image; expected one such as"},
      {"launch: {runtype: telnet}", "launch.runtype: \"telnet\" is not known; expected ssh_direct"},
      {"launch: {label: workers}", "\"workers\" is the same for every worker; expected {index}"},
      {"launch: {label: \"{indx}-{index}\"}",
       "\"{indx}\" is no known place; expected {fleet}, "
       "{index}; did you mean \"{index}\"?"},
      {"launch: {onstart: a, onstart_file: b}", "is here beside onstart; expected one of them"},
      {"launch: {env: {1X: a}}", "launch.env: \"1X\" is no variable; expected a name such as"},
      {"launch: {env: {A: [1]}}", "launch.env.A: is a list; expected a text or a secret reference"},
      {"launch: {env: {A: 'env:'}}", "\"env:\" is no secret reference; expected env:NAME"},
      {"timers: {boot: 10}",
       "f.yaml:3:16: timers.boot: \"10\" has no unit; expected a time span "
       "such as 45s, 10m, 1h30m or 30d"},
      {"timers: {boot: 10min}", "\"10min\" is not a time span"},
      {"timers: {boot: 10w}", "\"10w\" has an unknown unit"},
      {"timers: {boot: 5s10m}", "\"5s10m\" has its units out of order"},
      {"timers: {boot: -10m}", "\"-10m\" is negative"},
      {"timers: {boot: 0s}", "timers.boot: 0s is out of range; expected 10s to 1d"},
      {"timers: {market_poll: 5s}", "timers.market_poll: 5s is out of range; expected 6s to 1h"},
      {"timers: {log_tail_lines: 5000}", "timers.log_tail_lines: 5000 is out of range; expected 1"},
      {"facts: [{kind: progress, pattern: '(?P<counter>['}]",
       "facts[0].pattern: \"(?P<counter>[\" is no regular expression: missing ]"},
      {"facts: [{kind: progress, pattern: batch}]", "has no counter; expected a group such as"},
      {"facts: [{kind: progres, pattern: a}]", "\"progres\" is not known; expected one of setup, "},
      {"facts: [{kind: busy, pattern: a}]", "facts: has no rule of kind progress"},
      {"facts: [{kind: busy, pattern: '(?P<countr>a)'}]", "did you mean \"counter\"?"},
      {"fact_rules: custom", "facts: is empty; expected rules, as fact_rules is custom"},
      {"fact_rules: other", "fact_rules: \"other\" is not known; expected zeb or custom"},
      {"strikes: {limit: 0}", "f.yaml:3:18: strikes.limit: 0 is out of range; expected 1 to 1000"},
      {"budget: {per_day: $18/h}",
       "budget.per_day: \"$18/h\" has the wrong unit; expected an "
       "amount such as $18.00 or $18.00/day"},
      {"budget: {total: 500}", "\"500\" has no dollar sign; expected an amount such as $500"},
      {"quota: {name: hf, aim_per_hour: 200}",
       "quota.aim_per_hour: 200 is out of range; expected 1"
       " to 128"},
      {"quota: {}", "quota.name: \"\" is no name; expected one such as huggingface-commits"},
      {"preflight: [{name: w, url: ftp://x}]", "preflight[0].url: \"ftp://x\" is no URL"},
      {"preflight: [{name: w, url: http://x/y, bearer: env:A}]", "would carry the bearer in clear"},
      {"upgrades: {enabled: 1}", "upgrades.enabled: \"1\" is neither; expected true or false"},
      {"orphans: kill", "\"kill\" is not known; expected one of report, adopt, destroy"},
      {"provider: aws", "provider: \"aws\" is not known; expected vast"},
  };
  for (const Bad& bad : table) {
    const std::string error = ErrorOf(std::string(kMinimal) + bad.lines + "\n");
    EXPECT_THAT(error, HasSubstr(bad.expected)) << bad.lines;
    EXPECT_THAT(error, testing::StartsWith("f.yaml:")) << bad.lines;
    EXPECT_THAT(error, HasSubstr("f.yaml:")) << bad.lines;
  }
}

TEST(FleetFile, SaysWhatIsMissingOrNoFleetAtAll) {
  EXPECT_EQ(ErrorOf(""), "f.yaml: is empty; expected a fleet file");
  EXPECT_EQ(ErrorOf("- a\n"), "f.yaml:1:1: is a list; expected a fleet file: a map of keys");
  EXPECT_THAT(ErrorOf("workers: 4\n"), HasSubstr("name: is missing; expected the fleet's name"));
  EXPECT_THAT(ErrorOf("name: zeb\n"), HasSubstr("workers: is missing; expected how many"));
  EXPECT_THAT(ErrorOf("name: Zeb\nworkers: 1\n"),
              HasSubstr("f.yaml:1:7: name: \"Zeb\" is no fleet"));
  EXPECT_THAT(ErrorOf("name: a\nworkers: -1\n"), HasSubstr("\"-1\" is negative"));
  EXPECT_THAT(ErrorOf("name: a\nworkers: 99999\n"), HasSubstr("expected 0 to 10000"));
  EXPECT_THAT(ErrorOf("name: [a\n"), HasSubstr("is not YAML"));
  EXPECT_THAT(ErrorOf("name: a\nworkers: 1\n---\nname: b\n"), HasSubstr("a second document"));
  EXPECT_THAT(ErrorOf(std::string("name: a\0", 8)), HasSubstr("holds a zero byte"));
  EXPECT_EQ(ErrorOf("name: a\nworkers: \xff\n"),
            "f.yaml:2:10: a byte that is no UTF-8; expected a fleet file in UTF-8");
}

TEST(FleetFile, AClosingBracketThatOpensNothingIsAnErrorAndNotAnEndlessDocument) {
  EXPECT_THAT(ErrorOf("name: a\nworkers: 1\n]\n"), HasSubstr(":3"));
  EXPECT_THAT(ErrorOf("]"), HasSubstr("expected"));
  EXPECT_THAT(ErrorOf("name: a\n}: 1\n"), HasSubstr("expected"));
}

TEST(FleetFile, ReportsEveryMistakeInTheOrderOfTheFile) {
  const std::string error =
      ErrorOf("name: zeb\nworkers: four\nmarket: {price_max: 1, gpu: x}\ntimers: {setup: 10}\n");
  std::vector<std::string> places;
  std::size_t at = 0;
  while (at < error.size()) {
    const std::size_t end = std::min(error.find('\n', at), error.size());
    const std::string line = error.substr(at, end - at);
    places.push_back(line.substr(0, line.find(": ")));
    at = end + 1;
  }
  EXPECT_THAT(places, ElementsAre("f.yaml:2:10", "f.yaml:3:21", "f.yaml:3:24", "f.yaml:4:17"));
}

TEST(FleetFile, NeverShowsASecretThatWasPastedIn) {
  const std::string secret = "hf_AbCdEfGhIjKlMnOpQrStUvWx";
  const std::string lines[] = {
      "launch: {env: {HF_TOKEN: " + secret + "}}",
      "launch: {env: {PLAIN: " + secret + "}}",
      "launch: {env: {DB_PASSWORD: hunter2hunter2}}",
      "launch: {image_login: \"-u me -p hunter2hunter2 r\"}",
      "launch: {onstart: \"export HF_TOKEN=" + secret + "\"}",
      "launch: {image: " + secret + "}",
      "launch: {disk: " + secret + "}",
      "market: {price_max: " + secret + "}",
      "preflight: [{name: w, url: 'https://u:hunter2hunter2@h/'}]",
      "preflight: [{name: w, url: 'https://h/', bearer: " + secret + "}]",
      "api_key: hunter2hunter2",
  };
  for (const std::string& line : lines) {
    const std::string error = ErrorOf(kMinimal + line + "\n");
    EXPECT_NE(error, "accepted") << line;
    EXPECT_THAT(error, Not(HasSubstr(secret))) << line;
    EXPECT_THAT(error, Not(HasSubstr("hunter2"))) << line;
    EXPECT_THAT(error, HasSubstr("expected")) << line;
  }
}

TEST(FleetFile, TellsSecretsByNameFromHarmlessVariables) {
  const specpb::FleetSpec spec = Parsed(std::string(kMinimal) +
                                        "launch: {env: {HF_TOKEN: env:HF_TOKEN, "
                                        "TOKENIZERS_PARALLELISM: 'false', MAX_TOKENS: 512, "
                                        "NOTE: '', KEYS_FILE: file:/run/keys}}\n");
  EXPECT_EQ(spec.launch().env().at("MAX_TOKENS"), "512");
  EXPECT_EQ(spec.launch().env().at("HF_TOKEN"), "env:HF_TOKEN");
}

TEST(FleetFile, WrittenOutParsesBackToTheSameSpec) {
  specpb::FleetSpec spec = Parsed(kMinimal);
  spec.mutable_launch()->set_onstart("#!/bin/bash\nset -e\n\n  echo \"a: b\" # c\n\tx\n");
  (*spec.mutable_launch()->mutable_env())["ODD"] = " lead: [trail] \n\"q\" \\ \xc3\xa5\x01";
  (*spec.mutable_launch()->mutable_env())["NULLISH"] = "null";
  (*spec.mutable_launch()->mutable_env())["EMPTY"] = "";
  (*spec.mutable_launch()->mutable_env())["TILDE"] = "~";
  spec.mutable_market()->set_preferred_bonus(1.0 / 3);
  spec.mutable_market()->mutable_gpus(0)->set_rate_per_s(1e-7);
  spec.mutable_market()->mutable_gpus(1)->set_rate_per_s(0);
  spec.mutable_market()->mutable_gpus(2)->set_name("Quux 9000");
  spec.mutable_market()->add_countries("SE");
  spec.mutable_strikes()->set_expiry_s(0);
  spec.mutable_budget()->set_per_day_micro_usd(18'000'001);
  specpb::Preflight& check = *spec.add_preflight();
  check.set_name("weights");
  check.set_url("https://host.example/a/b.pt");
  check.set_missing_help("line one\nline two");
  spec.set_fact_rules("custom");
  specpb::FactRule& rule = *spec.add_facts();
  rule.set_kind(specpb::FactRule::PROGRESS);
  rule.set_pattern("batch (?P<counter>[0-9]+): .* 'x' \"y\" #");
  rule.set_fault(specpb::OURS);
  ASSERT_THAT(ValidateSpec(spec), IsEmpty());
  const std::string text = FormatFleetFile(spec);
  const auto back = ParseFleetFile(text, "f.yaml");
  ASSERT_THAT(back, IsOk()) << text;
  EXPECT_TRUE(MessageDifferencer::Equals(*back, spec)) << text;
  EXPECT_EQ(FormatFleetFile(*back), text);
}

TEST(FleetFile, NamesAFileThatCannotBeRead) {
  EXPECT_THAT(LoadFleetFile("no/such/fleet.yaml"),
              StatusIs(StatusCode::kNotFound, HasSubstr("no/such/fleet.yaml: cannot be read")));
}

TEST(FleetFile, FindsTheLineOfAFieldThatIsWrongElsewhere) {
  const std::string path = ::testing::TempDir() + "/muster-place-" + std::to_string(getpid());
  std::ofstream(path) << "name: zeb\n"
                         "launch:\n"
                         "  image: a/b\n"
                         "  env: {WORKER_ID: x,\n"
                         "        HF_TOKEN: env:HF_TOKEN}\n"
                         "preflight:\n"
                         "  - name: weights\n"
                         "    bearer: env:HF_TOKEN\n";
  EXPECT_EQ(PlaceInFile(path, "launch.env.HF_TOKEN"), path + ":5");
  EXPECT_EQ(PlaceInFile(path, "preflight.weights.bearer"), path + ":8");
  EXPECT_EQ(PlaceInFile(path, "launch.image_login"), path + ":2");
  EXPECT_EQ(PlaceInFile(path, "workers"), path);
  EXPECT_EQ(PlaceInFile("/nonexistent/fleet.yaml", "name"), "/nonexistent/fleet.yaml");
  std::remove(path.c_str());
}

TEST(FleetFile, SurvivesAnyMutationOfAGoodFile) {
  const std::string good = FormatFleetFile(Parsed(kMinimal)) +
                           "preflight: [{name: w, url: 'https://h/x'}]\nquota: {name: hf}\n";
  const std::string spice = "{}[]:,-&*!|>'\"%@`#?\n\t 0$~<\x80\xff";
  Rng rng(7);
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = good;
    for (int edits = 1 + static_cast<int>(rng.Below(6)); edits > 0; --edits) {
      const std::size_t at = rng.Below(text.size());
      switch (rng.Below(4)) {
        case 0:
          text[at] = spice[rng.Below(spice.size())];
          break;
        case 1:
          text.erase(at, 1 + rng.Below(20));
          break;
        case 2:
          text.insert(at, 1, spice[rng.Below(spice.size())]);
          break;
        case 3:
          text.insert(at, text.substr(rng.Below(text.size()), rng.Below(30)));
          break;
      }
    }
    const auto spec = ParseFleetFile(text, "f.yaml");
    if (spec.ok()) {
      ++accepted;
      EXPECT_THAT(ValidateSpec(*spec), IsEmpty());
      const auto back = ParseFleetFile(FormatFleetFile(*spec), "f.yaml");
      ASSERT_THAT(back, IsOk()) << text;
      EXPECT_TRUE(MessageDifferencer::Equals(*back, *spec)) << text;
    } else {
      EXPECT_THAT(std::string(Message(spec.status())), HasSubstr("f.yaml"));
    }
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace muster
