// The rules of a FleetSpec as a message: defaults, violations, differences.
#include "services/files/spec_check.h"

#include <google/protobuf/util/message_differencer.h>

#include <cmath>
#include <limits>

#include "muster/spec/v1/fleet.pb.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

specpb::FleetSpec Filled() {
  specpb::FleetSpec spec;
  spec.set_name("zeb");
  spec.set_workers(4);
  FillDefaults(spec);
  return spec;
}

std::vector<std::string> FieldsOf(const std::vector<Violation>& violations) {
  std::vector<std::string> fields;
  for (const Violation& violation : violations) fields.push_back(violation.field);
  return fields;
}

TEST(SpecCheck, ANameAndASizeMakeAFleet) { EXPECT_THAT(ValidateSpec(Filled()), IsEmpty()); }

TEST(SpecCheck, FillingTwiceChangesNothing) {
  specpb::FleetSpec spec = Filled();
  const specpb::FleetSpec once = spec;
  FillDefaults(spec);
  EXPECT_TRUE(MessageDifferencer::Equals(once, spec));
}

TEST(SpecCheck, DefaultsNeverTouchWhatWasSaid) {
  specpb::FleetSpec spec;
  spec.set_name("zeb");
  spec.mutable_strikes()->set_limit(5);  // and so, with this section there, for ever
  spec.mutable_timers()->set_boot_s(1200);
  spec.mutable_market()->add_gpus()->set_name("RTX 3090");
  FillDefaults(spec);
  EXPECT_EQ(spec.workers(), 0);
  EXPECT_EQ(spec.strikes().limit(), 5);
  EXPECT_EQ(spec.strikes().expiry_s(), 0);
  EXPECT_EQ(spec.timers().boot_s(), 1200);
  EXPECT_EQ(spec.timers().setup_s(), 600);
  EXPECT_EQ(spec.market().gpus_size(), 1);
}

TEST(SpecCheck, CustomFactsNeedNoWord) {
  specpb::FleetSpec spec;
  spec.add_facts()->set_kind(specpb::FactRule::PROGRESS);
  FillDefaults(spec);
  EXPECT_EQ(spec.fact_rules(), "custom");
}

TEST(SpecCheck, AnEmptySpecIsWrongInEveryPartAndCrashesNothing) {
  const std::vector<Violation> violations = ValidateSpec(specpb::FleetSpec());
  EXPECT_GT(violations.size(), 25u);
  for (const Violation& violation : violations) {
    EXPECT_THAT(violation.description, HasSubstr("expected")) << violation.field;
  }
}

TEST(SpecCheck, RefusesNumbersThatAreNone) {
  specpb::FleetSpec spec = Filled();
  spec.mutable_market()->set_reliability_min(std::nan(""));
  spec.mutable_market()->set_rate_default_per_s(std::numeric_limits<double>::infinity());
  spec.mutable_market()->mutable_gpus(0)->set_rate_per_s(-1);
  spec.mutable_upgrades()->set_gain_min(std::nan(""));
  EXPECT_THAT(FieldsOf(ValidateSpec(spec)),
              ElementsAre("market.gpus[0].rate_per_s", "market.rate_default_per_s",
                          "market.reliability_min", "upgrades.gain_min"));
}

TEST(SpecCheck, HoldsThresholdsAtJustUnderAndJustOver) {
  specpb::FleetSpec spec = Filled();
  const auto price_ok = [&](std::int64_t micros) {
    spec.mutable_market()->set_price_max_micro_usd_per_hour(micros);
    return ValidateSpec(spec).empty();
  };
  EXPECT_FALSE(price_ok(999));
  EXPECT_TRUE(price_ok(1000));
  EXPECT_TRUE(price_ok(128'000'000));
  EXPECT_FALSE(price_ok(128'000'001));
  EXPECT_TRUE(price_ok(90'000));
  const auto onstart_ok = [&](std::size_t bytes) {
    spec.mutable_launch()->set_onstart(std::string(bytes, 'x'));
    return ValidateSpec(spec).empty();
  };
  EXPECT_TRUE(onstart_ok(4096));
  EXPECT_FALSE(onstart_ok(4097));
}

TEST(SpecCheck, TheStartScriptIsText) {
  specpb::FleetSpec spec = Filled();
  spec.mutable_launch()->set_onstart("echo \xff");
  EXPECT_THAT(FieldsOf(ValidateSpec(spec)), ElementsAre("launch.onstart"));
}

TEST(SpecCheck, UnknownEnumValuesOfANewerClientAreRefused) {
  specpb::FleetSpec spec = Filled();
  spec.set_orphans(static_cast<specpb::OrphanPolicy>(77));
  EXPECT_THAT(FieldsOf(ValidateSpec(spec)), ElementsAre("orphans"));
}

TEST(SpecCheck, ForeignClientsSendNoSecretsInClear) {
  specpb::FleetSpec spec = Filled();
  (*spec.mutable_launch()->mutable_env())["HF_TOKEN"] = "hunter2hunter2";
  spec.mutable_launch()->set_image_login_ref("-u me -p hunter2hunter2");
  const std::vector<Violation> violations = ValidateSpec(spec);
  EXPECT_THAT(FieldsOf(violations), ElementsAre("launch.image_login_ref", "launch.env.HF_TOKEN"));
  for (const Violation& violation : violations) {
    EXPECT_THAT(violation.description, testing::Not(HasSubstr("hunter2")));
  }
}

TEST(SpecCheck, FilePathsLoseTheUnitOfTheMessageField) {
  const std::pair<const char*, const char*> table[] = {
      {"market.price_max_micro_usd_per_hour", "market.price_max"},
      {"market.rate_default_per_s", "market.rate_default"},
      {"market.inet_down_mbps_min", "market.inet_down_min"},
      {"market.remaining_s_min", "market.remaining_min"},
      {"market.samples_min", "market.samples_min"},
      {"market.gpus[2].rate_per_s", "market.gpus[2].rate"},
      {"launch.image_login_ref", "launch.image_login"},
      {"launch.disk_gb", "launch.disk"},
      {"launch.env.HF_TOKEN", "launch.env.HF_TOKEN"},
      {"timers.boot_s", "timers.boot"},
      {"timers.log_tail_lines", "timers.log_tail_lines"},
      {"budget.per_hour_micro_usd", "budget.per_hour"},
      {"budget.total_micro_usd", "budget.total"},
      {"quota.limit_per_hour", "quota.limit_per_hour"},
      {"quota.interval_s_min", "quota.interval_min"},
      {"upgrades.payback_s_max", "upgrades.payback_max"},
      {"strikes.common_cause_window_s", "strikes.common_cause_window"},
  };
  for (const auto& [message, file] : table) EXPECT_EQ(FilePathOf(message), file);
}

TEST(SpecDiff, SaysWhatChangedInTheWordsOfFleetFiles) {
  const specpb::FleetSpec before = Filled();
  specpb::FleetSpec after = before;
  EXPECT_THAT(DiffSpecs(before, after), IsEmpty());
  after.set_workers(8);
  after.mutable_market()->set_price_max_micro_usd_per_hour(100'000);
  after.mutable_market()->mutable_gpus()->RemoveLast();
  after.mutable_launch()->set_onstart("a\nb\n");
  (*after.mutable_launch()->mutable_env())["HF_TOKEN"] = "env:HF_TOKEN";
  EXPECT_THAT(
      DiffSpecs(before, after),
      ElementsAre("workers: 4 -> 8", "market.price_max: $0.09/h -> $0.10/h",
                  "launch.onstart: new, 2 lines, 4 bytes", "launch.env.HF_TOKEN: new, env:HF_TOKEN",
                  "market.gpus.RTX 4070 Ti: gone, was 2.8 games/s"));
}

TEST(SpecDiff, WhatWasLeftOutEqualsItsDefault) {
  specpb::FleetSpec bare;
  bare.set_name("zeb");
  bare.set_workers(4);
  EXPECT_THAT(DiffSpecs(bare, Filled()), IsEmpty());
}

}  // namespace
}  // namespace muster
