#include "services/files/daemon_config.h"

#include <algorithm>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "eventstore/base/host.h"
#include "re2/re2.h"
#include "services/files/human_units.h"
#include "services/files/problems.h"
#include "services/files/secret_shape.h"
#include "services/files/whole_file.h"
#include "services/files/yaml_section.h"

namespace muster {
namespace {

using files::Section;

constexpr std::string_view kConfig = "a daemon configuration";
constexpr std::string_view kVastUrl = "https://console.vast.ai";

const std::vector<std::string>& ProviderNames() {
  static const auto* names = new std::vector<std::string>{
#define PROVIDER(name) #name,
#include "workers/providers/providers.def"
#undef PROVIDER
  };
  return *names;
}

// The endpoints of a provider as people call them.
struct Endpoint {
  std::string_view word;
  std::string_view route;
};
// What a provider's section may say beyond what all may.
struct Shape {
  std::string_view name;
  std::string_view base_url;  // "" = the adapter knows it
  bool has_user = false;      // user and password instead of an api_key; servers reached by SSH
  std::vector<Endpoint> endpoints;
};
const std::vector<Shape>& Shapes() {
  static const auto& shapes = *new std::vector<Shape>{{"vast",
                                                       kVastUrl,
                                                       false,
                                                       {{"search", "POST bundles"},
                                                        {"create", "PUT asks/{id}"},
                                                        {"list", "GET instances"},
                                                        {"show", "GET instances/{id}"},
                                                        {"destroy", "DELETE instances/{id}"},
                                                        {"change", "PUT instances/{id}"},
                                                        {"logs", "PUT instances/request_logs/{id}"},
                                                        {"account", "GET users/current"}}},
                                                      {"hetzner",
                                                       "",
                                                       true,
                                                       {{"servers", "server"},
                                                        {"reads", "read"},
                                                        {"reset", "POST reset"},
                                                        {"keys", "POST key"},
                                                        {"auction", "POST order/server_market"},
                                                        {"standard", "POST order/server"}}}};
  return shapes;
}
const Shape& ShapeOf(std::string_view name) {
  for (const Shape& shape : Shapes()) {
    if (shape.name == name) return shape;
  }
  static const Shape& plain = *new Shape();
  return plain;
}

bool IsUnix(std::string_view address) { return absl::StartsWith(ToAbsl(address), "unix:"); }

// The path behind "unix:///PATH" or "unix:PATH"; "" when there is none.
std::string_view UnixPath(std::string_view address) {
  address.remove_prefix(5);
  return absl::StartsWith(ToAbsl(address), "//") ? address.substr(2) : address;
}

std::string_view HostOfUrl(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::string_view rest = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
  return rest.substr(0, rest.find('/'));
}

class ConfigReader {
 public:
  explicit ConfigReader(Problems& problems) : problems_(problems) {}

  DaemonConfig Read(const YAML::Node& document) {
    Section root(document, "", problems_);
    ReadSim(root.Map("sim"));
    ReadProviders(root.Map("providers"), !root.Has("providers"));
    ReadTls(root.Map("tls"));
    ReadListen(root, "listen", &config_.listen);
    ReadListen(root, "command_listen", &config_.command_listen);
    ReadListen(root, "query_listen", &config_.query_listen);
    ReadMetrics(root);
    Section store = root.Map("store");
    Filled(store, "path", "a folder", &config_.store_path);
    store.Finish();
    ReadLog(root);
    ReadLimits(root.Map("limits"));
    ReadAudit(root.Map("audit"));
    config_.notify = files::ReadNotify(root.Map("notify"));
    ReadNix(root.Map("nix"));
    RefuseClearSecrets(root);
    root.Finish();
    return std::move(config_);
  }

 private:
  void ReadProviders(Section section, bool absent);
  void ReadProvider(Section s, const Shape& shape, ProviderConfig* provider);
  void ReadSecret(Section& s, const Shape& shape, ProviderConfig* provider);
  void ReadLogHosts(Section& s, ProviderConfig* provider);
  void ReadSsh(Section& s, ProviderConfig* provider);
  void ReadUrl(Section& s, const Shape& shape, ProviderConfig* provider);
  void ReadBudget(Section s, AccountBudget* budget);
  void ReadPace(Section s, const Shape& shape, ProviderConfig* provider);
  void ReadTls(Section s);
  void ReadListen(Section& root, std::string_view key, std::vector<std::string>* out);
  void CheckAddress(const std::string& field, const std::string& address);
  void ReadMetrics(Section& root);
  void ReadLog(Section& root);
  void ReadLimits(Section s);
  void ReadAudit(Section s);
  void ReadNix(Section s);
  void ReadSim(Section s);
  void RefuseClearSecrets(Section& root);

  // A text that must not be empty.
  void Filled(Section& s, std::string_view key, std::string_view what, std::string* out) {
    s.Scalar(key, what, [&](std::string_view text) -> Status {
      if (Trim(text).empty()) return InvalidArgument(Cat("is empty; expected ", what));
      *out = std::string(text);
      return absl::OkStatus();
    });
  }

  Problems& problems_;
  DaemonConfig config_;
};

void ConfigReader::ReadProviders(Section section, bool absent) {
  if (absent && config_.sim.embedded) config_.providers["vast"].base_url = kVastUrl;
  if (absent && !config_.sim.embedded) {
    problems_.Add({1, 1}, "providers",
                  "is missing; expected providers: {vast: {api_key: env:VAST_API_KEY}}");
  }
  for (const std::string& name : section.TakeKeys()) {
    const std::vector<std::string>& known = ProviderNames();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      problems_.AddAt(section.PathOf(name),
                      Cat("is no known provider; expected ", absl::StrJoin(known, ", "),
                          DidYouMean(name, known)));
      continue;
    }
    ReadProvider(section.Map(name), ShapeOf(name), &config_.providers[name]);
  }
}

void ConfigReader::ReadUrl(Section& s, const Shape& shape, ProviderConfig* provider) {
  bool plain_http = false;
  s.Read("plain_http", "true or false", ParseYesNo, [&](bool v) { plain_http = v; });
  provider->base_url = shape.base_url;
  std::string url;
  if (!s.Text("base_url", &url)) return;
  if (files::HasUserInfo(url)) {
    return problems_.AddAt(s.PathOf("base_url"),
                           "the value is not shown; expected a URL without user and password");
  }
  static const RE2 kUrl(
      R"((https?)://([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[^\s?#]*)?)");
  std::string scheme, host;
  if (!RE2::FullMatch(url, kUrl, &scheme, &host)) {
    return problems_.AddAt(
        s.PathOf("base_url"),
        Cat(Quoted(url), " is no base URL; expected https://HOST or http://127.0.0.1:PORT"));
  }
  const std::string bare = host[0] == '[' ? host.substr(1, host.size() - 2) : host;
  if (scheme == "http" && !IsLoopbackHost(bare) && !plain_http) {
    return problems_.AddAt(s.PathOf("base_url"),
                           Cat(Quoted(url),
                               " would carry the key in clear; expected https://, a "
                               "loopback host, or plain_http: true beside it"));
  }
  while (url.back() == '/') url.pop_back();
  provider->base_url = url;
}

void ConfigReader::ReadProvider(Section s, const Shape& shape, ProviderConfig* provider) {
  ReadUrl(s, shape, provider);
  ReadSecret(s, shape, provider);
  if (shape.has_user) {
    ReadSsh(s, provider);
  } else {
    ReadLogHosts(s, provider);
  }
  Filled(s, "ca_file", "a file", &provider->ca_file);
  ReadBudget(s.Map("budget"), &provider->budget);
  ReadPace(s.Map("pace"), shape, provider);
  s.Finish();
}

void ConfigReader::ReadSecret(Section& s, const Shape& shape, ProviderConfig* provider) {
  const std::string_view key = shape.has_user ? "password" : "api_key";
  s.SecretRef(key, &provider->api_key_ref);
  if (!s.Has(key) && !config_.sim.embedded) {
    problems_.AddAt(s.PathOf(key), Cat("is missing; expected a secret reference such as env:",
                                       shape.has_user ? "HETZNER_ROBOT_PASSWORD" : "VAST_API_KEY"));
  }
  if (!shape.has_user) return;
  if (config_.sim.embedded) provider->user = "sim";
  Filled(s, "user", "the user of the web service, or a reference to it", &provider->user);
  if (!s.Has("user") && !config_.sim.embedded) {
    problems_.AddAt(s.PathOf("user"),
                    "is missing; expected the user of the web service, such as \"#ws+abcd1234\"");
  }
}

void ConfigReader::ReadSsh(Section& s, ProviderConfig* provider) {
  s.Read(
      "ssh_port", "a port, such as 22",
      [](std::string_view text) -> StatusOr<int> {
        int port = 0;
        if (absl::SimpleAtoi(ToAbsl(text), &port) && port >= 1 && port <= 65535) return port;
        return InvalidArgument("is no port; expected 1 to 65535");
      },
      [&](int port) { provider->ssh_port = port; });
  std::string host;
  if (!s.Text("ssh_host", &host)) return;
  static const RE2 kAddress(R"([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+)");
  if (RE2::FullMatch(host, kAddress)) {
    provider->ssh_host = host;
  } else {
    problems_.AddAt(s.PathOf("ssh_host"),
                    Cat(Quoted(host), " is no address; names are not looked up"));
  }
}

void ConfigReader::ReadLogHosts(Section& s, ProviderConfig* provider) {
  provider->log_hosts = {"s3.amazonaws.com"};
  // A provider that stands elsewhere keeps its logs there too, unless the file says more.
  if (provider->base_url != kVastUrl) {
    const std::string_view host = HostOfUrl(provider->base_url);
    const std::string_view bare = host.back() == ']' ? host : host.substr(0, host.rfind(':'));
    provider->log_hosts.push_back(IsLoopbackHost(bare) ? std::string(bare)
                                  : absl::StartsWith(provider->base_url, "http:")
                                      ? Cat("http://", host)
                                      : std::string(host));
  }
  s.Texts("log_hosts", &provider->log_hosts);
  for (std::size_t i = 0; i < provider->log_hosts.size(); ++i) {
    const std::string& host = provider->log_hosts[i];
    static const RE2 kLogHost(
        R"((https?://)?(\*\.)?([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?)");
    if (RE2::FullMatch(host, kLogHost)) continue;
    problems_.AddAt(
        Cat(s.PathOf("log_hosts"), "[", i, "]"),
        Cat(Quoted(host), " is no host; expected HOST, HOST:PORT, *.DOMAIN or an origin"));
  }
}

void ConfigReader::ReadBudget(Section s, AccountBudget* budget) {
  const auto money = [&](std::string_view key, std::string_view per,
                         const std::function<void(std::int64_t)>& store) {
    s.Read(
        key, "an amount such as $18.00, or none",
        [per](std::string_view t) -> StatusOr<std::int64_t> {
          if (t == "none") return 0;
          return ParseMoney(t, per);
        },
        store);
  };
  money("per_hour", "h", [&](auto v) { budget->per_hour = MicroUsdPerHour(v); });
  money("per_day", "day", [&](auto v) { budget->per_day = MicroUsd(v); });
  money("total", "", [&](auto v) { budget->total = MicroUsd(v); });
  s.Finish();
}

void ConfigReader::ReadPace(Section s, const Shape& shape, ProviderConfig* provider) {
  for (const Endpoint& endpoint : shape.endpoints) {
    s.Read(
        endpoint.word, "a time span such as 4.5s",
        [](std::string_view text) -> StatusOr<absl::Duration> {
          absl::Duration span;
          if (!absl::ParseDuration(ToAbsl(text), &span) || span < absl::ZeroDuration() ||
              span > absl::Hours(1)) {
            return InvalidArgument("is no interval; expected 0s to 1h, such as 4.5s");
          }
          return span;
        },
        [&](absl::Duration span) { provider->pace[std::string(endpoint.route)] = span; });
  }
  s.Finish();
}

void ConfigReader::ReadTls(Section s) {
  if (!s.present()) return;
  Filled(s, "cert", "a file", &config_.tls.cert_file);
  Filled(s, "key", "a file", &config_.tls.key_file);
  Filled(s, "client_ca", "a file", &config_.tls.client_ca_file);
  for (const std::string_view key : {"cert", "key"}) {
    if (!s.Has(key)) problems_.AddAt(s.PathOf(key), "is missing; expected a PEM file");
  }
  s.Finish();
}

void ConfigReader::CheckAddress(const std::string& field, const std::string& address) {
  if (IsUnix(address)) {
    const std::string_view path = UnixPath(address);
    if (path.empty() || path.size() > 107) {
      problems_.AddAt(field, Cat(Quoted(address),
                                 " is no socket; expected unix:///PATH of at most "
                                 "107 bytes"));
    }
    return;
  }
  if (SplitHostPort(address).port < 0) {
    return problems_.AddAt(
        field, Cat(Quoted(address), " is no address; expected unix:///PATH or HOST:PORT"));
  }
  if (IsLocalAddress(address) || (config_.tls.enabled() && !config_.tls.client_ca_file.empty())) {
    return;
  }
  problems_.AddAt(field, Cat(Quoted(address),
                             " can be reached from elsewhere; expected a loopback "
                             "address, or tls with cert, key and client_ca"));
}

void ConfigReader::ReadListen(Section& root, std::string_view key, std::vector<std::string>* out) {
  if (!root.Texts(key, out)) return;
  if (out->empty()) problems_.AddAt(key, "is empty; expected unix:///PATH or HOST:PORT");
  for (std::size_t i = 0; i < out->size(); ++i) CheckAddress(Cat(key, "[", i, "]"), (*out)[i]);
}

void ConfigReader::ReadMetrics(Section& root) {
  root.Scalar("metrics", "HOST:PORT or off", [&](std::string_view text) -> Status {
    if (text != "off" && text != "false" && SplitHostPort(text).port < 0) {
      return InvalidArgument("is no address; expected HOST:PORT or off");
    }
    config_.metrics = text == "off" || text == "false" ? "" : std::string(text);
    return absl::OkStatus();
  });
}

void ConfigReader::ReadLog(Section& root) {
  Section log = root.Map("log");
  static const std::vector<std::string> kLevels = {"debug", "info", "warning", "error"};
  int level = 0;
  if (log.Choice("level", kLevels, &level)) {
    config_.log_level = kLevels[static_cast<std::size_t>(level)];
  }
  log.Read("tail_keep", "a time span such as 7d", ParseSpan,
           [&](auto v) { config_.tail_keep = absl::Seconds(v); });
  log.Finish();
}

void ConfigReader::ReadLimits(Section s) {
  LimitConfig& m = config_.limits;
  s.Read("launches_in_flight", "a whole number", ParseCount, [&](auto v) {
    m.launches_in_flight = static_cast<int>(v);
    if (v == 0) problems_.AddAt(s.PathOf("launches_in_flight"), "is zero; expected at least 1");
  });
  const auto size = [&](std::string_view key, std::int64_t* out) {
    s.Read(key, "a size such as 1MB", ParseSizeBytes, [&](auto v) {
      *out = v;
      if (v < 1000) problems_.AddAt(s.PathOf(key), "is out of range; expected 1KB or more");
    });
  };
  size("log_bytes_max", &m.log_bytes_max);
  size("answer_bytes_max", &m.answer_bytes_max);
  s.Finish();
}

void ConfigReader::ReadNix(Section s) {
  NixConfig& m = config_.nix;
  const auto whole_path = [](std::string_view text) -> StatusOr<std::string> {
    if (text.size() > 1 && text[0] == '/' && text.find_first_of(" \t\n;#") == text.npos) {
      return std::string(text);
    }
    return InvalidArgument("is no whole path; expected one such as /var/lib/muster/machines");
  };
  s.Read(
      "machines_file", "a whole path, or off",
      [&](std::string_view text) -> StatusOr<std::string> {
        if (text == "off" || text == "false") return std::string();
        return whole_path(text);
      },
      [&](const std::string& path) {
        m.keep_machines_file = !path.empty();
        m.machines_file = path;
      });
  s.Read("programs", "a folder", whole_path, [&](const std::string& v) { m.programs = v; });
  s.Read("store", "a folder", whole_path, [&](const std::string& v) { m.store = v; });
  s.Finish();
}

void ConfigReader::ReadAudit(Section s) {
  AuditConfig& m = config_.audit;
  s.Read(
      "heads_every", "a time span such as 1d, or off",
      [](std::string_view text) -> StatusOr<std::int64_t> {
        if (text == "off" || text == "false") return 0;
        MUSTER_ASSIGN_OR_RETURN(const std::int64_t span, ParseSpan(text));
        if (span < 60) return InvalidArgument("is out of range; expected 1m or more, or off");
        return span;
      },
      [&](std::int64_t span) { m.heads_every = absl::Seconds(span); });
  s.Scalar("heads_file", "a file, or off", [&](std::string_view text) -> Status {
    if (Trim(text).empty()) return InvalidArgument("is empty; expected a file, or off");
    m.heads_to_file = text != "off" && text != "false";
    if (m.heads_to_file) m.heads_file = std::string(text);
    return absl::OkStatus();
  });
  s.Read("heads_syslog", "true or false", ParseYesNo, [&](bool v) { m.heads_to_syslog = v; });
  s.SecretRef("heads_webhook_bearer", &m.heads_webhook_bearer_ref);
  std::string url;
  if (s.Text("heads_webhook", &url)) {
    static const RE2 kUrl(
        R"((https?)://([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[^\s#]*)?)");
    std::string scheme, host;
    if (files::HasUserInfo(url) || !RE2::FullMatch(url, kUrl, &scheme, &host)) {
      problems_.AddAt(
          s.PathOf("heads_webhook"),
          "the value is not shown; expected https://HOST/PATH without user and password");
    } else if (scheme == "http" && !m.heads_webhook_bearer_ref.empty() && !IsLoopbackHost(host)) {
      problems_.AddAt(s.PathOf("heads_webhook"),
                      "would carry the bearer in clear; expected https:// or a loopback host");
    } else {
      m.heads_webhook = url;
    }
  }
  s.Finish();
}

void ConfigReader::ReadSim(Section s) {
  s.Read("embedded", "true or false", ParseYesNo, [&](bool v) { config_.sim.embedded = v; });
  s.Read("seed", "a whole number", ParseCount,
         [&](auto v) { config_.sim.seed = static_cast<std::uint64_t>(v); });
  s.Read(
      "speed", "a factor such as 60",
      [](std::string_view text) -> StatusOr<double> {
        MUSTER_ASSIGN_OR_RETURN(const double v, ParseNumber(text));
        if (v < 0.01 || v > 100'000) {
          return InvalidArgument("is out of range; expected 0.01 to 100000");
        }
        return v;
      },
      [&](double v) { config_.sim.speed = v; });
  s.Finish();
}

// A secret under a key of its own invention would otherwise be told apart only by its name.
void ConfigReader::RefuseClearSecrets(Section& root) {
  for (const char* key : {"api_key", "token", "password", "secret"}) {
    if (!root.Has(key)) continue;
    root.Take(key);
    problems_.AddAt(key,
                    "does not belong here, and its value is not shown; expected it as a "
                    "reference below providers, such as providers.vast.api_key: env:NAME");
  }
}

}  // namespace

std::vector<std::string> DefaultListen(std::string_view runtime_dir) {
  return {runtime_dir.empty() ? "unix:///run/muster/musterd.sock"
                              : Cat("unix://", runtime_dir, "/muster/musterd.sock"),
          "127.0.0.1:7600"};
}

bool IsLocalAddress(std::string_view address) {
  return IsUnix(address) || IsLoopbackHost(SplitHostPort(address).host);
}

StatusOr<DaemonConfig> ParseDaemonConfig(std::string_view text, std::string_view file_name) {
  Problems problems(file_name);
  DaemonConfig config;
  try {
    const YAML::Node document = files::LoadDocument(text, kConfig, problems);
    if (document.IsDefined()) config = ConfigReader(problems).Read(document);
  } catch (const std::exception& e) {  // yaml-cpp throws; nothing else here does
    problems.Add({}, "", Cat("is not YAML: ", e.what(), "; expected ", kConfig));
  }
  MUSTER_RETURN_IF_ERROR(problems.ToStatus());
  return config;
}

StatusOr<DaemonConfig> LoadDaemonConfig(const std::string& path) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path, kConfig));
  return ParseDaemonConfig(text, path);
}

}  // namespace muster
