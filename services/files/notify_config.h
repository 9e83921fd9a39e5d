// NotifyConfig: the section `notify` of the daemon's configuration: who is told what happens.
//
//   notify:
//     targets:
//       pager: {webhook: https://hooks.example/muster, key: env:HOOK_KEY}
//       phone: {ntfy: https://ntfy.sh/my-fleet, token: env:NTFY_TOKEN}
//       chat: {slack: env:SLACK_URL}
//       script: {command: [/usr/local/bin/tell, --loud]}
//     rules:
//       - {severity: critical, to: [pager, phone]}
//       - {kinds: [worker-condemned], fleets: [zeb], to: chat}
//
// Plain values, freely copied; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/events/notice_kinds.h"

namespace muster {

struct NotifyTargetConfig {
  enum class Type { kWebhook, kNtfy, kSlack, kCommand };
  Type type = Type::kWebhook;
  std::string url;                   // or a secret reference to it; of ntfy without the topic
  std::string topic;                 // ntfy
  std::string key_ref;               // webhook: of the signature; empty = not signed
  std::string token_ref;             // a bearer token; may be empty
  std::vector<std::string> command;  // an absolute path and its arguments
  absl::Duration timeout = absl::Seconds(20);
  int per_hour = 30;  // messages, and so many at once:
  int burst = 5;
  bool operator==(const NotifyTargetConfig&) const = default;
};

// What is not named matches all.
struct NotifyRuleConfig {
  std::vector<std::string> to;
  std::vector<std::string> kinds;
  std::vector<std::string> rules;
  std::vector<std::string> fleets;
  Severity severity = Severity::kInfo;  // at least
  bool operator==(const NotifyRuleConfig&) const = default;
};

struct NotifyConfig {
  std::map<std::string, NotifyTargetConfig> targets;  // by name
  std::vector<NotifyRuleConfig> rules;  // none: every target is told of warnings and worse
  absl::Duration repeat_after = absl::Minutes(15);
  int digest_above = 10;
  // When something is an alert.
  double short_below = 0.75;
  absl::Duration short_for = absl::Minutes(30);
  double budget_near = 0.9;
  absl::Duration blind_for = absl::Minutes(15);
  std::int64_t disk_low_bytes = 2'000'000'000;
  bool operator==(const NotifyConfig&) const = default;
};

namespace files {
class Section;
// Problems go to the section's.
NotifyConfig ReadNotify(Section section);
}  // namespace files

}  // namespace muster
