#include "services/files/fleet_file.h"

#include <algorithm>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "muster/spec/v1/fleet.pb.h"
#include "services/files/human_units.h"
#include "services/files/problems.h"
#include "services/files/secret_shape.h"
#include "services/files/spec_check.h"
#include "services/files/whole_file.h"
#include "services/files/yaml_section.h"

namespace muster {
namespace {

using files::PlaceOf;
using files::Section;

constexpr std::string_view kFleet = "a fleet file";

// Reads one fleet file into a spec that starts out with the defaults.
class FleetReader {
 public:
  FleetReader(Problems& problems, FileReader read_file)
      : problems_(problems), read_file_(std::move(read_file)) {
    FillDefaults(spec_);
  }

  specpb::FleetSpec Read(const YAML::Node& document) {
    Section root(document, "", problems_);
    Identity(root);
    ReadMarket(root.Map("market"));
    ReadLaunch(root.Map("launch"));
    ReadTimers(root.Map("timers"));
    ReadFacts(root);
    ReadStrikes(root.Map("strikes"));
    ReadBudget(root.Map("budget"));
    ReadQuota(root.Map("quota"));
    ReadPreflight(root);
    ReadUpgrades(root.Map("upgrades"));
    static const std::vector<std::string> kOrphans = {"report", "adopt", "destroy"};
    int orphans = 0;
    if (root.Choice("orphans", kOrphans, &orphans)) {
      spec_.set_orphans(static_cast<specpb::OrphanPolicy>(orphans + 1));
    }
    root.Finish();
    return spec_;
  }

 private:
  void Identity(Section& root);
  void ReadMarket(Section section);
  void ReadGpus(Section& market);
  bool ReadGpu(Section& gpus, const std::string& name, specpb::GpuExpectation* gpu);
  void ReadLaunch(Section section);
  void ReadOnstart(Section& section);
  void ReadEnv(Section section);
  void ReadTimers(Section section);
  void ReadFacts(Section& root);
  void ReadStrikes(Section section);
  void ReadBudget(Section section);
  void ReadQuota(Section section);
  void ReadPreflight(Section& root);
  void ReadUpgrades(Section section);

  void Span(Section& s, std::string_view key, const std::function<void(std::int64_t)>& store) {
    s.Read(key, "a time span such as 10m", ParseSpan, store);
  }
  void Count(Section& s, std::string_view key, const std::function<void(std::int64_t)>& store) {
    s.Read(key, "a whole number", ParseCount, store);
  }

  Problems& problems_;
  FileReader read_file_;
  specpb::FleetSpec spec_;
};

void FleetReader::Identity(Section& root) {
  if (!root.Has("name")) {
    problems_.Add({1, 1}, "name", "is missing; expected the fleet's name, such as name: zeb");
  }
  if (!root.Has("workers")) {
    problems_.Add({1, 1}, "workers",
                  "is missing; expected how many are wanted, such as workers: 4");
  }
  root.Text("name", spec_.mutable_name());
  root.Text("provider", spec_.mutable_provider());
  Count(root, "workers", [&](auto n) { spec_.set_workers(static_cast<int>(n)); });
  root.Text("work_unit", spec_.mutable_work_unit());
}

// A rate ("1.8 games/s"), "default", or a map {rate: ..., custom: true}.
bool FleetReader::ReadGpu(Section& gpus, const std::string& name, specpb::GpuExpectation* gpu) {
  const YAML::Node node = gpus.Take(name);
  const auto rate = [&](std::string_view text) -> StatusOr<double> {
    if (text == "default") return 0.0;
    return ParseRate(text, spec_.work_unit());
  };
  const auto store = [gpu](double value) { gpu->set_rate_per_s(value); };
  bool custom = false;
  gpu->set_name(name);
  if (node.IsMap()) {
    Section entry = gpus.Map(name);
    entry.Read("rate", "a rate such as 1.8 games/s", rate, store);
    entry.Read("custom", "true or false", ParseYesNo, [&](bool value) { custom = value; });
    entry.Finish();
  } else if (node.IsDefined() && !node.IsNull()) {
    gpus.Read(name, "a rate such as 1.8 games/s", rate, store);
  }
  const std::vector<std::string>& known = KnownGpus();
  if (custom || std::find(known.begin(), known.end(), name) != known.end()) return true;
  problems_.AddAt(
      gpus.PathOf(name),
      Cat(Quoted(name), " is no known GPU; expected a name as offered, such as RTX 3070 Ti",
          DidYouMean(name, known), " (a new one: {rate: ..., custom: true})"));
  return false;
}

void FleetReader::ReadGpus(Section& market) {
  specpb::Market& m = *spec_.mutable_market();
  const YAML::Node node = market.Take("gpus");
  if (!node.IsDefined()) return;
  std::vector<specpb::GpuExpectation> gpus;
  if (node.IsSequence()) {
    std::vector<std::string> names;
    market.Texts("gpus", &names);
    for (const std::string& name : names) {
      gpus.emplace_back().set_name(name);
      const std::vector<std::string>& known = KnownGpus();
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      problems_.AddAt(Cat("market.gpus[", gpus.size() - 1, "]"),
                      Cat(Quoted(name),
                          " is no known GPU; expected a name as offered, such as "
                          "RTX 3070 Ti",
                          DidYouMean(name, known)));
    }
  } else {
    Section table = market.Map("gpus");
    for (const std::string& name : table.TakeKeys()) {
      specpb::GpuExpectation& gpu = gpus.emplace_back();
      ReadGpu(table, name, &gpu);
      problems_.Note(Cat("market.gpus[", gpus.size() - 1, "]"), PlaceOf(table.Take(name)));
    }
  }
  m.clear_gpus();
  for (specpb::GpuExpectation& gpu : gpus) *m.add_gpus() = std::move(gpu);
}

void FleetReader::ReadMarket(Section s) {
  specpb::Market& m = *spec_.mutable_market();
  s.Read("price_max", "a price per hour such as $0.09/h", ParsePrice,
         [&](auto v) { m.set_price_max_micro_usd_per_hour(v); });
  ReadGpus(s);
  s.Read(
      "rate_default", "a rate", [&](auto t) { return ParseRate(t, spec_.work_unit()); },
      [&](double v) { m.set_rate_default_per_s(v); });
  s.Read("reliability_min", "a percentage such as 95%", ParseRatio,
         [&](double v) { m.set_reliability_min(v); });
  s.Read("cuda_min", "a version such as 12.4", ParseNumber, [&](double v) { m.set_cuda_min(v); });
  s.Read("inet_down_min", "a bandwidth such as 100Mbps", ParseBandwidthMbps,
         [&](double v) { m.set_inet_down_mbps_min(v); });
  s.Read("inet_up_min", "a bandwidth such as 100Mbps", ParseBandwidthMbps,
         [&](double v) { m.set_inet_up_mbps_min(v); });
  Span(s, "remaining_min", [&](auto v) { m.set_remaining_s_min(v); });
  s.Read("allow_unverified", "true or false", ParseYesNo,
         [&](bool v) { m.set_allow_unverified(v); });
  std::vector<std::string> countries;
  if (s.Texts("countries", &countries)) {
    m.clear_countries();
    for (std::string& country : countries) m.add_countries(std::move(country));
  }
  Count(s, "gpus_per_machine", [&](auto v) { m.set_gpus_per_machine(static_cast<int>(v)); });
  Count(s, "samples_min", [&](auto v) { m.set_samples_min(static_cast<int>(v)); });
  s.Read(
      "bid", "a price per hour such as $0.05/h, or on-demand",
      [](std::string_view t) -> StatusOr<std::int64_t> {
        if (t == "on-demand") return 0;
        return ParsePrice(t);
      },
      [&](auto v) { m.set_bid_micro_usd_per_hour(v); });
  s.Read("preferred_bonus", "a percentage such as 10%", ParseRatio,
         [&](double v) { m.set_preferred_bonus(v); });
  s.Finish();
}

void FleetReader::ReadOnstart(Section& s) {
  specpb::Launch& m = *spec_.mutable_launch();
  s.Text("onstart", m.mutable_onstart());
  std::string name;
  if (!s.Text("onstart_file", &name)) return;
  if (s.Has("onstart")) {
    return problems_.AddAt("launch.onstart_file", "is here beside onstart; expected one of them");
  }
  auto text = read_file_(name);
  if (!text.ok()) return problems_.AddAt("launch.onstart_file", Message(text.status()));
  m.set_onstart(*std::move(text));
  // What is wrong with the script is blamed on the key that named it.
  problems_.Note("launch.onstart", PlaceOf(s.Take("onstart_file")));
}

void FleetReader::ReadEnv(Section s) {
  auto& env = *spec_.mutable_launch()->mutable_env();
  for (const std::string& key : s.TakeKeys()) {
    const YAML::Node node = s.Take(key);
    // A value may be a secret by mistake, so it is never echoed here.
    std::string text;
    if (files::ScalarText(node, s.PathOf(key), "a text or a secret reference", problems_, &text)) {
      env[key] = std::move(text);
    }
  }
}

void FleetReader::ReadLaunch(Section s) {
  specpb::Launch& m = *spec_.mutable_launch();
  s.Text("image", m.mutable_image());
  s.SecretRef("image_login", m.mutable_image_login_ref());
  s.Read("disk", "a size such as 15GB", ParseSizeGb, [&](auto v) { m.set_disk_gb(v); });
  ReadOnstart(s);
  ReadEnv(s.Map("env"));
  s.Text("runtype", m.mutable_runtype());
  s.Text("label", m.mutable_label());
  s.Text("worker_name", m.mutable_worker_name());
  s.Finish();
}

void FleetReader::ReadTimers(Section s) {
  specpb::Timers& m = *spec_.mutable_timers();
  Span(s, "boot", [&](auto v) { m.set_boot_s(v); });
  Span(s, "setup", [&](auto v) { m.set_setup_s(v); });
  Span(s, "warmup", [&](auto v) { m.set_warmup_s(v); });
  Span(s, "no_progress", [&](auto v) { m.set_no_progress_s(v); });
  Span(s, "error_grace", [&](auto v) { m.set_error_grace_s(v); });
  Span(s, "offline", [&](auto v) { m.set_offline_s(v); });
  Span(s, "log_poll", [&](auto v) { m.set_log_poll_s(v); });
  Span(s, "log_timeout", [&](auto v) { m.set_log_timeout_s(v); });
  Span(s, "list_poll", [&](auto v) { m.set_list_poll_s(v); });
  Span(s, "market_poll", [&](auto v) { m.set_market_poll_s(v); });
  Span(s, "account_poll", [&](auto v) { m.set_account_poll_s(v); });
  Span(s, "credit_probe", [&](auto v) { m.set_credit_probe_s(v); });
  Span(s, "check", [&](auto v) { m.set_check_s(v); });
  Span(s, "launch_timeout", [&](auto v) { m.set_launch_timeout_s(v); });
  Count(s, "log_tail_lines", [&](auto v) { m.set_log_tail_lines(v); });
  Span(s, "launch_settle", [&](auto v) { m.set_launch_settle_s(v); });
  Span(s, "launch_lookup", [&](auto v) { m.set_launch_lookup_s(v); });
  Span(s, "destroy_again", [&](auto v) { m.set_destroy_again_s(v); });
  Span(s, "launch_backoff", [&](auto v) { m.set_launch_backoff_s(v); });
  Span(s, "launch_backoff_max", [&](auto v) { m.set_launch_backoff_s_max(v); });
  s.Finish();
}

void FleetReader::ReadFacts(Section& root) {
  static const std::vector<std::string> kKinds = {"setup", "started",  "progress",     "busy",
                                                  "error", "harmless", "no_container", "broken"};
  static const std::vector<std::string> kFaults = {"machine", "ours", "account", "nobody"};
  for (Section& s : root.Maps("facts")) {
    specpb::FactRule& rule = *spec_.add_facts();
    int choice = 0;
    if (s.Choice("kind", kKinds, &choice)) {
      rule.set_kind(static_cast<specpb::FactRule::Kind>(choice + 1));
    }
    s.Text("pattern", rule.mutable_pattern());
    s.Text("name", rule.mutable_name());
    if (s.Choice("fault", kFaults, &choice)) rule.set_fault(static_cast<specpb::Fault>(choice + 1));
    s.Finish();
  }
  if (root.Has("facts")) spec_.set_fact_rules("custom");
  root.Text("fact_rules", spec_.mutable_fact_rules());
}

void FleetReader::ReadStrikes(Section s) {
  specpb::StrikePolicy& m = *spec_.mutable_strikes();
  Count(s, "limit", [&](auto v) { m.set_limit(static_cast<int>(v)); });
  s.Read(
      "expiry", "a time span such as 30d, or never",
      [](std::string_view t) -> StatusOr<std::int64_t> {
        if (t == "never") return 0;
        return ParseSpan(t);
      },
      [&](auto v) { m.set_expiry_s(v); });
  Count(s, "common_cause_min", [&](auto v) { m.set_common_cause_min(static_cast<int>(v)); });
  Span(s, "common_cause_window", [&](auto v) { m.set_common_cause_window_s(v); });
  s.Finish();
}

void FleetReader::ReadBudget(Section s) {
  specpb::Budget& m = *spec_.mutable_budget();
  s.Amount("per_hour", "h", [&](auto v) { m.set_per_hour_micro_usd(v); });
  s.Amount("per_day", "day", [&](auto v) { m.set_per_day_micro_usd(v); });
  s.Amount("total", "", [&](auto v) { m.set_total_micro_usd(v); });
  s.Finish();
}

void FleetReader::ReadQuota(Section s) {
  if (!s.present()) return;
  specpb::FleetSpec defaults;
  defaults.mutable_quota();
  FillDefaults(defaults);
  specpb::SharedQuota& m = *spec_.mutable_quota();
  m = defaults.quota();
  s.Text("name", m.mutable_name());
  Count(s, "limit_per_hour", [&](auto v) { m.set_limit_per_hour(static_cast<int>(v)); });
  Count(s, "aim_per_hour", [&](auto v) { m.set_aim_per_hour(static_cast<int>(v)); });
  Span(s, "interval_min", [&](auto v) { m.set_interval_s_min(v); });
  s.Finish();
}

void FleetReader::ReadPreflight(Section& root) {
  for (Section& s : root.Maps("preflight")) {
    specpb::Preflight& m = *spec_.add_preflight();
    s.Text("name", m.mutable_name());
    s.Text("url", m.mutable_url());
    s.SecretRef("bearer", m.mutable_bearer_ref());
    s.Text("missing_help", m.mutable_missing_help());
    s.Finish();
  }
}

void FleetReader::ReadUpgrades(Section s) {
  specpb::Upgrades& m = *spec_.mutable_upgrades();
  s.Read("enabled", "true or false", ParseYesNo, [&](bool v) { m.set_enabled(v); });
  s.Read("gain_min", "a percentage such as 15%", ParseRatio, [&](double v) { m.set_gain_min(v); });
  Span(s, "payback_max", [&](auto v) { m.set_payback_s_max(v); });
  Count(s, "per_hour_max", [&](auto v) { m.set_per_hour_max(static_cast<int>(v)); });
  Span(s, "cooldown", [&](auto v) { m.set_cooldown_s(v); });
  Span(s, "trial_max", [&](auto v) { m.set_trial_s_max(v); });
  s.Finish();
}

StatusOr<specpb::FleetSpec> Parse(std::string_view text, std::string_view file_name,
                                  FileReader read_file) {
  Problems problems(file_name);
  specpb::FleetSpec spec;
  try {
    const YAML::Node document = files::LoadDocument(text, kFleet, problems);
    if (document.IsDefined()) {
      spec = FleetReader(problems, std::move(read_file)).Read(document);
      for (const Violation& violation : ValidateSpec(spec)) {
        problems.AddAt(FilePathOf(violation.field), violation.description);
      }
    }
  } catch (const std::exception& e) {  // yaml-cpp throws; nothing else here does
    problems.Add({}, "", Cat("is not YAML: ", e.what(), "; expected ", kFleet));
  }
  MUSTER_RETURN_IF_ERROR(problems.ToStatus());
  return spec;
}

}  // namespace

StatusOr<specpb::FleetSpec> LoadFleetFile(const std::string& path) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  return Parse(text, path, ReaderBeside(path));
}

StatusOr<specpb::FleetSpec> ParseFleetFile(std::string_view text, std::string_view file_name) {
  return Parse(text, file_name, NoReader("onstart with the script itself"));
}

std::string PlaceInFile(const std::string& path, std::string_view file_path) {
  const StatusOr<std::string> text = ReadWholeFile(path);
  if (!text.ok()) return path;
  try {
    YAML::Node node = YAML::Load(*text);
    int line = 0;
    for (const auto& piece : absl::StrSplit(ToAbsl(file_path), '.')) {
      const std::string key(piece);
      bool found = false;
      for (const auto& entry : node) {
        // A map's key, or the item of a list that is called so.
        const bool item = node.IsSequence() && entry["name"].IsDefined();
        const YAML::Node named = item ? entry["name"] : entry.first;
        if (!named.IsScalar() || named.Scalar() != key) continue;
        line = named.Mark().line + 1;
        node.reset(item ? YAML::Node(entry) : entry.second);
        found = true;
        break;
      }
      if (!found) break;
    }
    return line > 0 ? Cat(path, ":", line) : path;
  } catch (const std::exception&) {  // yaml-cpp throws; a place is a courtesy
    return path;
  }
}

}  // namespace muster
