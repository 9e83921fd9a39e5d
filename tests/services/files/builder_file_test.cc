// Builder files: what they may say, what they mean, and what is said of a wrong one.
#include "services/files/builder_file.h"

#include <google/protobuf/util/message_differencer.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "muster/spec/v1/server.pb.h"
#include "services/files/human_units.h"
#include "services/files/server_check.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using google::protobuf::util::MessageDifferencer;
using specpb::ServerMarket;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJt8cnyB0fDvZx0sJ4X6Xk8m2hUqKq3vG0Q8b1nq0b6H op@example";

// The least that will do, in parts that a test can leave out or replace.
std::string File(const std::string& market = "price_max: 200 EUR/month",
                 const std::string& install = "", const std::string& nix = "ssh_key: /etc/nix/key",
                 const std::string& more = "") {
  const std::string image =
      Cat("image: /srv/nixos.tar.zst, image_sha256: \"", std::string(64, 'a'), "\"");
  return Cat("name: builder-01\nmarket: {", market, "}\naccess: {authorized_keys: [\"", kKey,
             "\"]}\ninstall: {", install.empty() ? image : install, "}\nnix: {", nix, "}\n", more);
}

std::string ErrorOf(const std::string& text) {
  const auto spec = ParseBuilderFile(text, "b.yaml");
  return spec.ok() ? "accepted" : std::string(Message(spec.status()));
}

specpb::ServerSpec Parsed(const std::string& text) {
  auto spec = ParseBuilderFile(text, "b.yaml");
  EXPECT_THAT(spec, IsOk());
  return spec.ok() ? *spec : specpb::ServerSpec();
}

TEST(BuilderFile, FillsInWhatIsLeftOut) {
  const specpb::ServerSpec spec = Parsed(File());
  EXPECT_EQ(spec.provider(), "hetzner");
  EXPECT_EQ(spec.market().channel(), ServerMarket::AUCTION);
  EXPECT_EQ(spec.market().gpu(), ServerMarket::GPU_UNSPECIFIED);
  EXPECT_EQ(spec.market().rank(), ServerMarket::PRICE);
  EXPECT_EQ(spec.market().currency(), "EUR");
  EXPECT_EQ(spec.market().price_max_micros_per_month(), 200'000'000);
  EXPECT_EQ(spec.install().recipe(), "image");
  EXPECT_EQ(spec.install().raid(), "auto");
  EXPECT_EQ(spec.nix().user(), "builder");
  EXPECT_THAT(spec.nix().systems(), ElementsAre("x86_64-linux"));
  EXPECT_EQ(spec.nix().max_jobs(), 1);
  EXPECT_THAT(spec.nix().supported_features(), ElementsAre("muster-builder-01"));
  EXPECT_EQ(spec.timers().delivery_warn_s(), 900);
  EXPECT_EQ(spec.timers().delivery_operator_s(), 7200);
  EXPECT_EQ(spec.timers().rescue_s(), 600);
  EXPECT_EQ(spec.timers().boot_s(), 600);
  EXPECT_EQ(spec.timers().poll_s(), 20);
  EXPECT_EQ(spec.timers().vitals_s(), 60);
  EXPECT_EQ(spec.timers().order_settle_s(), 600);
  EXPECT_EQ(spec.timers().probe_s(), 60);
}

TEST(BuilderFile, ReadsEveryKey) {
  const specpb::ServerSpec spec = Parsed(Cat(R"(
name: b2
provider: hetzner
market: {channel: standard, offer: GEX44, price_max: 190.50 USD/month, setup_max: 59 USD,
         cores_min: 12, memory_min: 64GB, disk_min: 1TB, disks_min: 2, benchmark_min: 30000.5,
         locations: [FSN1, HEL1-DC2], gpu: ada, rank: price_per_benchmark, ipv4: true,
         location: FSN1}
access: {authorized_keys: [")",
                                             kKey, R"("]}
install:
  recipe: steps
  raid: raid1
  filesystem: ext4
  steps:
    - {name: disk, command: "wipe {disks} && for f in ${x}; do :; done", timeout: 2m}
    - {name: root, command: "install {root} {hostname}"}
  files: {/etc/motd: hello}
nix: {user: nix, systems: [x86_64-linux, i686-linux], max_jobs: 24, speed_factor: 48,
      supported_features: [kvm], mandatory_features: [cuda], ssh_key: ~/.ssh/id_ed25519}
timers: {delivery_warn: 20m, delivery_operator: 3h, rescue: 11m, boot: 12m, poll: 15s, vitals: 2m,
         order_settle: 13m, probe: 90s}
)"));
  const ServerMarket& m = spec.market();
  EXPECT_EQ(m.channel(), ServerMarket::STANDARD);
  EXPECT_EQ(m.offer(), "GEX44");
  EXPECT_EQ(m.currency(), "USD");
  EXPECT_EQ(m.price_max_micros_per_month(), 190'500'000);
  EXPECT_EQ(m.setup_max_micros(), 59'000'000);
  EXPECT_EQ(m.cores_min(), 12);
  EXPECT_EQ(m.memory_gb_min(), 64);
  EXPECT_EQ(m.disk_gb_min(), 1000);
  EXPECT_EQ(m.disks_min(), 2);
  EXPECT_EQ(m.benchmark_min(), 30000.5);
  EXPECT_THAT(m.locations(), ElementsAre("FSN1", "HEL1-DC2"));
  EXPECT_EQ(m.gpu(), ServerMarket::GPU_ADA);
  EXPECT_EQ(m.rank(), ServerMarket::PRICE_PER_BENCHMARK);
  EXPECT_TRUE(m.ipv4());
  EXPECT_EQ(m.location(), "FSN1");
  EXPECT_EQ(spec.install().steps(0).timeout_s(), 120);
  EXPECT_EQ(spec.install().steps(1).timeout_s(), 600);
  EXPECT_EQ(spec.install().files().at("/etc/motd"), "hello");
  EXPECT_THAT(spec.nix().supported_features(), ElementsAre("kvm", "muster-b2"));
  EXPECT_EQ(spec.nix().speed_factor(), 48);
  EXPECT_EQ(spec.timers().probe_s(), 90);
}

TEST(BuilderFile, FillingTwiceChangesNothing) {
  specpb::ServerSpec spec = Parsed(File());
  const specpb::ServerSpec once = spec;
  FillServerDefaults(spec);
  EXPECT_TRUE(MessageDifferencer::Equals(once, spec));
  EXPECT_THAT(ValidateServerSpec(spec), IsEmpty());
}

TEST(BuilderFile, AnEmptySpecIsToldAllThatIsMissing) {
  specpb::ServerSpec spec;
  FillServerDefaults(spec);
  std::vector<std::string> fields;
  for (const Violation& violation : ValidateServerSpec(spec)) fields.push_back(violation.field);
  EXPECT_THAT(fields,
              ElementsAre("name", "market.price_max_micros_per_month", "access.authorized_keys",
                          "install.image", "install.image_sha256", "nix.ssh_key"));
}

TEST(BuilderFile, SaysWhereAndWhatOfEveryMarketMistake) {
  const std::pair<const char*, const char*> table[] = {
      {"", "market.price_max: is missing; expected the most it may cost, such as 200.00 EUR/month"},
      {"price_max: 200", "b.yaml:2:21: market.price_max: \"200\" has no currency; expected"},
      {"price_max: 200 EUR", "does not say per what; expected an amount such as 148.00 EUR/month"},
      {"price_max: 200 EUR/h", "has the wrong unit"},
      {"price_max: 200 eur/month", "has no currency of three capitals"},
      {"price_max: -2 EUR/month", "is negative"},
      {"price_max: 10001 EUR/month", "is out of range; expected 1.00 to 10000.00 EUR/month"},
      {"price_max: 0.99 EUR/month", "is out of range"},
      {"price_max: 9 EUR/month, setup_max: 9 USD",
       "market.setup_max: \"9 USD\" is in another currency than the amount above; expected EUR"},
      {"price_max: 9 EUR/month, memory_min: 64", "market.memory_min: \"64\" has no unit"},
      {"price_max: 9 EUR/month, gpu: nvidia", "expected one of none, any, ada"},
      {"price_max: 9 EUR/month, locations: [Falkenstein]",
       "market.locations[0]: \"Falkenstein\" is no location; expected one such as FSN1"},
      {"price_max: 9 EUR/month, channel: standard", "market.location: is missing; expected where"},
      {"price_max: 9 EUR/month, location: FSN1", "is for standard servers; expected locations"},
      {"price_max: 9 EUR/month, core_min: 4", "did you mean \"cores_min\"?"},
      {"price_max: 9 EUR/month, cores_min: 1025", "1025 is out of range; expected 0 to 1024"},
  };
  for (const auto& [market, expected] : table) {
    EXPECT_THAT(ErrorOf(File(market)), HasSubstr(expected)) << market;
  }
}

TEST(BuilderFile, SaysWhatIsWrongWithAnInstall) {
  const std::string digest(64, 'b');
  const std::pair<std::string, const char*> table[] = {
      {"image: nixos.tar", "install.image: \"nixos.tar\" is no path; expected the whole path"},
      {"image: /a, image_sha256: abc", "install.image_sha256: is no checksum; expected 64 digits"},
      {"recipe: kexec", "\"kexec\" is not known; expected image or steps"},
      {"recipe: steps", "install.steps: is empty; expected at least one step"},
      {"raid: raid5", "\"raid5\" is not known; expected auto, none or raid1"},
      {"filesystem: zfs", "\"zfs\" is not known; expected ext4"},
      {"steps: [{name: a, command: 'dd of={disk}'}]",
       "install.steps[0].command: \"{disk}\" is no known place; expected {disks}, {root}, "
       "{hostname}; did you mean \"{disks}\"?"},
      {"steps: [{name: a, command: x}, {name: a, command: x}]", "\"a\" is no name or here twice"},
      {"steps: [{name: a, command: x, timeout: 25h}]", "1d1h is out of range; expected 1s to 1d"},
      {"steps: [{name: a, command: x}], recipe: image, image: /a, image_sha256: '" + digest + "'",
       "install.steps: are here beside the recipe image"},
      {"image: /a, image_sha256: '" + digest + "', files: {etc/x: y}", "is no path"},
      {"image: /a, image_sha256: '" + digest + "', files: {/etc/../x: y}", "is no path"},
  };
  for (const auto& [install, expected] : table) {
    EXPECT_THAT(ErrorOf(File("price_max: 9 EUR/month", install)), HasSubstr(expected)) << install;
  }
}

TEST(BuilderFile, SaysWhatIsWrongWithABuilder) {
  const std::pair<const char*, const char*> table[] = {
      {"max_jobs: 2", "nix.ssh_key: is missing; expected the private key"},
      {"ssh_key: key", "\"key\" is no path"},
      {"ssh_key: /a b", "is no path"},
      {"ssh_key: /a.pub", "is a public key; expected the file without .pub"},
      {"ssh_key: /a, systems: [linux]", "\"linux\" is no system"},
      {"ssh_key: /a, max_jobs: 1025", "1025 is out of range; expected 1 to 1024"},
      {"ssh_key: /a, user: Root", "\"Root\" is no user"},
      {"ssh_key: /a, mandatory_features: ['a,b']", "\"a,b\" is no feature"},
      {"ssh_key: /a, mandatory_features: [a, a]", "\"a\" is here twice"},
  };
  for (const auto& [nix, expected] : table) {
    EXPECT_THAT(ErrorOf(File("price_max: 9 EUR/month", "", nix)), HasSubstr(expected)) << nix;
  }
  EXPECT_THAT(ErrorOf(File() + "timers: {poll: 4s}\n"),
              HasSubstr("timers.poll: 4s is out of range; expected 5s to 1h"));
}

TEST(BuilderFile, APrivateKeyInThePlaceOfAPublicOneIsNotRepeated) {
  const std::string secret = "-----BEGIN OPENSSH PRIVATE KEY-----";
  const std::string text = "name: b\naccess: {authorized_keys: [\"" + secret + "xyzzy\"]}\n";
  EXPECT_THAT(ErrorOf(text), AllOf(HasSubstr("access.authorized_keys[0]: the value is not shown"),
                                   Not(HasSubstr("xyzzy"))));
  EXPECT_THAT(ErrorOf("name: b\naccess: {authorized_keys: [ssh-ed25519 AAAA]}\n"),
              HasSubstr("is no public key"));
}

TEST(BuilderFile, KeysMayStandInAFileBesideIt) {
  const std::string folder = testing::TempDir() + "/builder_" + Cat(getpid());
  const std::string file = folder + ".yaml";
  const std::string keys = folder + ".pub";
  std::ofstream(keys) << "# who may log in\n\n" << kKey << "\n";
  std::string text = File();
  const std::string inline_keys = Cat("authorized_keys: [\"", kKey, "\"]");
  text.replace(text.find(inline_keys), inline_keys.size(),
               Cat("authorized_keys_file: ", keys.substr(keys.rfind('/') + 1)));
  std::ofstream(file) << text;
  const auto spec = LoadBuilderFile(file);
  ASSERT_THAT(spec, IsOk());
  EXPECT_THAT(spec->access().authorized_keys(), ElementsAre(kKey));
  EXPECT_THAT(ErrorOf(text), HasSubstr("needs a folder to be read from"));
  std::ofstream(keys) << "nonsense\n";
  EXPECT_THAT(LoadBuilderFile(file).status(),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(":3:"), HasSubstr("\"nonsense\" is no public key"))));
  std::remove(keys.c_str());
  std::remove(file.c_str());
}

TEST(BuilderFile, MoneyKeepsItsCurrency) {
  EXPECT_EQ(ParseAmountIn("148.2 EUR/month", "month")->micros, 148'200'000);
  EXPECT_EQ(ParseAmountIn("59 USD", "")->currency, "USD");
  EXPECT_FALSE(ParseAmountIn("59 USD/month", "").ok());
  EXPECT_FALSE(ParseAmountIn("EUR", "").ok());
  EXPECT_FALSE(ParseAmountIn("1.2345678 EUR", "").ok());
}

}  // namespace
}  // namespace muster
