#include "services/files/server_check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "eventstore/base/strings.h"
#include "muster/spec/v1/server.pb.h"
#include "re2/re2.h"
#include "services/files/human_units.h"
#include "services/files/problems.h"
#include "services/files/secret_shape.h"

namespace muster {
namespace {

using files::HoldsASecret;
using specpb::ServerMarket;

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kUnit = 1'000'000;  // of a currency
constexpr std::size_t kCommandBytesMax = 16'384;
constexpr std::size_t kFilesBytesMax = 262'144;
constexpr int kListMax = 64;

bool Matches(std::string_view text, const char* pattern) {
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

// "ssh-ed25519 AAAA... name": the kinds that OpenSSH makes, whose blob names its own kind.
bool IsPublicKey(const std::string& line) {
  static const std::set<std::string> kKinds = {"ssh-ed25519",
                                               "ecdsa-sha2-nistp256",
                                               "ecdsa-sha2-nistp384",
                                               "ecdsa-sha2-nistp521",
                                               "sk-ssh-ed25519@openssh.com",
                                               "sk-ecdsa-sha2-nistp256@openssh.com",
                                               "ssh-rsa"};
  if (line.find_first_of("\r\n") != std::string::npos) return false;
  const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 2));
  std::string blob;
  if (words.size() < 2 || kKinds.count(words[0]) == 0 || !absl::Base64Unescape(words[1], &blob) ||
      blob.size() < 4) {
    return false;
  }
  return blob.substr(4, words[0].size()) == words[0];
}

class Checker {
 public:
  explicit Checker(const specpb::ServerSpec& spec) : spec_(spec) {}

  std::vector<Violation> Run() {
    if (!Matches(spec_.name(), "[a-z][a-z0-9-]{0,62}")) {
      Add("name", Cat(Quoted(spec_.name()), " is no server name; expected a lower-case letter, ",
                      "then up to 62 of a-z 0-9 -"));
    }
    if (!Matches(spec_.provider(), "[a-z][a-z0-9_]{0,30}")) {
      Add("provider", Cat(Quoted(spec_.provider()), " is no provider; expected hetzner"));
    }
    MarketRules(spec_.market());
    AccessRules(spec_.access());
    InstallRules(spec_.install());
    NixRules(spec_.nix());
    TimerRules(spec_.timers());
    return std::move(found_);
  }

 private:
  void Add(std::string_view field, std::string_view what) {
    found_.push_back({std::string(field), std::string(what)});
  }
  void Count(std::string_view field, std::int64_t count, std::int64_t least, std::int64_t most) {
    if (count >= least && count <= most) return;
    Add(field, Cat(count, " is out of range; expected ", least, " to ", most));
  }
  void Span(std::string_view field, std::int64_t seconds, std::int64_t least, std::int64_t most) {
    if (seconds >= least && seconds <= most) return;
    Add(field, Cat(seconds < 0 ? Cat(seconds, "s") : SpanText(seconds),
                   " is out of range; expected ", SpanText(least), " to ", SpanText(most)));
  }
  void Clear(std::string_view field, const std::string& text) {
    if (!HoldsASecret(text)) return;
    Add(field, "holds what looks like a secret; expected none: it would be kept in the log");
  }
  void Features(const std::string& field, const google::protobuf::RepeatedPtrField<std::string>&);

  void MarketRules(const ServerMarket& m);
  void PriceRules(const ServerMarket& m);
  void AccessRules(const specpb::ServerAccess& m);
  void InstallRules(const specpb::Install& m);
  void ImageRules(const specpb::Install& m);
  void StepRules(const specpb::Install& m);
  void FileRules(const specpb::Install& m);
  void NixRules(const specpb::NixBuilder& m);
  void TimerRules(const specpb::ServerTimers& m);

  const specpb::ServerSpec& spec_;
  std::vector<Violation> found_;
};

void Checker::PriceRules(const ServerMarket& m) {
  if (!Matches(m.currency(), "[A-Z]{3}")) {
    Add("market.currency", Cat(Quoted(m.currency()), " is no currency; expected one such as EUR"));
  }
  const std::int64_t most = m.price_max_micros_per_month();
  if (most == 0) {
    Add("market.price_max_micros_per_month",
        Cat("is missing; expected the most it may cost, such as 200.00 ", m.currency(), "/month"));
  } else if (most < kUnit || most > 10'000 * kUnit) {
    Add("market.price_max_micros_per_month",
        Cat("is out of range; expected 1.00 to 10000.00 ", m.currency(), "/month"));
  }
  if (m.setup_max_micros() < 0 || m.setup_max_micros() > 10'000 * kUnit) {
    Add("market.setup_max_micros",
        Cat("is out of range; expected 0.00 to 10000.00 ", m.currency()));
  }
}

void Checker::MarketRules(const ServerMarket& m) {
  if (m.channel() == ServerMarket::CHANNEL_UNSPECIFIED ||
      !ServerMarket::Channel_IsValid(m.channel())) {
    Add("market.channel", "is missing; expected auction or standard");
  }
  if (!Matches(m.offer(), R"([A-Za-z0-9._-]{0,64})")) {
    Add("market.offer", Cat(Quoted(m.offer()), " is no offer; expected its number, or its name"));
  }
  PriceRules(m);
  Count("market.cores_min", m.cores_min(), 0, 1024);
  Count("market.memory_gb_min", m.memory_gb_min(), 0, 65'536);
  Count("market.disk_gb_min", m.disk_gb_min(), 0, 1'000'000);
  Count("market.disks_min", m.disks_min(), 0, 64);
  if (!(m.benchmark_min() >= 0 && m.benchmark_min() <= 1e7)) {  // NaN is outside as well
    Add("market.benchmark_min", "is out of range; expected 0 to 10000000");
  }
  for (int i = 0; i < m.locations_size(); ++i) {
    if (Matches(m.locations(i), R"([A-Z]{3}[0-9]*(-DC[0-9]+)?)")) continue;
    Add(Cat("market.locations[", i, "]"),
        Cat(Quoted(m.locations(i)), " is no location; expected one such as FSN1 or FSN1-DC22"));
  }
  if (!ServerMarket::Gpu_IsValid(m.gpu())) {
    Add("market.gpu", Cat(m.gpu(), " is not known; expected none, any or ada"));
  }
  if (m.rank() == ServerMarket::RANK_UNSPECIFIED || !ServerMarket::Rank_IsValid(m.rank())) {
    Add("market.rank", "is missing; expected price or price_per_benchmark");
  }
  const bool standard = m.channel() == ServerMarket::STANDARD;
  if (standard && !Matches(m.location(), "[A-Z]{3}[0-9]*")) {
    Add("market.location",
        Cat(m.location().empty() ? "is missing" : Quoted(m.location()) + " is no location",
            "; expected where a standard server is to stand, such as FSN1"));
  }
  if (!standard && !m.location().empty()) {
    Add("market.location",
        "is for standard servers; expected locations, which choose among "
        "those that stand somewhere already");
  }
}

void Checker::AccessRules(const specpb::ServerAccess& m) {
  if (m.authorized_keys().empty()) {
    Add("access.authorized_keys",
        "is empty; expected the public key that builds log in with, at least");
  }
  Count("access.authorized_keys", m.authorized_keys_size(), 0, kListMax);
  for (int i = 0; i < m.authorized_keys_size(); ++i) {
    const std::string field = Cat("access.authorized_keys[", i, "]");
    if (HoldsASecret(m.authorized_keys(i))) {
      Add(field, "the value is not shown; expected the public key, from the file with .pub");
    } else if (!IsPublicKey(m.authorized_keys(i))) {
      Add(field, Cat(Quoted(m.authorized_keys(i)),
                     " is no public key; expected one such as ssh-ed25519 AAAA... name"));
    }
  }
}

void Checker::ImageRules(const specpb::Install& m) {
  if (!Matches(m.image(), R"(/[^\s]{1,1000})")) {
    Add("install.image", Cat(m.image().empty() ? "is missing" : Quoted(m.image()) + " is no path",
                             "; expected the whole path of a tar archive where musterd runs"));
  }
  if (!Matches(m.image_sha256(), "[0-9a-f]{64}")) {
    Add("install.image_sha256", Cat(m.image_sha256().empty() ? "is missing" : "is no checksum",
                                    "; expected 64 digits of 0-9 a-f, as sha256sum prints them"));
  }
  if (!m.steps().empty()) {
    Add("install.steps", "are here beside the recipe image; expected recipe: steps, or none");
  }
}

void Checker::StepRules(const specpb::Install& m) {
  if (m.steps().empty()) Add("install.steps", "is empty; expected at least one step");
  Count("install.steps", m.steps_size(), 0, kListMax);
  static const std::vector<std::string> kPlaces = {"{disks}", "{root}", "{hostname}"};
  std::set<std::string> names;
  for (int i = 0; i < m.steps_size(); ++i) {
    const specpb::InstallStep& step = m.steps(i);
    const std::string field = Cat("install.steps[", i, "]");
    if (!Matches(step.name(), "[a-z][a-z0-9-]{0,30}") || !names.insert(step.name()).second) {
      Add(field + ".name",
          Cat(Quoted(step.name()), " is no name or here twice; expected one such as partition"));
    }
    if (Trim(step.command()).empty() || step.command().size() > kCommandBytesMax ||
        step.command().find('\0') != std::string::npos) {
      Add(field + ".command", Cat("is empty or too long; expected a shell command of at most ",
                                  kCommandBytesMax, " bytes"));
    }
    Clear(field + ".command", step.command());
    // ${NAME} is the shell's; what stands in braces otherwise would reach the disks as it is.
    re2::StringPiece rest(step.command());
    std::string before, place;
    while (RE2::FindAndConsume(&rest, R"((^|[^$])(\{[a-z_]+\}))", &before, &place)) {
      if (std::find(kPlaces.begin(), kPlaces.end(), place) != kPlaces.end()) continue;
      Add(field + ".command", Cat(Quoted(place), " is no known place; expected ",
                                  absl::StrJoin(kPlaces, ", "), DidYouMean(place, kPlaces)));
    }
    Span(field + ".timeout_s", step.timeout_s(), 1, kDay);
  }
}

void Checker::FileRules(const specpb::Install& m) {
  std::size_t bytes = 0;
  const std::map<std::string, std::string> sorted(m.files().begin(), m.files().end());
  for (const auto& [path, text] : sorted) {
    bytes += path.size() + text.size();
    const std::string field = Cat("install.files.", path);
    if (!Matches(path, R"((/[A-Za-z0-9@._+-]+)+)") || path.find("/../") != std::string::npos ||
        path.ends_with("/..")) {
      Add("install.files",
          Cat(Quoted(path), " is no path; expected a whole one such as /etc/motd"));
    }
    Clear(field, text);
  }
  if (bytes > kFilesBytesMax) {
    Add("install.files", Cat("is ", bytes, " bytes in all; expected at most ", kFilesBytesMax));
  }
}

void Checker::InstallRules(const specpb::Install& m) {
  if (m.recipe() == "image") {
    ImageRules(m);
  } else if (m.recipe() == "steps") {
    StepRules(m);
  } else {
    Add("install.recipe", Cat(Quoted(m.recipe()), " is not known; expected image or steps"));
  }
  if (m.raid() != "auto" && m.raid() != "none" && m.raid() != "raid1") {
    Add("install.raid", Cat(Quoted(m.raid()), " is not known; expected auto, none or raid1"));
  }
  if (m.filesystem() != "ext4") {
    Add("install.filesystem", Cat(Quoted(m.filesystem()), " is not known; expected ext4"));
  }
  FileRules(m);
}

void Checker::Features(const std::string& field,
                       const google::protobuf::RepeatedPtrField<std::string>& features) {
  Count(field, features.size(), 0, kListMax);
  std::set<std::string> seen;
  for (int i = 0; i < features.size(); ++i) {
    if (!Matches(features[i], "[a-z0-9][a-z0-9._+-]{0,80}")) {
      Add(Cat(field, "[", i, "]"),
          Cat(Quoted(features[i]), " is no feature; expected a word such as cuda"));
    } else if (!seen.insert(features[i]).second) {
      Add(Cat(field, "[", i, "]"), Cat(Quoted(features[i]), " is here twice; expected it once"));
    }
  }
}

void Checker::NixRules(const specpb::NixBuilder& m) {
  if (!Matches(m.user(), "[a-z_][a-z0-9_-]{0,31}")) {
    Add("nix.user", Cat(Quoted(m.user()), " is no user; expected a login name such as builder"));
  }
  if (m.systems().empty()) Add("nix.systems", "is empty; expected one such as x86_64-linux");
  for (int i = 0; i < m.systems_size(); ++i) {
    if (Matches(m.systems(i), "[a-z0-9_]+-[a-z0-9]+")) continue;
    Add(Cat("nix.systems[", i, "]"),
        Cat(Quoted(m.systems(i)), " is no system; expected one such as x86_64-linux"));
  }
  Count("nix.max_jobs", m.max_jobs(), 1, 1024);
  Count("nix.speed_factor", m.speed_factor(), 1, 1'000'000);
  Features("nix.supported_features", m.supported_features());
  Features("nix.mandatory_features", m.mandatory_features());
  const std::string own = BuilderFeature(spec_.name());
  const auto& supported = m.supported_features();
  if (std::find(supported.begin(), supported.end(), own) == supported.end()) {
    Add("nix.supported_features",
        Cat("lacks ", own, "; expected it: a probe that requires it is built there only"));
  }
  if (!Matches(m.ssh_key(), R"(~?(/[^\s,;#?&]+)+)")) {
    Add("nix.ssh_key", Cat(m.ssh_key().empty() ? "is missing" : Quoted(m.ssh_key()) + " is no path",
                           "; expected the private key that Nix logs in with, as its daemon sees "
                           "it, such as /etc/nix/builder_ed25519"));
  } else if (m.ssh_key().ends_with(".pub")) {
    Add("nix.ssh_key", "is a public key; expected the file without .pub");
  }
}

void Checker::TimerRules(const specpb::ServerTimers& m) {
  Span("timers.delivery_warn_s", m.delivery_warn_s(), kMinute, 7 * kDay);
  Span("timers.delivery_operator_s", m.delivery_operator_s(), kMinute, 30 * kDay);
  Span("timers.rescue_s", m.rescue_s(), kMinute, kDay);
  Span("timers.boot_s", m.boot_s(), kMinute, kDay);
  Span("timers.poll_s", m.poll_s(), 5, kHour);
  Span("timers.vitals_s", m.vitals_s(), 5, kDay);
  Span("timers.order_settle_s", m.order_settle_s(), kMinute, kDay);
  Span("timers.probe_s", m.probe_s(), 5, kHour);
}

template <class Message, class Value>
void Default(Message& m, Value (Message::*get)() const, void (Message::*set)(Value), Value value) {
  if ((m.*get)() == Value{}) (m.*set)(value);
}

void FillTimers(specpb::ServerTimers& m) {
  using T = specpb::ServerTimers;
  Default(m, &T::delivery_warn_s, &T::set_delivery_warn_s, 15 * kMinute);
  Default(m, &T::delivery_operator_s, &T::set_delivery_operator_s, 2 * kHour);
  Default(m, &T::rescue_s, &T::set_rescue_s, 10 * kMinute);
  Default(m, &T::boot_s, &T::set_boot_s, 10 * kMinute);
  Default(m, &T::poll_s, &T::set_poll_s, std::int64_t{20});
  Default(m, &T::vitals_s, &T::set_vitals_s, kMinute);
  Default(m, &T::order_settle_s, &T::set_order_settle_s, 10 * kMinute);
  Default(m, &T::probe_s, &T::set_probe_s, kMinute);
}

void FillNix(specpb::NixBuilder& m, const std::string& name) {
  if (m.user().empty()) m.set_user("builder");
  if (m.systems().empty()) m.add_systems("x86_64-linux");
  Default(m, &specpb::NixBuilder::max_jobs, &specpb::NixBuilder::set_max_jobs, 1);
  Default(m, &specpb::NixBuilder::speed_factor, &specpb::NixBuilder::set_speed_factor, 1);
  const std::string own = BuilderFeature(name);
  const auto& supported = m.supported_features();
  if (std::find(supported.begin(), supported.end(), own) == supported.end()) {
    m.add_supported_features(own);
  }
}

}  // namespace

std::vector<Violation> ValidateServerSpec(const specpb::ServerSpec& spec) {
  return Checker(spec).Run();
}

void FillServerDefaults(specpb::ServerSpec& spec) {
  if (spec.provider().empty()) spec.set_provider("hetzner");
  ServerMarket& market = *spec.mutable_market();
  if (market.channel() == ServerMarket::CHANNEL_UNSPECIFIED) {
    market.set_channel(ServerMarket::AUCTION);
  }
  if (market.currency().empty()) market.set_currency("EUR");
  if (market.rank() == ServerMarket::RANK_UNSPECIFIED) market.set_rank(ServerMarket::PRICE);
  spec.mutable_access();
  specpb::Install& install = *spec.mutable_install();
  if (install.recipe().empty()) install.set_recipe(install.steps().empty() ? "image" : "steps");
  if (install.raid().empty()) install.set_raid("auto");
  if (install.filesystem().empty()) install.set_filesystem("ext4");
  for (specpb::InstallStep& step : *install.mutable_steps()) {
    if (step.timeout_s() == 0) step.set_timeout_s(10 * kMinute);
  }
  FillNix(*spec.mutable_nix(), spec.name());
  FillTimers(*spec.mutable_timers());
}

std::string BuilderFeature(std::string_view name) { return Cat("muster-", name); }

std::string ServerFilePathOf(std::string_view message_path) {
  std::string path(message_path);
  static const RE2 kUnitSuffix(R"(_(micros_per_month|micros|gb|s)(_min|_max)?(\.|$))");
  RE2::GlobalReplace(&path, kUnitSuffix, R"(\2\3)");
  return path;
}

}  // namespace muster
