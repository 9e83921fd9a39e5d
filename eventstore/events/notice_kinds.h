// What people can be told of, one line per kind: its name in configurations, messages and routing,
// and how urgent it is. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace muster {

enum class Severity { kInfo, kWarning, kCritical };
inline constexpr std::array<std::string_view, 3> kSeverityWords = {"info", "warning", "critical"};
inline std::string_view SeverityWord(Severity severity) {
  return kSeverityWords[static_cast<std::size_t>(severity)];
}

struct NoticeKind {
  std::string_view name;
  Severity severity;
  std::string_view what;
};

// By name.
inline constexpr std::array<NoticeKind, 24> kNoticeKinds = {{
    {"blind", Severity::kWarning, "nothing was observed of a provider for long"},
    {"budget-near", Severity::kWarning, "nine tenths of a fleet's budget of the day are spent"},
    {"budget-reached", Severity::kWarning, "a budget keeps a fleet from renting"},
    {"builder-silent", Severity::kWarning, "a builder in service does not answer for long"},
    {"credit-wait", Severity::kCritical, "the account lacks credit: nothing is launched"},
    {"disk-low", Severity::kCritical, "the log's file system is nearly full"},
    {"effects-refused", Severity::kCritical, "the provider refuses to destroy or to launch"},
    {"fleet-changed", Severity::kInfo, "a fleet was applied, scaled, taken down, or has ended"},
    {"fleet-short", Severity::kWarning, "a fleet is below its size for long"},
    {"host-struck", Severity::kInfo, "a machine was struck for a worker's failure"},
    {"key-refused", Severity::kCritical, "the provider refuses our key"},
    {"log-chain", Severity::kCritical, "the log is not as it was written"},
    {"log-unwritable", Severity::kCritical, "the log cannot be written: muster has stopped acting"},
    {"orphan", Severity::kWarning, "a paid machine that no worker accounts for"},
    {"preflight", Severity::kWarning, "what a fleet needs is missing: nothing is launched"},
    {"provider-down", Severity::kWarning, "the provider does not answer"},
    {"server-changed", Severity::kInfo, "a dedicated server was ordered, serves, or is given back"},
    {"server-stray", Severity::kWarning, "a dedicated server is paid for that no order explains"},
    {"server-stuck", Severity::kWarning, "a dedicated server goes on only when somebody looks"},
    {"server-vanished", Severity::kCritical, "the provider took a dedicated server away"},
    {"strikes-suspended", Severity::kWarning, "many machines fail alike: the fault may be ours"},
    {"throttled", Severity::kWarning, "the provider refuses calls as too many"},
    {"worker-condemned", Severity::kWarning, "a worker failed and is destroyed"},
    {"worker-vanished", Severity::kWarning, "a worker was gone without being destroyed"},
}};

// nullptr when there is none of this name.
inline const NoticeKind* FindNoticeKind(std::string_view name) {
  const auto* const found =
      std::find_if(kNoticeKinds.begin(), kNoticeKinds.end(),
                   [name](const NoticeKind& kind) { return kind.name == name; });
  return found == kNoticeKinds.end() ? nullptr : found;
}

}  // namespace muster
