// The section `notify`: what it can say, and how it is told what it says wrong.
#include "services/files/notify_config.h"

#include "services/files/daemon_config.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Type = NotifyTargetConfig::Type;

std::string Text(std::string_view notify) {
  return Cat("providers: {vast: {api_key: env:K}}\nnotify:\n", notify);
}
std::string ErrorOf(std::string_view notify) {
  const auto config = ParseDaemonConfig(Text(notify), "d.yaml");
  return config.ok() ? "accepted" : std::string(Message(config.status()));
}
NotifyConfig Parsed(std::string_view notify) {
  const auto config = ParseDaemonConfig(Text(notify), "d.yaml");
  EXPECT_THAT(config, IsOk());
  return config.ok() ? config->notify : NotifyConfig();
}

TEST(NotifyConfig, WithoutTheSectionNobodyIsTold) {
  const auto config = ParseDaemonConfig("providers: {vast: {api_key: env:K}}\n", "d.yaml");
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(config->notify.targets, IsEmpty());
  EXPECT_EQ(config->notify, NotifyConfig());
}

TEST(NotifyConfig, ReadsEverySetting) {
  const NotifyConfig config = Parsed(R"(
  targets:
    pager: {webhook: https://hooks.example/m, key: env:HOOK_KEY, token: env:T, per_hour: 60, burst: 9}
    phone: {ntfy: https://ntfy.sh/my-fleet, token: file:/run/ntfy, timeout: 5s}
    chat: {slack: env:SLACK_URL}
    script: {command: [/usr/local/bin/tell, --loud]}
  rules:
    - {severity: critical, to: [pager, phone]}
    - {kinds: [worker-condemned, orphan], rules: [no-progress], fleets: [zeb], to: chat}
  repeat_after: 1h
  digest_above: 20
  fleet_short: {below: 50%, for: 10m}
  budget_near: 80%
  blind_for: 20m
  disk_low: 500MB
)");
  const NotifyTargetConfig& pager = config.targets.at("pager");
  EXPECT_EQ(pager.type, Type::kWebhook);
  EXPECT_EQ(pager.url, "https://hooks.example/m");
  EXPECT_EQ(pager.key_ref, "env:HOOK_KEY");
  EXPECT_EQ(pager.token_ref, "env:T");
  EXPECT_EQ(pager.per_hour, 60);
  EXPECT_EQ(pager.burst, 9);
  const NotifyTargetConfig& phone = config.targets.at("phone");
  EXPECT_EQ(phone.type, Type::kNtfy);
  EXPECT_EQ(phone.url, "https://ntfy.sh");
  EXPECT_EQ(phone.topic, "my-fleet");
  EXPECT_EQ(phone.timeout, absl::Seconds(5));
  EXPECT_EQ(config.targets.at("chat").url, "env:SLACK_URL");
  EXPECT_THAT(config.targets.at("script").command, ElementsAre("/usr/local/bin/tell", "--loud"));
  ASSERT_EQ(config.rules.size(), 2u);
  EXPECT_EQ(config.rules[0].severity, Severity::kCritical);
  EXPECT_THAT(config.rules[0].to, ElementsAre("pager", "phone"));
  EXPECT_THAT(config.rules[1].kinds, ElementsAre("worker-condemned", "orphan"));
  EXPECT_THAT(config.rules[1].rules, ElementsAre("no-progress"));
  EXPECT_THAT(config.rules[1].fleets, ElementsAre("zeb"));
  EXPECT_THAT(config.rules[1].to, ElementsAre("chat"));
  EXPECT_EQ(config.repeat_after, absl::Hours(1));
  EXPECT_EQ(config.digest_above, 20);
  EXPECT_EQ(config.short_below, 0.5);
  EXPECT_EQ(config.short_for, absl::Minutes(10));
  EXPECT_EQ(config.budget_near, 0.8);
  EXPECT_EQ(config.blind_for, absl::Minutes(20));
  EXPECT_EQ(config.disk_low_bytes, 500'000'000);
}

TEST(NotifyConfig, EachMistakeIsToldWithItsLineAndWhatWasExpected) {
  struct Case {
    std::string_view text, told;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"  targets: {a: {}}\n", "notify.targets.a: says not how it is reached"},
           {"  targets: {a: {webhook: https://h/x, slack: env:S}}\n", "is reached twice"},
           {"  targets: {a: {webhok: https://h/x}}\n", "did you mean \"webhook\"?"},
           {"  targets: {A b: {slack: env:S}}\n", "is no name"},
           {"  targets: {a: {webhook: ftp://h/x}}\n", "expected https://HOST/PATH"},
           {"  targets: {a: {webhook: http://far.example/x}}\n", "expected https://HOST/PATH"},
           {"  targets: {a: {ntfy: https://ntfy.sh}}\n", "expected https://SERVER/TOPIC"},
           {"  targets: {a: {ntfy: env:URL}}\n", "expected https://SERVER/TOPIC"},
           {"  targets: {a: {slack: env:S, key: env:K}}\n", "beside webhook only"},
           {"  targets: {a: {command: [tell]}}\n", "an absolute path"},
           {"  targets: {a: {command: []}}\n", "an absolute path"},
           {"  targets: {a: {command: [/bin/tell, env:TOKEN]}}\n", "arguments are seen"},
           {"  targets: {a: {command: [/bin/tell], token: env:T}}\n", "beside a URL only"},
           {"  targets: {a: {slack: env:S, per_hour: 0}}\n", "expected 1 to 100000"},
           {"  targets: {a: {slack: env:S, timeout: 10m}}\n", "expected 1s to 5m"},
           {"  rules: [{kinds: [orphan]}]\n", "notify.rules[0].to: is missing"},
           {"  rules: [{to: [nobody]}]\n", "\"nobody\" is not known"},
           {"  targets: {a: {slack: env:S}}\n  rules: [{to: a, kinds: [orphans]}]\n",
            "did you mean \"orphan\"?"},
           {"  targets: {a: {slack: env:S}}\n  rules: [{to: a, severity: loud}]\n",
            "one of info, warning, critical"},
           {"  targets: {a: {slack: env:S}}\n  rules: [{to: a, kind: [orphan]}]\n",
            "did you mean \"kinds\"?"},
           {"  fleet_short: {below: 150%}\n", "at most 100%"},
           {"  disk_low: 5\n", "unit"},
           {"  repeat_after: 0s\n", "out of range"}}) {
    const std::string error = ErrorOf(one.text);
    EXPECT_THAT(error, HasSubstr(one.told)) << one.text;
    const bool second = one.text.find("\n  rules") != std::string_view::npos;
    EXPECT_THAT(error, HasSubstr(second ? "d.yaml:4:" : "d.yaml:3:")) << one.text << error;
  }
}

TEST(NotifyConfig, AnAddressThatMayBeAKeyIsNeverShown) {
  for (const char* text : {"  targets: {a: {slack: 'https://u:hunter2@chat.example/x'}}\n",
                           "  targets: {a: {slack: 'http://chat.example/hunter2'}}\n",
                           "  targets: {a: {webhook: https://h/x, key: hunter2}}\n",
                           "  targets: {a: {ntfy: 'https://ntfy.sh/hunter2/'}}\n"}) {
    const std::string error = ErrorOf(text);
    EXPECT_THAT(error, HasSubstr("expected")) << text;
    EXPECT_THAT(error, Not(HasSubstr("hunter2"))) << text;
  }
}

}  // namespace
}  // namespace muster
