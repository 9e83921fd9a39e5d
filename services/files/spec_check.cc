#include "services/files/spec_check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "eventstore/base/strings.h"
#include "muster/spec/v1/fleet.pb.h"
#include "re2/re2.h"
#include "services/files/human_units.h"
#include "services/files/problems.h"
#include "services/files/secret_shape.h"
#include "services/files/yaml_section.h"

namespace muster {
namespace {

using files::HasSecretRefForm;
using files::HasUserInfo;
using files::HoldsASecret;
using files::NamesASecret;

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kDollar = 1'000'000;
constexpr int kWorkersMax = 10'000;
constexpr std::size_t kOnstartBytesMax = 4096;  // Vast.ai's limit
constexpr std::size_t kLabelBytesMax = 240;     // 256 at Vast.ai, less the launch token
constexpr std::size_t kEnvBytesMax = 32'768;

class Checker {
 public:
  explicit Checker(const specpb::FleetSpec& spec) : spec_(spec) {}

  std::vector<Violation> Run() {
    Identity();
    MarketRules(spec_.market());
    LaunchRules(spec_.launch());
    TimerRules(spec_.timers());
    FactRules();
    StrikeRules(spec_.strikes());
    BudgetRules(spec_.budget());
    if (spec_.has_quota()) QuotaRules(spec_.quota());
    PreflightRules();
    UpgradeRules(spec_.upgrades());
    if (!specpb::OrphanPolicy_IsValid(spec_.orphans())) {
      Add("orphans", Cat(spec_.orphans(), " is not known; expected report, adopt or destroy"));
    }
    return std::move(found_);
  }

 private:
  void Add(std::string_view field, std::string_view what) {
    found_.push_back({std::string(field), std::string(what)});
  }

  void Span(std::string_view field, std::int64_t seconds, std::int64_t least, std::int64_t most) {
    if (seconds >= least && seconds <= most) return;
    Add(field, Cat(seconds < 0 ? Cat(seconds, "s") : SpanText(seconds),
                   " is out of range; expected ", SpanText(least), " to ", SpanText(most)));
  }
  void Count(std::string_view field, std::int64_t count, std::int64_t least, std::int64_t most) {
    if (count >= least && count <= most) return;
    Add(field, Cat(count, " is out of range; expected ", least, " to ", most));
  }
  void Ratio(std::string_view field, double ratio, double most) {
    if (ratio >= 0 && ratio <= most) return;  // NaN is outside as well
    Add(field, Cat(std::isfinite(ratio) ? Cat(ratio * 100, "%") : "not a number",
                   " is out of range; expected 0% to ", most * 100, "%"));
  }
  void NotNegative(std::string_view field, double number, double most) {
    if (number >= 0 && number <= most) return;
    Add(field, Cat(std::isfinite(number) ? Cat(number) : "not a number",
                   " is out of range; expected 0 to ", most));
  }
  void Money(std::string_view field, std::int64_t micros, std::int64_t most) {
    if (micros >= 0 && micros <= most) return;
    Add(field, Cat(micros < 0 ? Cat("-", MoneyText(-micros)) : MoneyText(micros),
                   " is out of range; expected $0.00 to ", MoneyText(most)));
  }

  // A secret must not even stand in a text that is stored and shown.
  void Clear(std::string_view field, const std::string& text) {
    if (!HoldsASecret(text)) return;
    Add(field, "holds what looks like a token; expected secrets in env as references, env:NAME");
  }

  void Identity();
  void MarketRules(const specpb::Market& m);
  void GpuRules(const specpb::Market& m);
  void LaunchRules(const specpb::Launch& m);
  void EnvRules(const specpb::Launch& m);
  void PlaceRules(std::string_view field, const std::string& text,
                  const std::vector<std::string>& places);
  void TimerRules(const specpb::Timers& m);
  void FactRules();
  void FactRuleAt(int i, const specpb::FactRule& rule);
  void StrikeRules(const specpb::StrikePolicy& m);
  void BudgetRules(const specpb::Budget& m);
  void QuotaRules(const specpb::SharedQuota& m);
  void PreflightRules();
  void UpgradeRules(const specpb::Upgrades& m);

  const specpb::FleetSpec& spec_;
  std::vector<Violation> found_;
};

bool Matches(const std::string& text, const char* pattern) { return RE2::FullMatch(text, pattern); }

void Checker::Identity() {
  if (!Matches(spec_.name(), "[a-z][a-z0-9-]{0,62}")) {
    Add("name", Cat(Quoted(spec_.name()),
                    " is no fleet name; expected a lower-case letter, then up to 62 of a-z 0-9 -"));
  }
  if (spec_.provider() != "vast") {
    Add("provider", Cat(Quoted(spec_.provider()), " is not known; expected vast"));
  }
  Count("workers", spec_.workers(), 0, kWorkersMax);
  if (!Matches(spec_.work_unit(), "[a-z][a-z0-9_-]{0,30}")) {
    Add("work_unit", Cat(Quoted(spec_.work_unit()), " is no unit; expected a word such as games"));
  }
}

void Checker::GpuRules(const specpb::Market& m) {
  if (m.gpus().empty()) Add("market.gpus", "is empty; expected at least one GPU");
  std::set<std::string> seen;
  for (int i = 0; i < m.gpus_size(); ++i) {
    const specpb::GpuExpectation& gpu = m.gpus(i);
    const std::string field = Cat("market.gpus[", i, "]");
    if (gpu.name().empty() || Trim(gpu.name()) != gpu.name() || gpu.name().size() > 64 ||
        absl::StrContains(gpu.name(), "_")) {
      Add(field + ".name",
          Cat(Quoted(gpu.name()), " is no GPU name; expected it as offered, such as RTX 3070 Ti"));
    } else if (!seen.insert(gpu.name()).second) {
      Add(field + ".name", Cat(Quoted(gpu.name()), " is here twice; expected it once"));
    }
    NotNegative(field + ".rate_per_s", gpu.rate_per_s(), 1e9);
  }
}

void Checker::MarketRules(const specpb::Market& m) {
  const std::int64_t price = m.price_max_micro_usd_per_hour();
  if (price < kDollar / 1000 || price > 128 * kDollar) {
    Add("market.price_max_micro_usd_per_hour",
        Cat(price < 0 ? Cat("-", PriceText(-price)) : PriceText(price),
            " is out of range; expected $0.001/h to $128.00/h"));
  }
  GpuRules(m);
  NotNegative("market.rate_default_per_s", m.rate_default_per_s(), 1e9);
  if (m.rate_default_per_s() == 0) {
    Add("market.rate_default_per_s", "is zero; expected what an unlisted GPU does, above 0");
  }
  Ratio("market.reliability_min", m.reliability_min(), 1);
  NotNegative("market.cuda_min", m.cuda_min(), 100);
  NotNegative("market.inet_down_mbps_min", m.inet_down_mbps_min(), 1e6);
  NotNegative("market.inet_up_mbps_min", m.inet_up_mbps_min(), 1e6);
  Span("market.remaining_s_min", m.remaining_s_min(), 0, 365 * kDay);
  for (int i = 0; i < m.countries_size(); ++i) {
    if (Matches(m.countries(i), "[A-Z]{2}")) continue;
    Add(Cat("market.countries[", i, "]"),
        Cat(Quoted(m.countries(i)), " is no country; expected two capital letters such as SE"));
  }
  Count("market.gpus_per_machine", m.gpus_per_machine(), 1, 16);
  Count("market.samples_min", m.samples_min(), 1, 1000);
  const std::int64_t bid = m.bid_micro_usd_per_hour();
  if (bid != 0 && (bid < kDollar / 1000 || bid > price)) {
    Add("market.bid_micro_usd_per_hour",
        Cat(bid < 0 ? Cat("-", PriceText(-bid)) : PriceText(bid),
            " is out of range; expected $0.001/h up to the price limit, or on-demand"));
  }
  Ratio("market.preferred_bonus", m.preferred_bonus(), 1);
}

// A place such as {index} that is not known would reach the machine as it stands.
void Checker::PlaceRules(std::string_view field, const std::string& text,
                         const std::vector<std::string>& places) {
  re2::StringPiece rest(text);
  std::string place;
  while (RE2::FindAndConsume(&rest, R"((\{[^{}]*\}))", &place)) {
    if (std::find(places.begin(), places.end(), place) != places.end()) continue;
    Add(field, Cat(Quoted(place), " is no known place; expected ", absl::StrJoin(places, ", "),
                   DidYouMean(place, places)));
  }
  if (!absl::StrContains(text, "{index}")) {
    Add(field, Cat(Quoted(text), " is the same for every worker; expected {index} in it"));
  }
}

void Checker::LaunchRules(const specpb::Launch& m) {
  if (m.image().empty() || m.image().size() > 1024 ||
      m.image().find_first_of(" \t\r\n") != std::string::npos) {
    Add("launch.image",
        Cat(Quoted(m.image()), " is no image; expected one such as pytorch/pytorch:2.6.0-runtime"));
  }
  if (!m.image_login_ref().empty() && !HasSecretRefForm(m.image_login_ref())) {
    Add("launch.image_login_ref",
        "the value is not shown; expected a secret reference, env:NAME or file:/PATH");
  }
  if (m.disk_gb() < 8 || m.disk_gb() > 100'000) {
    Add("launch.disk_gb", Cat(m.disk_gb(), "GB is out of range; expected 8GB to 100000GB"));
  }
  if (m.onstart().size() > kOnstartBytesMax) {
    Add("launch.onstart", Cat("is ", m.onstart().size(), " bytes long; expected at most ",
                              kOnstartBytesMax, " (fetch the rest in the script)"));
  }
  if (ToValidUtf8(m.onstart()) != m.onstart() || m.onstart().find('\0') != std::string::npos) {
    Add("launch.onstart", "holds bytes that are no text; expected a script in UTF-8");
  }
  Clear("launch.onstart", m.onstart());
  Clear("launch.image", m.image());
  Clear("launch.label", m.label());
  Clear("launch.worker_name", m.worker_name());
  static const std::set<std::string> kRuntypes = {
      "ssh",     "ssh_direct",     "ssh_proxy",     "ssh_direc", "ssh_direc ssh_proxy",
      "jupyter", "jupyter_direct", "jupyter_proxy", "args"};
  if (kRuntypes.count(m.runtype()) == 0) {
    Add("launch.runtype",
        Cat(Quoted(m.runtype()),
            " is not known; expected ssh_direct, ssh, ssh_proxy, jupyter or args"));
  }
  PlaceRules("launch.label", m.label(), {"{fleet}", "{index}"});
  if (m.label().size() + spec_.name().size() > kLabelBytesMax) {
    Add("launch.label", Cat("is ", m.label().size(), " bytes long; expected at most ",
                            kLabelBytesMax, " with the fleet's name"));
  }
  PlaceRules("launch.worker_name", m.worker_name(), {"{fleet}", "{index}"});
  EnvRules(m);
}

void Checker::EnvRules(const specpb::Launch& m) {
  std::size_t bytes = 0;
  const std::map<std::string, std::string> sorted(m.env().begin(), m.env().end());
  for (const auto& [key, value] : sorted) {
    bytes += key.size() + value.size();
    const std::string field = Cat("launch.env.", key);
    if (!Matches(key, R"([A-Za-z_][A-Za-z0-9_]{0,255}|-p [0-9]+:[0-9]+(/tcp|/udp)?)")) {
      Add("launch.env", Cat(Quoted(key), " is no variable; expected a name such as HF_TOKEN"));
    } else if (HoldsASecret(value) || (NamesASecret(key) && !HasSecretRefForm(value))) {
      Add(field, "the value is not shown; expected a secret reference, env:NAME or file:/PATH");
    } else if ((absl::StartsWith(value, "env:") || absl::StartsWith(value, "file:")) &&
               !HasSecretRefForm(value)) {
      Add(field, Cat(Quoted(value), " is no secret reference; expected env:NAME or file:/PATH"));
    }
  }
  if (bytes > kEnvBytesMax) {
    Add("launch.env", Cat("is ", bytes, " bytes in all; expected at most ", kEnvBytesMax));
  }
}

void Checker::TimerRules(const specpb::Timers& m) {
  Span("timers.boot_s", m.boot_s(), 10, kDay);
  Span("timers.setup_s", m.setup_s(), 10, kDay);
  Span("timers.warmup_s", m.warmup_s(), 10, kDay);
  Span("timers.no_progress_s", m.no_progress_s(), 10, 7 * kDay);
  Span("timers.error_grace_s", m.error_grace_s(), 1, kDay);
  Span("timers.offline_s", m.offline_s(), 10, 7 * kDay);
  Span("timers.log_poll_s", m.log_poll_s(), 1, kHour);
  Span("timers.log_timeout_s", m.log_timeout_s(), 1, 10 * kMinute);
  Span("timers.list_poll_s", m.list_poll_s(), 1, kHour);
  Span("timers.market_poll_s", m.market_poll_s(), 6, kHour);
  Span("timers.account_poll_s", m.account_poll_s(), 1, kHour);
  Span("timers.credit_probe_s", m.credit_probe_s(), 10, kDay);
  Span("timers.check_s", m.check_s(), 1, kHour);
  Span("timers.launch_timeout_s", m.launch_timeout_s(), 1, 10 * kMinute);
  Count("timers.log_tail_lines", m.log_tail_lines(), 1, 1000);
  Span("timers.launch_settle_s", m.launch_settle_s(), 1, kHour);
  Span("timers.launch_lookup_s", m.launch_lookup_s(), 1, 10 * kMinute);
  Span("timers.destroy_again_s", m.destroy_again_s(), 1, 10 * kMinute);
  Span("timers.launch_backoff_s", m.launch_backoff_s(), 1, kDay);
  Span("timers.launch_backoff_s_max", m.launch_backoff_s_max(), 1, kDay);
}

void Checker::FactRuleAt(int i, const specpb::FactRule& rule) {
  const std::string field = Cat("facts[", i, "]");
  if (rule.kind() == specpb::FactRule::KIND_UNSPECIFIED ||
      !specpb::FactRule::Kind_IsValid(rule.kind())) {
    Add(field + ".kind",
        "is missing; expected setup, started, progress, busy, error, harmless, "
        "no_container or broken");
  }
  if (!specpb::Fault_IsValid(rule.fault())) {
    Add(field + ".fault",
        Cat(rule.fault(), " is not known; expected machine, ours, account or nobody"));
  }
  Clear(field + ".name", rule.name());
  Clear(field + ".pattern", rule.pattern());
  if (rule.pattern().empty()) {
    return Add(field + ".pattern", "is empty; expected a regular expression (RE2)");
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  const RE2 regex(rule.pattern(), options);
  if (!regex.ok()) {
    return Add(field + ".pattern", Cat(Quoted(rule.pattern()), " is no regular expression: ",
                                       regex.error(), "; expected RE2 syntax"));
  }
  static const std::vector<std::string> kGroups = {"counter", "rate", "step", "total", "text"};
  for (const auto& [group, unused] : regex.NamedCapturingGroups()) {
    if (std::find(kGroups.begin(), kGroups.end(), group) != kGroups.end()) continue;
    Add(field + ".pattern", Cat("group ", Quoted(group), " is not known; expected ",
                                absl::StrJoin(kGroups, ", "), DidYouMean(group, kGroups)));
  }
  if (rule.kind() == specpb::FactRule::PROGRESS && !regex.NamedCapturingGroups().count("counter")) {
    Add(field + ".pattern", Cat(Quoted(rule.pattern()),
                                " has no counter; expected a group such as (?P<counter>[0-9]+)"));
  }
}

void Checker::FactRules() {
  if (spec_.fact_rules() == "custom") {
    if (spec_.facts().empty()) Add("facts", "is empty; expected rules, as fact_rules is custom");
    const bool progress = std::any_of(
        spec_.facts().begin(), spec_.facts().end(),
        [](const specpb::FactRule& rule) { return rule.kind() == specpb::FactRule::PROGRESS; });
    if (!spec_.facts().empty() && !progress) {
      Add("facts", "has no rule of kind progress; expected one, or every worker looks stuck");
    }
  } else if (spec_.fact_rules() != "zeb") {
    Add("fact_rules", Cat(Quoted(spec_.fact_rules()), " is not known; expected zeb or custom"));
  } else if (!spec_.facts().empty()) {
    Add("fact_rules", "is zeb while facts are listed; expected custom");
  }
  Count("facts", spec_.facts_size(), 0, 200);
  for (int i = 0; i < spec_.facts_size(); ++i) FactRuleAt(i, spec_.facts(i));
}

void Checker::StrikeRules(const specpb::StrikePolicy& m) {
  Count("strikes.limit", m.limit(), 1, 1000);
  Span("strikes.expiry_s", m.expiry_s(), 0, 3650 * kDay);
  Count("strikes.common_cause_min", m.common_cause_min(), 2, kWorkersMax);
  Span("strikes.common_cause_window_s", m.common_cause_window_s(), kMinute, kDay);
}

void Checker::BudgetRules(const specpb::Budget& m) {
  Money("budget.per_hour_micro_usd", m.per_hour_micro_usd(), 1'000'000 * kDollar);
  Money("budget.per_day_micro_usd", m.per_day_micro_usd(), 1'000'000 * kDollar);
  Money("budget.total_micro_usd", m.total_micro_usd(), 1'000'000 * kDollar);
}

void Checker::QuotaRules(const specpb::SharedQuota& m) {
  if (!Matches(m.name(), "[a-z][a-z0-9-]{0,62}")) {
    Add("quota.name",
        Cat(Quoted(m.name()), " is no name; expected one such as huggingface-commits"));
  }
  Count("quota.limit_per_hour", m.limit_per_hour(), 1, 1'000'000);
  Count("quota.aim_per_hour", m.aim_per_hour(), 1, std::max(1, m.limit_per_hour()));
  Span("quota.interval_s_min", m.interval_s_min(), 1, kDay);
}

void Checker::PreflightRules() {
  std::set<std::string> seen;
  for (int i = 0; i < spec_.preflight_size(); ++i) {
    const specpb::Preflight& check = spec_.preflight(i);
    const std::string field = Cat("preflight[", i, "]");
    if (check.name().empty() || !seen.insert(check.name()).second) {
      Add(field + ".name",
          Cat(Quoted(check.name()), " is empty or here twice; expected a name of its own"));
    }
    Clear(field + ".name", check.name());
    Clear(field + ".missing_help", check.missing_help());
    const bool https = absl::StartsWith(check.url(), "https://");
    const bool local = Matches(check.url(), R"(http://(127\.0\.0\.1|localhost|\[::1\])([:/].*)?)");
    if (HasUserInfo(check.url()) || HoldsASecret(check.url())) {
      Add(field + ".url",
          "the value is not shown; expected a URL without credentials (use bearer)");
    } else if (!Matches(check.url(), R"(https?://[A-Za-z0-9.\-\[\]:]+(/\S*)?)")) {
      Add(field + ".url", Cat(Quoted(check.url()), " is no URL; expected https://HOST/PATH"));
    } else if (!check.bearer_ref().empty() && !https && !local) {
      Add(field + ".url",
          Cat(Quoted(check.url()), " would carry the bearer in clear; expected https://"));
    }
    if (!check.bearer_ref().empty() && !HasSecretRefForm(check.bearer_ref())) {
      Add(field + ".bearer_ref",
          "the value is not shown; expected a secret reference, env:NAME or file:/PATH");
    }
  }
}

void Checker::UpgradeRules(const specpb::Upgrades& m) {
  Ratio("upgrades.gain_min", m.gain_min(), 10);
  Span("upgrades.payback_s_max", m.payback_s_max(), kMinute, 30 * kDay);
  Count("upgrades.per_hour_max", m.per_hour_max(), 1, 1000);
  Span("upgrades.cooldown_s", m.cooldown_s(), 0, 7 * kDay);
  Span("upgrades.trial_s_max", m.trial_s_max(), kMinute, kDay);
}

}  // namespace

std::vector<Violation> ValidateSpec(const specpb::FleetSpec& spec) { return Checker(spec).Run(); }

std::string FilePathOf(std::string_view message_path) {
  std::string path(message_path);
  static const RE2 kUnit(
      R"(_(micro_usd_per_hour|micro_usd|per_s|mbps|gb|ref|s)(_min|_max)?(\.|$))");
  RE2::GlobalReplace(&path, kUnit, R"(\2\3)");
  return path;
}

}  // namespace muster
