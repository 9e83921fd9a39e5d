#include "services/files/daemon_config.h"

#include "absl/strings/match.h"
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

bool IsUnix(std::string_view address) { return absl::StartsWith(ToAbsl(address), "unix:"); }

// The path behind "unix:///PATH" or "unix:PATH"; "" when there is none.
std::string_view UnixPath(std::string_view address) {
  address.remove_prefix(5);
  return absl::StartsWith(ToAbsl(address), "//") ? address.substr(2) : address;
}

class ConfigReader {
 public:
  explicit ConfigReader(Problems& problems) : problems_(problems) {}

  DaemonConfig Read(const YAML::Node& document) {
    Section root(document, "", problems_);
    ReadSim(root.Map("sim"));
    config_.providers = files::ReadProviders(root, config_.sim.embedded);
    ReadTls(root.Map("tls"));
    ReadListen(root, "listen", &config_.listen);
    ReadListen(root, "command_listen", &config_.command_listen);
    ReadListen(root, "query_listen", &config_.query_listen);
    ReadMetrics(root);
    Section store = root.Map("store");
    store.Filled("path", "a folder", &config_.store_path);
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

  Problems& problems_;
  DaemonConfig config_;
};

void ConfigReader::ReadTls(Section s) {
  if (!s.present()) return;
  s.Filled("cert", "a file", &config_.tls.cert_file);
  s.Filled("key", "a file", &config_.tls.key_file);
  s.Filled("client_ca", "a file", &config_.tls.client_ca_file);
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
