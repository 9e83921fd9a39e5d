// The promises about dedicated servers, each broken once: it is that one which is reported.
#include "tests/stage/server_life.h"
#include "tests/stage/server_promises.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using server::OrderPhase;
using testing::StartsWith;

class ServerPromisesTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(rt.Run(life.Start()), IsOk()); }
  ~ServerPromisesTest() override { rt.DestroyTasks(); }

  const server::State& State() const { return hands.At(); }
  std::string Broken() {
    EXPECT_THAT(promises.ReadOn(life.store()), IsOk());
    return promises.Broken(outside, hands.world());
  }
  void Ordered(specpb::ServerSpec spec = ABuilder()) {
    ASSERT_THAT(rt.Run(hands.Order(std::move(spec))), IsOk());
    const auto there = [&] { return State().order_phase == OrderPhase::kDelivered; };
    ASSERT_TRUE(rt.RunUntil(there, absl::Hours(1)));
  }
  void Serving() {
    Ordered();
    for (int steps = 0; steps < 10 && !State().InService(); ++steps) {
      ASSERT_THAT(rt.Run(hands.Step(server::NextStep(State()))), IsOk());
      const auto done = [&] { return State().running == eventpb::SERVER_STEP_UNSPECIFIED; };
      ASSERT_TRUE(rt.RunUntil(done, absl::Hours(1)));
    }
    ASSERT_TRUE(State().InService());
    ASSERT_EQ(Broken(), "");
  }
  // Behind the program's back.
  void Buy(const std::string& key_md5) {
    const ServerOrderSpec spec{.offer = OfferId(outside.sim.Products().front().id),
                               .key_fingerprint = key_md5,
                               .test = false};
    const absl::Time soon = rt.Now() + absl::Minutes(1);
    ASSERT_THAT(rt.Run(hands.provider().OrderServer(spec, soon)), IsOk());
  }
  VirtualMachines::Machine& machine() { return *outside.machines.Find(State().number); }

  VirtualRuntime rt{1};
  ServerOutside outside{rt};
  ServerLife life{rt, outside, std::make_shared<MemoryLog>()};
  ServerHands& hands = life.hands();
  ServerPromises promises;
};

TEST_F(ServerPromisesTest, OneServerPerOrder) {
  Ordered();
  ASSERT_EQ(Broken(), "");
  Buy(State().order_key_md5);
  EXPECT_THAT(Broken(), StartsWith("OneServerPerOrder: 2 were made"));
}

TEST_F(ServerPromisesTest, WhatIsPaidForBearsAKeyOfOurs) {
  const SshKeyPair key = *outside.keys.GetOrMake("nobody's");
  const absl::Time soon = rt.Now() + absl::Minutes(1);
  ASSERT_THAT(rt.Run(hands.provider().StoreKey("nobody's", key.public_key, soon)), IsOk());
  Buy(KeyMd5(key.public_key));
  EXPECT_THAT(Broken(), StartsWith("PaidForIsKnown: order B"));
}

TEST_F(ServerPromisesTest, WipesWereAgreedTo) {
  Serving();
  machine().journal.emplace_back("prepare wipe nvme-eui.other S 1920");
  EXPECT_THAT(Broken(), StartsWith("WipesWereAgreedTo: disk nvme-eui.other"));
}

TEST_F(ServerPromisesTest, StrangersAreToldNothing) {
  Serving();
  machine().told_an_impostor = 1;
  EXPECT_THAT(Broken(), StartsWith("StrangersAreToldNothing: "));
}

TEST_F(ServerPromisesTest, StrangersAreLeftAlone) {
  outside.AddStranger();
  Serving();
  const ServerNumber number(std::to_string(*outside.strangers.begin()));
  const absl::Time soon = rt.Now() + absl::Minutes(1);
  ASSERT_THAT(rt.Run(hands.provider().RenameServer(number, "ours-now", soon)), IsOk());
  EXPECT_THAT(Broken(), StartsWith("StrangersAreLeftAlone: "));
  ASSERT_THAT(rt.Run(hands.provider().RenameServer(number, kStranger, soon)), IsOk());
  ASSERT_EQ(Broken(), "");
  ASSERT_THAT(rt.Run(hands.provider().CancelServer(number, "now", "", soon)), IsOk());
  EXPECT_THAT(Broken(), StartsWith("StrangersAreLeftAlone: "));
}

TEST_F(ServerPromisesTest, TheFileIsTheBuilders) {
  Serving();
  const std::string line = State().machine_line;
  ASSERT_THAT(rt.Run(hands.Cancel("now")), IsOk());
  ASSERT_EQ(Broken(), "");
  outside.files.files[kMachinesFile] = line;
  EXPECT_THAT(Broken(), StartsWith("TheFileIsTheBuilders: "));
}

TEST_F(ServerPromisesTest, ServiceIsInstalled) {
  Serving();
  machine().host_public_key = "ssh-ed25519 AAAAother";
  EXPECT_THAT(Broken(), StartsWith("ServiceIsInstalled: "));
}

TEST_F(ServerPromisesTest, SecretsStayOut) {
  specpb::ServerSpec spec = ABuilder();
  spec.mutable_nix()->add_supported_features(kRobotPassword);
  Ordered(std::move(spec));
  EXPECT_THAT(Broken(), StartsWith("SecretsStayOut: "));
}

}  // namespace
}  // namespace muster
