#include "services/files/spec_tree.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "eventstore/base/strings.h"
#include "muster/spec/v1/fleet.pb.h"
#include "services/files/human_units.h"
#include "services/files/spec_check.h"

namespace muster::files {
namespace {

std::string YesNo(bool value) { return value ? "true" : "false"; }
std::string CapText(std::int64_t micros) { return micros == 0 ? "none" : MoneyText(micros); }

void PutGpus(const specpb::FleetSpec& spec, Tree& market) {
  const std::vector<std::string>& known = KnownGpus();
  Tree& gpus = market.Map("gpus");
  for (const specpb::GpuExpectation& gpu : spec.market().gpus()) {
    const std::string rate =
        gpu.rate_per_s() == 0 ? "default" : RateText(gpu.rate_per_s(), spec.work_unit());
    if (std::find(known.begin(), known.end(), gpu.name()) != known.end()) {
      gpus.Put(gpu.name(), rate);
      continue;
    }
    Tree& entry = gpus.Map(gpu.name());
    entry.Put("rate", rate);
    entry.Put("custom", "true");
  }
}

void PutMarket(const specpb::FleetSpec& spec, Tree& root) {
  const specpb::Market& m = spec.market();
  Tree& t = root.Map("market");
  t.Put("price_max", PriceText(m.price_max_micro_usd_per_hour()));
  PutGpus(spec, t);
  t.Put("rate_default", RateText(m.rate_default_per_s(), spec.work_unit()));
  t.Put("reliability_min", RatioText(m.reliability_min()));
  t.Put("cuda_min", NumberText(m.cuda_min()));
  t.Put("inet_down_min", BandwidthText(m.inet_down_mbps_min()));
  t.Put("inet_up_min", BandwidthText(m.inet_up_mbps_min()));
  t.Put("remaining_min", SpanText(m.remaining_s_min()));
  t.Put("allow_unverified", YesNo(m.allow_unverified()));
  Tree& countries = t.List("countries");
  for (const std::string& country : m.countries()) {
    Tree& item = countries.Item();
    item.kind = Tree::Kind::kScalar;
    item.text = country;
  }
  t.Put("gpus_per_machine", Cat(m.gpus_per_machine()));
  t.Put("samples_min", Cat(m.samples_min()));
  t.Put("bid",
        m.bid_micro_usd_per_hour() == 0 ? "on-demand" : PriceText(m.bid_micro_usd_per_hour()));
  t.Put("preferred_bonus", RatioText(m.preferred_bonus()));
}

void PutLaunch(const specpb::Launch& m, Tree& root) {
  Tree& t = root.Map("launch");
  t.Put("image", m.image());
  if (!m.image_login_ref().empty()) t.Put("image_login", m.image_login_ref());
  t.Put("disk", SizeGbText(m.disk_gb()));
  if (!m.onstart().empty()) t.Put("onstart", m.onstart());
  Tree& env = t.Map("env");
  const std::map<std::string, std::string> sorted(m.env().begin(), m.env().end());
  for (const auto& [key, value] : sorted) env.Put(key, value);
  t.Put("runtype", m.runtype());
  t.Put("label", m.label());
  t.Put("worker_name", m.worker_name());
}

void PutTimers(const specpb::Timers& m, Tree& root) {
  Tree& t = root.Map("timers");
  t.Put("boot", SpanText(m.boot_s()));
  t.Put("setup", SpanText(m.setup_s()));
  t.Put("warmup", SpanText(m.warmup_s()));
  t.Put("no_progress", SpanText(m.no_progress_s()));
  t.Put("error_grace", SpanText(m.error_grace_s()));
  t.Put("offline", SpanText(m.offline_s()));
  t.Put("log_poll", SpanText(m.log_poll_s()));
  t.Put("log_timeout", SpanText(m.log_timeout_s()));
  t.Put("list_poll", SpanText(m.list_poll_s()));
  t.Put("market_poll", SpanText(m.market_poll_s()));
  t.Put("account_poll", SpanText(m.account_poll_s()));
  t.Put("credit_probe", SpanText(m.credit_probe_s()));
  t.Put("check", SpanText(m.check_s()));
  t.Put("launch_timeout", SpanText(m.launch_timeout_s()));
  t.Put("log_tail_lines", Cat(m.log_tail_lines()));
  t.Put("launch_settle", SpanText(m.launch_settle_s()));
  t.Put("launch_lookup", SpanText(m.launch_lookup_s()));
  t.Put("destroy_again", SpanText(m.destroy_again_s()));
  t.Put("launch_backoff", SpanText(m.launch_backoff_s()));
  t.Put("launch_backoff_max", SpanText(m.launch_backoff_s_max()));
}

void PutFacts(const specpb::FleetSpec& spec, Tree& root) {
  root.Put("fact_rules", spec.fact_rules());
  if (spec.facts().empty()) return;
  Tree& facts = root.List("facts");
  for (const specpb::FactRule& rule : spec.facts()) {
    Tree& item = facts.Item();
    item.Put("kind", absl::AsciiStrToLower(specpb::FactRule::Kind_Name(rule.kind())));
    item.Put("pattern", rule.pattern());
    if (!rule.name().empty()) item.Put("name", rule.name());
    if (rule.fault() != specpb::FAULT_UNSPECIFIED) {
      item.Put("fault", absl::AsciiStrToLower(specpb::Fault_Name(rule.fault())));
    }
  }
}

void PutPolicies(const specpb::FleetSpec& spec, Tree& root) {
  Tree& strikes = root.Map("strikes");
  const specpb::StrikePolicy& s = spec.strikes();
  strikes.Put("limit", Cat(s.limit()));
  strikes.Put("expiry", s.expiry_s() == 0 ? "never" : SpanText(s.expiry_s()));
  strikes.Put("common_cause_min", Cat(s.common_cause_min()));
  strikes.Put("common_cause_window", SpanText(s.common_cause_window_s()));
  Tree& budget = root.Map("budget");
  budget.Put("per_hour", CapText(spec.budget().per_hour_micro_usd()));
  budget.Put("per_day", CapText(spec.budget().per_day_micro_usd()));
  budget.Put("total", CapText(spec.budget().total_micro_usd()));
  if (spec.has_quota()) {
    Tree& quota = root.Map("quota");
    quota.Put("name", spec.quota().name());
    quota.Put("limit_per_hour", Cat(spec.quota().limit_per_hour()));
    quota.Put("aim_per_hour", Cat(spec.quota().aim_per_hour()));
    quota.Put("interval_min", SpanText(spec.quota().interval_s_min()));
  }
  if (spec.preflight().empty()) return;
  Tree& checks = root.List("preflight");
  for (const specpb::Preflight& check : spec.preflight()) {
    Tree& item = checks.Item();
    item.Put("name", check.name());
    item.Put("url", check.url());
    if (!check.bearer_ref().empty()) item.Put("bearer", check.bearer_ref());
    if (!check.missing_help().empty()) item.Put("missing_help", check.missing_help());
  }
}

void PutUpgrades(const specpb::FleetSpec& spec, Tree& root) {
  const specpb::Upgrades& m = spec.upgrades();
  Tree& t = root.Map("upgrades");
  t.Put("enabled", YesNo(m.enabled()));
  t.Put("gain_min", RatioText(m.gain_min()));
  t.Put("payback_max", SpanText(m.payback_s_max()));
  t.Put("per_hour_max", Cat(m.per_hour_max()));
  t.Put("cooldown", SpanText(m.cooldown_s()));
  t.Put("trial_max", SpanText(m.trial_s_max()));
  root.Put("orphans", absl::AsciiStrToLower(specpb::OrphanPolicy_Name(spec.orphans())));
}

bool IsPlain(std::string_view text) {
  if (text.empty() || text == "null" || text == "Null" || text == "NULL") return false;
  if (!absl::ascii_isalnum(static_cast<unsigned char>(text[0])) && text[0] != '$' &&
      text[0] != '/') {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool last = i + 1 == text.size();
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) continue;
    if (c == ' ' ? last
                 : std::string_view("_./$%@+=-").find(c) == std::string_view::npos &&
                       !(c == ':' && !last && text[i + 1] != ' ')) {
      return false;
    }
  }
  return true;
}

std::string DoubleQuoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      static constexpr char kHex[] = "0123456789ABCDEF";
      out += {'\\', 'x', kHex[(c >> 4) & 15], kHex[c & 15]};
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// Whether `text` may stand as an indented block: several lines of ordinary characters.
bool IsBlock(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text[0] == ' ' || text[0] == '\n' ||
      text[0] == '\t') {
    return false;
  }
  if (text.size() > 1 && text.substr(text.size() - 2) == "\n\n") return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f); });
}

void WriteScalar(std::string_view text, int indent, std::string& out) {
  if (IsPlain(text)) {
    out += text;
  } else if (IsBlock(text)) {
    out += text.back() == '\n' ? "|" : "|-";
    if (text.back() == '\n') text.remove_suffix(1);
    while (true) {
      const std::size_t end = text.find('\n');
      const std::string_view line = text.substr(0, end);
      out += '\n';
      if (!line.empty()) out += Cat(std::string(static_cast<std::size_t>(indent), ' '), line);
      if (end == std::string_view::npos) break;
      text.remove_prefix(end + 1);
    }
  } else {
    out += DoubleQuoted(text);
  }
  out += '\n';
}

void Write(const Tree& tree, int indent, std::string& out) {
  bool first = !out.empty() && out.back() != '\n';  // goes on behind "- "
  for (const Tree& child : tree.children) {
    if (!first) out += std::string(static_cast<std::size_t>(indent), ' ');
    first = false;
    if (tree.kind == Tree::Kind::kList) {
      out += "- ";
    } else {
      out += IsPlain(child.key) ? child.key : DoubleQuoted(child.key);
      out += ':';
    }
    const bool item = tree.kind == Tree::Kind::kList;
    if (child.kind == Tree::Kind::kScalar) {
      if (!item) out += ' ';
      WriteScalar(child.text, indent + 2, out);
    } else if (child.children.empty()) {
      out += Cat(item ? "" : " ", child.kind == Tree::Kind::kMap ? "{}\n" : "[]\n");
    } else {
      if (!item) out += '\n';
      Write(child, indent + 2, out);
    }
  }
}

}  // namespace

void Tree::Put(std::string_view key, std::string_view text) {
  children.push_back({Kind::kScalar, std::string(key), std::string(text), {}});
}
Tree& Tree::Map(std::string_view key) {
  return children.emplace_back(Tree{Kind::kMap, std::string(key), "", {}});
}
Tree& Tree::List(std::string_view key) {
  return children.emplace_back(Tree{Kind::kList, std::string(key), "", {}});
}
Tree& Tree::Item() { return children.emplace_back(Tree{Kind::kMap, "", "", {}}); }

Tree TreeOf(const specpb::FleetSpec& spec) {
  Tree root;
  root.Put("name", spec.name());
  root.Put("provider", spec.provider());
  root.Put("workers", Cat(spec.workers()));
  root.Put("work_unit", spec.work_unit());
  PutMarket(spec, root);
  PutLaunch(spec.launch(), root);
  PutTimers(spec.timers(), root);
  PutFacts(spec, root);
  PutPolicies(spec, root);
  PutUpgrades(spec, root);
  return root;
}

std::string WriteYaml(const Tree& tree) {
  std::string out;
  Write(tree, 0, out);
  return out;
}

}  // namespace muster::files
