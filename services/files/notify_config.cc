#include "services/files/notify_config.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "re2/re2.h"
#include "services/files/human_units.h"
#include "services/files/problems.h"
#include "services/files/secret_shape.h"
#include "services/files/yaml_section.h"

namespace muster::files {
namespace {

using Type = NotifyTargetConfig::Type;

constexpr std::string_view kUrlExpected =
    "https://HOST/PATH without user and password, http:// to a loopback host, or a secret "
    "reference to such a URL";

bool IsTargetUrl(std::string_view url) {
  static const RE2 kHttps(
      R"(https://([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[^\s#]*)?)");
  static const RE2 kLocal(
      R"(http://(localhost|\[::1\]|127(\.[0-9]{1,3}){3})(:[0-9]{1,5})?(/[^\s#]*)?)");
  const re2::StringPiece text(url.data(), url.size());
  return !HasUserInfo(url) && (RE2::FullMatch(text, kHttps) || RE2::FullMatch(text, kLocal));
}

// The value is never shown: the URL of a hook often is its key.
void ReadUrl(Section& s, std::string_view key, std::string* out) {
  std::string url;
  if (!s.Text(key, &url)) return;
  if (!HasSecretRefForm(url) && !IsTargetUrl(url)) {
    s.problems().AddAt(s.PathOf(key), Cat("the value is not shown; expected ", kUrlExpected));
    return;
  }
  *out = url;
}

// "https://ntfy.sh/my-fleet" -> the server, and the topic.
void SplitTopic(Section& s, NotifyTargetConfig* target) {
  static const RE2 kTopic(R"((https?://[^/]+(?:/[^\s]*)?)/([A-Za-z0-9_\-]{1,64}))");
  const std::string whole = target->url;
  if (whole.empty() || RE2::FullMatch(whole, kTopic, &target->url, &target->topic)) return;
  s.problems().AddAt(s.PathOf("ntfy"),
                     "the value is not shown; expected https://SERVER/TOPIC, in clear");
}

void ReadCommand(Section& s, NotifyTargetConfig* target) {
  if (!s.Texts("command", &target->command)) return;
  if (target->command.empty() || target->command[0].substr(0, 1) != "/") {
    s.problems().AddAt(s.PathOf("command"),
                       "names no program; expected a list: an absolute path and its arguments");
  }
  for (std::size_t i = 1; i < target->command.size(); ++i) {
    if (!HasSecretRefForm(target->command[i])) continue;
    s.problems().AddAt(Cat(s.PathOf("command"), "[", i, "]"),
                       "is a secret reference; expected none: arguments are seen by everybody on "
                       "the machine, so let the program read its secrets itself");
  }
}

void ReadType(Section& s, NotifyTargetConfig* target) {
  static constexpr std::string_view kTypes[] = {"webhook", "ntfy", "slack", "command"};
  int found = 0;
  for (std::size_t i = 0; i < std::size(kTypes); ++i) {
    if (!s.Has(kTypes[i])) continue;
    ++found;
    target->type = static_cast<Type>(i);
  }
  if (found != 1) {
    s.problems().AddAt(s.path(), Cat(found == 0 ? "says not how it is reached" : "is reached twice",
                                     "; expected one of webhook, ntfy, slack, command"));
  }
  ReadUrl(s, "webhook", &target->url);
  ReadUrl(s, "slack", &target->url);
  ReadUrl(s, "ntfy", &target->url);
  if (s.Has("ntfy")) SplitTopic(s, target);
  ReadCommand(s, target);
  s.SecretRef("key", &target->key_ref);
  s.SecretRef("token", &target->token_ref);
  if (!target->key_ref.empty() && target->type != Type::kWebhook) {
    s.problems().AddAt(s.PathOf("key"), "signs nothing here; expected it beside webhook only");
  }
  if (!target->token_ref.empty() && target->type == Type::kCommand) {
    s.problems().AddAt(s.PathOf("token"), "goes nowhere; expected it beside a URL only");
  }
}

// A whole number of at least one.
void ReadPositive(Section& s, std::string_view key, int* out) {
  s.Read(
      key, "a whole number",
      [](std::string_view text) -> StatusOr<std::int64_t> {
        MUSTER_ASSIGN_OR_RETURN(const std::int64_t n, ParseCount(text));
        if (n < 1 || n > 100'000) return InvalidArgument("is out of range; expected 1 to 100000");
        return n;
      },
      [out](std::int64_t n) { *out = static_cast<int>(n); });
}

void ReadSpan(Section& s, std::string_view key, absl::Duration least, absl::Duration most,
              absl::Duration* out) {
  s.Read(
      key, "a time span such as 15m",
      [&](std::string_view text) -> StatusOr<std::int64_t> {
        MUSTER_ASSIGN_OR_RETURN(const std::int64_t span, ParseSpan(text));
        if (absl::Seconds(span) < least || absl::Seconds(span) > most) {
          return InvalidArgument(Cat("is out of range; expected ",
                                     SpanText(absl::ToInt64Seconds(least)), " to ",
                                     SpanText(absl::ToInt64Seconds(most))));
        }
        return span;
      },
      [out](std::int64_t span) { *out = absl::Seconds(span); });
}

void ReadShare(Section& s, std::string_view key, double* out) {
  s.Read(
      key, "a share such as 75%",
      [](std::string_view text) -> StatusOr<double> {
        MUSTER_ASSIGN_OR_RETURN(const double share, ParseRatio(text));
        if (share <= 0 || share > 1) {
          return InvalidArgument("is out of range; expected more than 0%, at most 100%");
        }
        return share;
      },
      [out](double share) { *out = share; });
}

NotifyTargetConfig ReadTarget(Section s) {
  NotifyTargetConfig target;
  ReadType(s, &target);
  ReadSpan(s, "timeout", absl::Seconds(1), absl::Minutes(5), &target.timeout);
  ReadPositive(s, "per_hour", &target.per_hour);
  ReadPositive(s, "burst", &target.burst);
  s.Finish();
  return target;
}

// Names of which each must be in `known`.
void ReadNames(Section& s, std::string_view key, const std::vector<std::string>& known,
               std::vector<std::string>* out) {
  if (!s.Texts(key, out)) return;
  if (out->empty()) s.problems().AddAt(s.PathOf(key), "is empty; expected names, or not this key");
  for (std::size_t i = 0; i < out->size(); ++i) {
    const std::string& name = (*out)[i];
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    s.problems().AddAt(Cat(s.PathOf(key), "[", i, "]"),
                       Cat(Quoted(name), " is not known; expected one of ",
                           absl::StrJoin(known, ", "), DidYouMean(name, known)));
  }
}

NotifyRuleConfig ReadRule(Section s, const std::vector<std::string>& targets) {
  static const auto* const kKinds = [] {
    auto* names = new std::vector<std::string>;
    for (const NoticeKind& kind : kNoticeKinds) names->emplace_back(kind.name);
    return names;
  }();
  static const std::vector<std::string> kSeverities(kSeverityWords.begin(), kSeverityWords.end());
  NotifyRuleConfig rule;
  if (!s.Has("to")) s.problems().AddAt(s.PathOf("to"), "is missing; expected names of targets");
  ReadNames(s, "to", targets, &rule.to);
  ReadNames(s, "kinds", *kKinds, &rule.kinds);
  s.Texts("rules", &rule.rules);
  s.Texts("fleets", &rule.fleets);
  int severity = 0;
  if (s.Choice("severity", kSeverities, &severity)) rule.severity = static_cast<Severity>(severity);
  s.Finish();
  return rule;
}

}  // namespace

NotifyConfig ReadNotify(Section s) {
  NotifyConfig config;
  Section targets = s.Map("targets");
  static const RE2 kName(R"([a-z0-9][a-z0-9_\-]{0,39})");
  std::vector<std::string> names;
  for (const std::string& name : targets.TakeKeys()) {
    if (!RE2::FullMatch(name, kName)) {
      s.problems().AddAt(targets.PathOf(name),
                         "is no name; expected small letters, digits, - and _, at most 40");
      continue;
    }
    names.push_back(name);
    config.targets[name] = ReadTarget(targets.Map(name));
  }
  for (Section& rule : s.Maps("rules")) config.rules.push_back(ReadRule(rule, names));
  ReadSpan(s, "repeat_after", absl::Seconds(1), absl::Hours(48), &config.repeat_after);
  ReadPositive(s, "digest_above", &config.digest_above);
  Section fleet_short = s.Map("fleet_short");
  ReadShare(fleet_short, "below", &config.short_below);
  ReadSpan(fleet_short, "for", absl::ZeroDuration(), absl::Hours(48), &config.short_for);
  fleet_short.Finish();
  ReadShare(s, "budget_near", &config.budget_near);
  ReadSpan(s, "blind_for", absl::Minutes(1), absl::Hours(48), &config.blind_for);
  s.Read("disk_low", "a size such as 2000MB", ParseSizeBytes,
         [&](std::int64_t bytes) { config.disk_low_bytes = bytes; });
  s.Finish();
  return config;
}

}  // namespace muster::files
