// The line of a builder: what Nix reads is what the spec, the address and the pinned key say.
#include "workers/servers/nix/machine_line.h"

#include "absl/strings/escaping.h"
#include "muster/spec/v1/server.pb.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster::nix {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kHostKey[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJt8cnyB0fDvZx0sJ4X6Xk8m2hUqKq3vG0Q8b1nq0b6H";

specpb::ServerSpec Spec() {
  specpb::ServerSpec spec;
  spec.set_name("b1");
  specpb::NixBuilder& m = *spec.mutable_nix();
  m.set_user("builder");
  m.add_systems("x86_64-linux");
  m.add_systems("i686-linux");
  m.set_max_jobs(24);
  m.set_speed_factor(48);
  for (const char* feature : {"benchmark", "big-parallel", "muster-b1"}) {
    m.add_supported_features(feature);
  }
  m.add_mandatory_features("cuda");
  m.set_ssh_key("/etc/nix/key");
  return spec;
}

TEST(MachineLine, HasEightColumnsInNixsOrder) {
  const auto line = MachineLine(Spec(), "192.0.2.7", 22, Cat(kHostKey, " root@b1\n"));
  EXPECT_THAT(line, IsOkAndHolds(Cat("ssh-ng://builder@192.0.2.7 x86_64-linux,i686-linux "
                                     "/etc/nix/key 24 48 benchmark,big-parallel,muster-b1 cuda ",
                                     absl::Base64Escape(kHostKey))));
}

TEST(MachineLine, AnIpv6AddressStandsInBrackets) {
  const auto line = MachineLine(Spec(), "2001:db8:61:1f::1", 22, kHostKey);
  ASSERT_THAT(line, IsOk());
  EXPECT_THAT(*line, testing::StartsWith("ssh-ng://builder@[2001:db8:61:1f::1] "));
  EXPECT_EQ(ParseMachineLine(*line)->host, "2001:db8:61:1f::1");
}

TEST(MachineLine, WithoutFeaturesThereIsADash) {
  specpb::ServerSpec spec = Spec();
  spec.mutable_nix()->clear_mandatory_features();
  const auto line = MachineLine(spec, "192.0.2.7", 22, kHostKey);
  ASSERT_THAT(line, IsOk());
  EXPECT_THAT(*line, HasSubstr(" benchmark,big-parallel,muster-b1 - "));
  EXPECT_THAT(ParseMachineLine(*line)->mandatory, IsEmpty());
}

TEST(MachineLine, AnotherPortStandsInAComment) {
  const auto line = MachineLine(Spec(), "127.0.0.1", 2222, kHostKey);
  ASSERT_THAT(line, IsOk());
  EXPECT_THAT(*line, testing::EndsWith(" # port 2222: NIX_SSHOPTS='-p 2222'"));
  EXPECT_EQ(WithoutComment(*line), *MachineLine(Spec(), "127.0.0.1", 22, kHostKey));
  EXPECT_EQ(ParseMachineLine(*line)->port, 2222);
}

TEST(MachineLine, IsReadBackAsItWasWritten) {
  const auto machine = ParseMachineLine(*MachineLine(Spec(), "192.0.2.7", 22, kHostKey));
  ASSERT_THAT(machine, IsOk());
  EXPECT_EQ(machine->store, "ssh-ng://builder@192.0.2.7");
  EXPECT_EQ(machine->user, "builder");
  EXPECT_EQ(machine->host, "192.0.2.7");
  EXPECT_EQ(machine->port, 22);
  EXPECT_THAT(machine->systems, ElementsAre("x86_64-linux", "i686-linux"));
  EXPECT_EQ(machine->ssh_key, "/etc/nix/key");
  EXPECT_EQ(machine->max_jobs, 24);
  EXPECT_EQ(machine->speed_factor, 48);
  EXPECT_THAT(machine->supported, ElementsAre("benchmark", "big-parallel", "muster-b1"));
  EXPECT_THAT(machine->mandatory, ElementsAre("cuda"));
  EXPECT_EQ(machine->host_key, kHostKey);
}

using Change = std::function<void(specpb::NixBuilder&)>;

std::string Refused(std::string_view address, const Change& change = nullptr,
                    std::string_view key = kHostKey, int port = 22) {
  specpb::ServerSpec spec = Spec();
  if (change) change(*spec.mutable_nix());
  const auto line = MachineLine(spec, address, port, key);
  return line.ok() ? *line : std::string(Message(line.status()));
}

TEST(MachineLine, WhatNixWouldReadOtherwiseIsRefused) {
  constexpr char kHere[] = "192.0.2.7";
  EXPECT_THAT(Refused("localhost"), HasSubstr("no address: 'localhost'"));
  EXPECT_THAT(Refused("192.0.2.7 x"), HasSubstr("no address"));
  EXPECT_THAT(Refused("[2001:db8::1]"), HasSubstr("no address"));
  EXPECT_THAT(Refused(""), HasSubstr("no address"));
  EXPECT_THAT(Refused(kHere, [](auto& m) { m.set_user("a b"); }), HasSubstr("no user"));
  EXPECT_THAT(Refused(kHere, [](auto& m) { m.set_ssh_key("/a b"); }), HasSubstr("no path"));
  EXPECT_THAT(Refused(kHere, [](auto& m) { m.set_ssh_key("/a;@/x"); }), HasSubstr("no path"));
  EXPECT_THAT(Refused(kHere, [](auto& m) { m.add_supported_features("a,b"); }),
              HasSubstr("supported features: 'a,b' cannot stand"));
  EXPECT_THAT(Refused(kHere, [](auto& m) { m.add_mandatory_features("-"); }),
              HasSubstr("mandatory features"));
  EXPECT_THAT(Refused(kHere, [](auto& m) { m.clear_systems(); }), HasSubstr("no system"));
  EXPECT_THAT(Refused(kHere, [](auto& m) { m.set_max_jobs(0); }), HasSubstr("1 or more"));
  EXPECT_THAT(Refused(kHere, nullptr, "ssh-ed25519"), HasSubstr("no host key"));
  EXPECT_THAT(Refused(kHere, nullptr, kHostKey, 0), HasSubstr("no port"));
}

TEST(MachineLine, OtherPeoplesLinesAreNotOurs) {
  const std::string good = *MachineLine(Spec(), "192.0.2.7", 22, kHostKey);
  EXPECT_THAT(ParseMachineLine(good), IsOk());
  for (const std::string& line :
       {std::string(), std::string("# nothing"), std::string("ssh-ng://a@192.0.2.7 x86_64-linux"),
        "ssh://" + good.substr(9), "ssh-ng://builder@host" + good.substr(26), good + " more",
        good.substr(0, good.rfind(' ') + 1) + "!!!!"}) {
    EXPECT_THAT(ParseMachineLine(line), StatusIs(StatusCode::kInvalidArgument)) << line;
  }
}

TEST(ProvingFeatures, AreTheMandatoryOnesAndOneThatNoOtherMachineHas) {
  Machine machine;
  machine.supported = {"kvm", "muster-b1"};
  machine.mandatory = {"cuda"};
  EXPECT_THAT(ProvingFeatures(machine), IsOkAndHolds(ElementsAre("cuda", "muster-b1")));
  machine.mandatory = {};
  EXPECT_THAT(ProvingFeatures(machine), IsOkAndHolds(ElementsAre("muster-b1")));
  machine.supported = {};
  machine.mandatory = {"muster-b1"};
  EXPECT_THAT(ProvingFeatures(machine), IsOkAndHolds(ElementsAre("muster-b1")));
}

TEST(ProvingFeatures, WithoutOneOfItsOwnABuilderCannotBeProved) {
  Machine machine;
  machine.supported = {"kvm"};
  machine.mandatory = {"cuda"};
  EXPECT_THAT(ProvingFeatures(machine),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("could be built anywhere")));
}

}  // namespace
}  // namespace muster::nix
