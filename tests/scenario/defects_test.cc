// The defects of home-made fleet monitors that only a whole muster can show to be absent, by the
// number they have in the list of tests/README.md.
#include "tests/scenario/scenario.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using vastsim::Failure;
using vastsim::Trap;

constexpr absl::Duration kToFill = absl::Minutes(25);

TEST(Defect19, AHalfReadListIsAnErrorAndNobodyIsAbsent) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, kToFill));
  const auto launched = s.Log(EventKind::kLaunchRequested).size();
  for (const Trap trap : {Trap::kTruncateAfter, Trap::kTruncatedJson, Trap::kTrailingGarbage,
                          Trap::kListDropsRow, Trap::kListTotalMismatch, Trap::kEmptyBody}) {
    SCOPED_TRACE(std::string(vastsim::TrapName(trap)));
    s.sim().SetFault({.trap = trap, .endpoint = "GET v1/instances"});
    s.Run(absl::Minutes(20));
    s.sim().ClearFaults();
    EXPECT_THAT(s.Log(EventKind::kInstanceAbsent), IsEmpty());
    EXPECT_THAT(s.Log(EventKind::kWorkerCondemned), IsEmpty());
    EXPECT_THAT(s.Alive(), SizeIs(3));
  }
  s.Run(absl::Minutes(5));
  EXPECT_EQ(s.Log(EventKind::kLaunchRequested).size(), launched);
  EXPECT_EQ(s.Healthy("zeb"), 3);
}

TEST(Defect20, ACreateThatHangsHoldsUpNoOtherDecision) {
  Scenario s;
  s.Apply(ZebFleet(3));
  ASSERT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, kToFill));
  const std::int64_t victim = s.Alive().front().id;
  // The first of two new places gets a create that never answers, within its deadline of a minute.
  s.sim().SetFault({.trap = Trap::kHangBefore, .endpoint = "PUT asks/{id}", .times = 1});
  s.Scale("zeb", 5);
  ASSERT_TRUE(
      s.Until([&] { return s.Log(EventKind::kLaunchRequested).size() >= 5; }, absl::Seconds(10)));
  // Meanwhile the other place is filled,
  ASSERT_TRUE(s.Until([&] { return s.Alive().size() == 4; }, absl::Seconds(20)));
  // and a worker that must go goes, and logs and lists are read.
  ASSERT_THAT(s.sim().FailWorker(victim, Failure::kVanish), IsOk());
  ASSERT_TRUE(s.Until([&] { return !s.Log(EventKind::kWorkerEnded).empty(); }, absl::Seconds(45)));
  EXPECT_THAT(s.Log(EventKind::kLaunchUnclear), IsEmpty()) << "the create has ended already";
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 5; }, absl::Minutes(45)));
  EXPECT_EQ(s.Broken(), "");
}

TEST(Defect21, SecretsReachTheMachinesEnvironmentAndNothingElse) {
  Scenario s;
  // The worst a provider can do: repeat the request in an error, and the environment in a log.
  s.sim().SetFault({.trap = Trap::kErrorEchoesBody, .endpoint = "PUT asks/{id}", .times = 2});
  s.sim().SetFault({.trap = Trap::kLogEchoesSecrets});
  s.Apply(ZebFleet(2, "  env: {HF_TOKEN: env:HF_TOKEN}\n"));
  ASSERT_TRUE(s.Until([&] { return s.Alive().size() == 2; }, absl::Minutes(10)));
  s.Run(absl::Minutes(30));
  EXPECT_THAT(s.Log(EventKind::kLaunchRejected), Not(IsEmpty()));
  EXPECT_THAT(s.Log(EventKind::kLogObserved), Not(IsEmpty()));
  std::string everything;
  for (const EventKind kind : AllEventKinds()) {
    for (const eventpb::EventBody& body : s.Log(kind)) everything += body.SerializeAsString();
  }
  const auto said = [&](std::string_view text) {
    return everything.find(text) != std::string::npos;
  };
  EXPECT_TRUE(said("env:HF_TOKEN"));
  EXPECT_TRUE(said(R"("HF_TOKEN":"[secret]")")) << "it was in the environment that was sent";
  EXPECT_FALSE(said("hf_scenario_token"));
  EXPECT_FALSE(said("sim-key"));
}

}  // namespace
}  // namespace muster
