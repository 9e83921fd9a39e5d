#include "services/files/provider_config.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "eventstore/base/host.h"
#include "re2/re2.h"
#include "services/files/human_units.h"
#include "services/files/secret_shape.h"
#include "services/files/yaml_section.h"

namespace muster::files {
namespace {

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

std::string_view HostOfUrl(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::string_view rest = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
  return rest.substr(0, rest.find('/'));
}

void ReadUrl(Section& s, const Shape& shape, ProviderConfig* provider) {
  bool plain_http = false;
  s.Read("plain_http", "true or false", ParseYesNo, [&](bool v) { plain_http = v; });
  provider->base_url = shape.base_url;
  std::string url;
  if (!s.Text("base_url", &url)) return;
  if (HasUserInfo(url)) {
    return s.problems().AddAt(s.PathOf("base_url"),
                              "the value is not shown; expected a URL without user and password");
  }
  static const RE2 kUrl(
      R"((https?)://([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[^\s?#]*)?)");
  std::string scheme, host;
  if (!RE2::FullMatch(url, kUrl, &scheme, &host)) {
    return s.problems().AddAt(
        s.PathOf("base_url"),
        Cat(Quoted(url), " is no base URL; expected https://HOST or http://127.0.0.1:PORT"));
  }
  const std::string bare = host[0] == '[' ? host.substr(1, host.size() - 2) : host;
  if (scheme == "http" && !IsLoopbackHost(bare) && !plain_http) {
    return s.problems().AddAt(s.PathOf("base_url"),
                              Cat(Quoted(url),
                                  " would carry the key in clear; expected https://, a "
                                  "loopback host, or plain_http: true beside it"));
  }
  while (url.back() == '/') url.pop_back();
  provider->base_url = url;
}

void ReadSecret(Section& s, const Shape& shape, bool embedded, ProviderConfig* provider) {
  const std::string_view key = shape.has_user ? "password" : "api_key";
  s.SecretRef(key, &provider->api_key_ref);
  if (!s.Has(key) && !embedded) {
    s.problems().AddAt(s.PathOf(key),
                       Cat("is missing; expected a secret reference such as env:",
                           shape.has_user ? "HETZNER_ROBOT_PASSWORD" : "VAST_API_KEY"));
  }
  if (!shape.has_user) return;
  if (embedded) provider->user = "sim";
  s.Filled("user", "the user of the web service, or a reference to it", &provider->user);
  if (!s.Has("user") && !embedded) {
    s.problems().AddAt(
        s.PathOf("user"),
        "is missing; expected the user of the web service, such as \"#ws+abcd1234\"");
  }
}

void ReadSsh(Section& s, ProviderConfig* provider) {
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
    s.problems().AddAt(s.PathOf("ssh_host"),
                       Cat(Quoted(host), " is no address; names are not looked up"));
  }
}

void ReadLogHosts(Section& s, ProviderConfig* provider) {
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
    s.problems().AddAt(
        Cat(s.PathOf("log_hosts"), "[", i, "]"),
        Cat(Quoted(host), " is no host; expected HOST, HOST:PORT, *.DOMAIN or an origin"));
  }
}

void ReadBudget(Section s, AccountBudget* budget) {
  s.Amount("per_hour", "h", [&](auto v) { budget->per_hour = MicroUsdPerHour(v); });
  s.Amount("per_day", "day", [&](auto v) { budget->per_day = MicroUsd(v); });
  s.Amount("total", "", [&](auto v) { budget->total = MicroUsd(v); });
  s.Finish();
}

void ReadPace(Section s, const Shape& shape, ProviderConfig* provider) {
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

ProviderConfig ReadProvider(Section s, const Shape& shape, bool embedded) {
  ProviderConfig provider;
  ReadUrl(s, shape, &provider);
  ReadSecret(s, shape, embedded, &provider);
  if (shape.has_user) {
    ReadSsh(s, &provider);
  } else {
    ReadLogHosts(s, &provider);
  }
  s.Filled("ca_file", "a file", &provider.ca_file);
  ReadBudget(s.Map("budget"), &provider.budget);
  ReadPace(s.Map("pace"), shape, &provider);
  s.Finish();
  return provider;
}

}  // namespace

std::map<std::string, ProviderConfig> ReadProviders(Section& root, bool embedded) {
  std::map<std::string, ProviderConfig> providers;
  const bool absent = !root.Has("providers");
  if (absent && embedded) providers["vast"].base_url = kVastUrl;
  if (absent && !embedded) {
    root.problems().Add({1, 1}, "providers",
                        "is missing; expected providers: {vast: {api_key: env:VAST_API_KEY}}");
  }
  Section section = root.Map("providers");
  for (const std::string& name : section.TakeKeys()) {
    const std::vector<std::string>& known = ProviderNames();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      section.problems().AddAt(section.PathOf(name),
                               Cat("is no known provider; expected ", absl::StrJoin(known, ", "),
                                   DidYouMean(name, known)));
      continue;
    }
    providers[name] = ReadProvider(section.Map(name), ShapeOf(name), embedded);
  }
  return providers;
}

}  // namespace muster::files
