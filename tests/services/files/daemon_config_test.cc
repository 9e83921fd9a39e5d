// The daemon's configuration: the smallest file works, and a wrong one is told in full.
#include "services/files/daemon_config.h"

#include "eventstore/base/rng.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

std::string ErrorOf(std::string_view text) {
  const auto config = ParseDaemonConfig(text, "d.yaml");
  return config.ok() ? "accepted" : std::string(Message(config.status()));
}

DaemonConfig Parsed(std::string_view text) {
  auto config = ParseDaemonConfig(text, "d.yaml");
  EXPECT_THAT(config, IsOk());
  return config.ok() ? *config : DaemonConfig();
}

constexpr char kMinimal[] = "providers: {vast: {api_key: env:VAST_API_KEY}}\n";

TEST(DaemonConfig, TheSmallestFileWorks) {
  const DaemonConfig config = Parsed(kMinimal);
  const ProviderConfig& vast = config.providers.at("vast");
  EXPECT_EQ(vast.base_url, "https://console.vast.ai");
  EXPECT_EQ(vast.api_key_ref, "env:VAST_API_KEY");
  EXPECT_THAT(vast.log_hosts, ElementsAre("s3.amazonaws.com"));
  EXPECT_EQ(vast.budget.per_hour.micros, 0);
  EXPECT_THAT(config.listen, IsEmpty());
  EXPECT_FALSE(config.tls.enabled());
  EXPECT_EQ(config.metrics, "127.0.0.1:9464");
  EXPECT_EQ(config.store_path, "muster-data");
  EXPECT_EQ(config.log_level, "info");
  EXPECT_EQ(config.tail_keep, absl::Hours(168));
  EXPECT_FALSE(config.sim.embedded);
}

TEST(DaemonConfig, AnotherBaseUrlBringsItsOwnLogHost) {
  const DaemonConfig config =
      Parsed("providers: {vast: {base_url: 'http://127.0.0.1:8080/', api_key: env:K}}\n");
  EXPECT_EQ(config.providers.at("vast").base_url, "http://127.0.0.1:8080");
  EXPECT_THAT(config.providers.at("vast").log_hosts, ElementsAre("s3.amazonaws.com", "127.0.0.1"));
}

TEST(DaemonConfig, AProviderOfServersTakesUserAndPassword) {
  const DaemonConfig config = Parsed(
      "providers:\n  hetzner:\n    user: '#ws+abcd1234'\n    password: file:/etc/robot\n"
      "    ssh_port: 2222\n    ssh_host: 127.1.0.9\n    pace: {servers: 2s}\n");
  const ProviderConfig& hetzner = config.providers.at("hetzner");
  EXPECT_EQ(hetzner.base_url, "");  // the adapter's own
  EXPECT_EQ(hetzner.user, "#ws+abcd1234");
  EXPECT_EQ(hetzner.api_key_ref, "file:/etc/robot");
  EXPECT_EQ(hetzner.ssh_port, 2222);
  EXPECT_EQ(hetzner.ssh_host, "127.1.0.9");
  EXPECT_THAT(hetzner.pace, ElementsAre(Pair("server", absl::Seconds(2))));
  EXPECT_THAT(hetzner.log_hosts, IsEmpty());
}

TEST(DaemonConfig, TheEmbeddedMarketOfServersNeedsNoLogin) {
  const DaemonConfig config = Parsed("sim: {embedded: true}\nproviders: {hetzner: {}}\n");
  EXPECT_EQ(config.providers.at("hetzner").user, "sim");
  EXPECT_EQ(config.providers.count("vast"), 0u);
}

TEST(DaemonConfig, AServersSectionIsCheckedKeyByKey) {
  EXPECT_THAT(ErrorOf("providers: {hetzner: {user: a}}\n"), HasSubstr("password: is missing"));
  EXPECT_THAT(ErrorOf("providers: {hetzner: {password: env:P}}\n"), HasSubstr("user: is missing"));
  const std::string clear = ErrorOf("providers: {hetzner: {user: a, password: hunter2word}}\n");
  EXPECT_THAT(clear, HasSubstr("password: the value is not shown"));
  EXPECT_THAT(clear, Not(HasSubstr("hunter2word")));
  for (const char* odd :
       {"ssh_port: 0", "ssh_port: 65536", "ssh_port: x", "ssh_host: builder.example",
        "ssh_host: 1.2.3", "api_key: env:K", "log_hosts: [x]", "pace: {list: 1s}"}) {
    EXPECT_THAT(ErrorOf(Cat("providers: {hetzner: {user: a, password: env:P, ", odd, "}}\n")),
                HasSubstr(std::string(odd).substr(0, std::string(odd).find(':'))))
        << odd;
  }
  EXPECT_THAT(ErrorOf("providers: {vast: {api_key: env:K, ssh_port: 22}}\n"),
              HasSubstr("ssh_port"));
}

TEST(DaemonConfig, TheEmbeddedMarketNeedsNoKey) {
  const DaemonConfig config = Parsed("sim: {embedded: true, seed: 42, speed: 60}\n");
  EXPECT_TRUE(config.sim.embedded);
  EXPECT_EQ(config.sim.seed, 42u);
  EXPECT_EQ(config.sim.speed, 60);
  EXPECT_EQ(config.providers.count("vast"), 1u);
}

TEST(DaemonConfig, ReadsEverySetting) {
  const DaemonConfig config = Parsed(R"(
providers:
  vast:
    base_url: https://vast.example
    api_key: file:/run/credentials/vast
    log_hosts: ["*.example.org", "http://127.0.0.1:9000"]
    ca_file: /etc/muster/ca.pem
    budget: {per_hour: $2.00/h, per_day: $40, total: none}
    pace: {create: 6s, destroy: 3.5s}
listen: [unix:///run/muster/m.sock, "0.0.0.0:7600"]
command_listen: "127.0.0.1:0"
query_listen: ["[::1]:7602"]
tls: {cert: c.pem, key: k.pem, client_ca: ca.pem}
metrics: off
store: {path: /var/lib/muster}
log: {level: debug, tail_keep: 2d}
limits: {launches_in_flight: 8, log_bytes_max: 512KB, answer_bytes_max: 4MB}
)");
  const ProviderConfig& vast = config.providers.at("vast");
  EXPECT_THAT(vast.log_hosts, ElementsAre("*.example.org", "http://127.0.0.1:9000"));
  EXPECT_EQ(vast.ca_file, "/etc/muster/ca.pem");
  EXPECT_EQ(vast.budget.per_hour, MicroUsdPerHour(2'000'000));
  EXPECT_EQ(vast.budget.per_day, MicroUsd(40'000'000));
  EXPECT_THAT(vast.pace, ElementsAre(Pair("DELETE instances/{id}", absl::Milliseconds(3500)),
                                     Pair("PUT asks/{id}", absl::Seconds(6))));
  EXPECT_THAT(config.listen, ElementsAre("unix:///run/muster/m.sock", "0.0.0.0:7600"));
  EXPECT_THAT(config.command_listen, ElementsAre("127.0.0.1:0"));
  EXPECT_THAT(config.query_listen, ElementsAre("[::1]:7602"));
  EXPECT_EQ(config.tls.client_ca_file, "ca.pem");
  EXPECT_EQ(config.metrics, "");
  EXPECT_EQ(config.store_path, "/var/lib/muster");
  EXPECT_EQ(config.tail_keep, absl::Hours(48));
  EXPECT_EQ(config.limits.launches_in_flight, 8);
  EXPECT_EQ(config.limits.log_bytes_max, 512'000);
}

TEST(DaemonConfig, SaysWhereHeadsOfTheLogGo) {
  const AuditConfig defaults = Parsed(kMinimal).audit;
  EXPECT_EQ(defaults.heads_every, absl::Hours(24));
  EXPECT_TRUE(defaults.heads_to_file);
  EXPECT_EQ(defaults.heads_file, "");
  const AuditConfig audit =
      Parsed(std::string(kMinimal) +
             "audit: {heads_every: 1h, heads_file: off, heads_syslog: true,\n"
             "        heads_webhook: 'https://audit.example/heads', heads_webhook_bearer: env:T}\n")
          .audit;
  EXPECT_EQ(audit.heads_every, absl::Hours(1));
  EXPECT_FALSE(audit.heads_to_file);
  EXPECT_TRUE(audit.heads_to_syslog);
  EXPECT_EQ(audit.heads_webhook, "https://audit.example/heads");
  EXPECT_EQ(audit.heads_webhook_bearer_ref, "env:T");
  EXPECT_EQ(Parsed(std::string(kMinimal) + "audit: {heads_every: off}\n").audit.heads_every,
            absl::ZeroDuration());
}

TEST(DaemonConfig, SaysWhereNixFindsTheBuilders) {
  EXPECT_EQ(Parsed(kMinimal).nix, NixConfig());
  const NixConfig nix = Parsed(std::string(kMinimal) +
                               "nix: {machines_file: /etc/nix/muster-machines,\n"
                               "      programs: /run/current-system/sw/bin, store: /srv/x}\n")
                            .nix;
  EXPECT_TRUE(nix.keep_machines_file);
  EXPECT_EQ(nix.machines_file, "/etc/nix/muster-machines");
  EXPECT_EQ(nix.programs, "/run/current-system/sw/bin");
  EXPECT_EQ(nix.store, "/srv/x");
  EXPECT_FALSE(
      Parsed(std::string(kMinimal) + "nix: {machines_file: off}\n").nix.keep_machines_file);
}

TEST(DaemonConfig, SaysWhereAndWhatOfEveryMistake) {
  const std::pair<const char*, const char*> table[] = {
      {"metric: off", "d.yaml:2:1: metric: is not a known key; did you mean \"metrics\"?"},
      {"listen: 0.0.0.0:7600",
       "d.yaml:2:9: listen[0]: \"0.0.0.0:7600\" can be reached from "
       "elsewhere; expected a loopback address, or tls with cert, key and "
       "client_ca"},
      {"listen: 127.example.org:1", "can be reached from elsewhere"},
      {"listen: localhost", "\"localhost\" is no address; expected unix:///PATH or HOST:PORT"},
      {"listen: localhost:99999", "is no address"},
      {"listen: []", "listen: is empty; expected unix:///PATH or HOST:PORT"},
      {"listen: {a: b}", "listen: is a map; expected a list of texts"},
      {"listen: 'unix://'", "is no socket; expected unix:///PATH of at most 107 bytes"},
      {"query_listen: '10.0.0.1:1'", "d.yaml:2:15: query_listen[0]: \"10.0.0.1:1\" can be reached"},
      {"tls: {cert: a}", "d.yaml:2:6: tls.key: is missing; expected a PEM file"},
      {"metrics: nine", "metrics: \"nine\" is no address; expected HOST:PORT or off"},
      {"log: {level: loud}", "\"loud\" is not known; expected one of debug, info, warning, error"},
      {"log: {tail_keep: 7}", "log.tail_keep: \"7\" has no unit; expected a time span"},
      {"store: {path: ''}", "store.path: \"\" is empty; expected a folder"},
      {"limits: {launches_in_flight: 0}", "is zero; expected at least 1"},
      {"limits: {log_bytes_max: 5MiB}", "\"5MiB\" has the wrong unit; expected a size such as"},
      {"nix: {machines_file: machines}",
       "nix.machines_file: \"machines\" is no whole path; expected one such as"},
      {"nix: {machine_file: /a}", "did you mean \"machines_file\"?"},
      {"audit: {heads_every: 59s}", "\"59s\" is out of range; expected 1m or more, or off"},
      {"audit: {heads_webhook: 'https://a:b@host/'}", "heads_webhook: the value is not shown"},
      {"audit: {heads_webhook: 'http://far/', heads_webhook_bearer: env:T}",
       "would carry the bearer in clear"},
      {"audit: {heads_webhook_bearer: hunter2hunter2}", "audit.heads_webhook_bearer: "},
      {"sim: {speed: 0}", "sim.speed: \"0\" is out of range; expected 0.01 to 100000"},
      {"sim: {embedded: perhaps}", "\"perhaps\" is neither; expected true or false"},
      {"store: {path: a}\nstore: {path: b}", "d.yaml:3:1: store: is here twice, first in line 2"},
  };
  for (const auto& [line, expected] : table) {
    EXPECT_THAT(ErrorOf(std::string(kMinimal) + line + "\n"), HasSubstr(expected)) << line;
  }
}

TEST(DaemonConfig, SaysWhatIsWrongWithAProvider) {
  const std::pair<const char*, const char*> table[] = {
      {"vats: {}", "d.yaml:1:13: providers.vats: is no known provider; expected vast"},
      {"vast: {}", "providers.vast.api_key: is missing; expected a secret reference"},
      {"vast: {api_key: env:K, base_url: ftp://x}",
       "providers.vast.base_url: \"ftp://x\" is no base"},
      {"vast: {api_key: env:K, base_url: 'http://vast.example'}",
       "would carry the key in clear; expected https://, a loopback host, or plain_http: true"},
      {"vast: {api_key: env:K, log_hosts: ['a b']}",
       "providers.vast.log_hosts[0]: \"a b\" is no host"},
      {"vast: {api_key: env:K, budget: {per_day: 5}}", "budget.per_day: \"5\" has no dollar sign"},
      {"vast: {api_key: env:K, pace: {create: fast}}", "pace.create: \"fast\" is no interval"},
      {"vast: {api_key: env:K, pace: {destory: 1s}}", "did you mean \"destroy\"?"},
  };
  for (const auto& [entry, expected] : table) {
    EXPECT_THAT(ErrorOf(std::string("providers: {") + entry + "}\n"), HasSubstr(expected)) << entry;
  }
  EXPECT_THAT(ErrorOf("log: {level: info}\n"),
              HasSubstr("d.yaml:1:1: providers: is missing; expected providers: {vast: {api_key:"));
}

TEST(DaemonConfig, RefusesSecretsInClearWithoutShowingThem) {
  for (const char* text : {"providers: {vast: {api_key: hunter2hunter2}}\n",
                           "providers: {vast: {api_key: 'env:hunter2 hunter2'}}\n",
                           "providers: {vast: {api_key: [hunter2]}}\n",
                           "providers: {vast: {token: hunter2, api_key: env:K}}\n",
                           "providers: {vast: {api_key: env:K, base_url: 'https://hunter2@h'}}\n",
                           "providers: {vast: {api_key: env:K}}\napi_key: hunter2\n"}) {
    const std::string error = ErrorOf(text);
    EXPECT_THAT(error, HasSubstr("expected")) << text;
    EXPECT_THAT(error, Not(HasSubstr("hunter2"))) << text;
  }
}

TEST(DaemonConfig, ListensWhereTheCommandLooks) {
  EXPECT_THAT(DefaultListen(""), ElementsAre("unix:///run/muster/musterd.sock", "127.0.0.1:7600"));
  EXPECT_THAT(DefaultListen("/run/user/7"),
              ElementsAre("unix:///run/user/7/muster/musterd.sock", "127.0.0.1:7600"));
  for (const std::string& address : DefaultListen("")) EXPECT_TRUE(IsLocalAddress(address));
}

TEST(DaemonConfig, SurvivesAnyMutationOfAGoodFile) {
  const std::string good =
      "providers:\n  vast: {api_key: env:K, pace: {create: 5s}}\nlisten: [unix:///a, '[::1]:80']\n"
      "tls: {cert: a, key: b, client_ca: c}\nlog: {level: info, tail_keep: 7d}\n";
  const std::string spice = "{}[]:,-&*!|>'\"%@`#?\n\t 0$~<\x80\xff";
  Rng rng(11);
  for (int round = 0; round < 3000; ++round) {
    std::string text = good;
    for (int edits = 1 + static_cast<int>(rng.Below(6)); edits > 0; --edits) {
      const std::size_t at = rng.Below(text.size());
      if (rng.Chance(0.5)) {
        text[at] = spice[rng.Below(spice.size())];
      } else {
        text.erase(at, 1 + rng.Below(8));
      }
      if (text.empty()) text = "x";
    }
    const std::string error = ErrorOf(text);
    EXPECT_TRUE(error == "accepted" || error.find("d.yaml") == 0) << error;
  }
}

}  // namespace
}  // namespace muster
