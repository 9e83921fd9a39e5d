// Golden explanations: for every reason there is, a story that brings it about, told as `explain`
// tells it. What differs from run to run or machine to machine by chance (names, ids, clock times,
// positions) stands as a number; everything else is compared to tests/golden/explain.txt. Written
// anew with MUSTER_UPDATE_GOLDEN=1; read the difference.
#include <functional>

#include "commands/rules.h"
#include "tests/scenario/scenario.h"
#include "tests/stage/told.h"
#include "tests/support/matchers.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

using vastsim::Failure;

constexpr absl::Duration kToFill = absl::Minutes(25);

std::string Explained(Scenario& s, const std::string& subject) {
  return ToldSteadily(s.store(), subject);
}

// The worker of the newest event of a kind.
std::string WorkerOf(Scenario& s, EventKind kind, std::size_t from_end = 0) {
  std::vector<std::string> streams;
  EXPECT_THAT(s.store().ReadAll(0, s.store().Head(),
                                [&](const RecordedEvent& event) {
                                  if (event.event.type == TypeName(kind)) {
                                    streams.push_back(event.stream.str());
                                  }
                                  return true;
                                }),
              IsOk());
  EXPECT_GT(streams.size(), from_end);
  return streams.size() > from_end ? streams[streams.size() - 1 - from_end] : "";
}
std::string Condemned(Scenario& s) { return WorkerOf(s, EventKind::kWorkerCondemned); }

// A fleet of two, full, of which one then fails.
std::string Failing(Failure how, bool early = false) {
  Scenario s;
  s.Apply(ZebFleet(2));
  EXPECT_TRUE(
      s.Until([&] { return early ? s.Alive().size() == 2 : s.Healthy("zeb") == 2; }, kToFill));
  EXPECT_THAT(s.sim().FailWorker(s.Alive().front().id, how), IsOk());
  EXPECT_TRUE(s.Until([&] { return !s.Log(EventKind::kWorkerEnded).empty(); }, absl::Hours(2)));
  s.Run(absl::Minutes(1));
  return Explained(s, WorkerOf(s, EventKind::kWorkerEnded));
}

std::string TooDear() {
  Scenario s;
  s.Apply(ZebFleet(2));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, kToFill));
  EXPECT_THAT(s.sim().SetPrice(s.Alive().front().id, 0.5), IsOk());
  EXPECT_TRUE(s.Until([&] { return !s.Log(EventKind::kWorkerEnded).empty(); }, absl::Minutes(9)));
  s.Run(absl::Minutes(1));
  return Explained(s, Condemned(s));
}

// A start script that works on no machine.
std::string BrokenLaunch() {
  Scenario s;
  std::set<std::int64_t> machines;
  for (const auto& offer : s.sim().Offers()) machines.insert(offer.machine);
  for (const std::int64_t machine : machines) {
    EXPECT_THAT(s.sim().FailMachine(machine, {.how = Failure::kLaunchBroken}), IsOk());
  }
  s.Apply(ZebFleet(1));
  EXPECT_TRUE(s.Until([&] { return !s.Log(EventKind::kWorkerEnded).empty(); }, absl::Hours(1)));
  return Explained(s, WorkerOf(s, EventKind::kWorkerEnded));
}

std::string Replaced() {
  Scenario s;
  s.Apply(ZebFleet(2));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, kToFill));
  s.Replace(s.world().WorkersInOrder().begin()->first, "too hot");
  EXPECT_TRUE(s.Until([&] { return !s.Log(EventKind::kWorkerEnded).empty(); }, absl::Minutes(9)));
  s.Run(absl::Minutes(1));
  return Explained(s, Condemned(s));
}

std::string CreditWait() {
  Scenario s;
  s.Apply(ZebFleet(2));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 2; }, kToFill));
  s.sim().SetCredit(0);
  s.Run(absl::Hours(1));
  s.sim().AddCredit(20);
  s.Run(absl::Minutes(40));
  return Explained(s, "account/vast");
}

std::string Downscale() {
  Scenario s;
  s.Apply(ZebFleet(3));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, kToFill));
  s.Scale("zeb", 1);
  EXPECT_TRUE(s.Until([&] { return s.Alive().size() == 1; }, absl::Minutes(10)));
  s.Run(absl::Minutes(2));
  return Explained(s, WorkerOf(s, EventKind::kWorkerCondemned, 1)) + Explained(s, Condemned(s));
}

std::string TakenDown() {
  Scenario s;
  s.Apply(ZebFleet(1));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 1; }, kToFill));
  s.Down("zeb");
  EXPECT_TRUE(s.Until([&] { return !s.Log(EventKind::kFleetEnded).empty(); }, absl::Minutes(10)));
  return Explained(s, "fleet/zeb");
}

std::string OrphanDestroyed() {
  Scenario s;
  s.AddForeign("zeb-worker-vast-0");
  s.Apply(ZebFleet(1, "orphans: destroy\n"));
  s.Run(absl::Minutes(40));
  return Explained(s, "account/vast") + Explained(s, Condemned(s));
}

std::string OrphanAdopted() {
  Scenario s;
  s.AddForeign("zeb-worker-vast-0");
  s.Run(absl::Minutes(2));
  s.Apply(ZebFleet(1, "orphans: adopt\n"));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 1; }, kToFill));
  return Explained(s, WorkerOf(s, EventKind::kWorkerAdopted));
}

// The answer to a launch is lost with the process that asked: what came of it is looked up.
std::string CrashBetweenIntentAndAnswer() {
  Scenario s;
  s.sim().SetFault({.trap = vastsim::Trap::kResetAfter, .endpoint = "PUT asks/{id}", .times = 1});
  s.Apply(ZebFleet(1));
  EXPECT_TRUE(
      s.Until([&] { return !s.Log(EventKind::kLaunchRequested).empty(); }, absl::Minutes(5)));
  s.Crash();
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 1; }, kToFill));
  EXPECT_EQ(s.Alive().size(), 1u);
  return Explained(s, WorkerOf(s, EventKind::kLaunchRequested));
}

// A fleet of three for which one machine becomes far cheaper; `fails`: it does not come up.
std::string Upgraded(bool fails) {
  vastsim::VastSimOptions market = SmallMarket();
  market.churn_interval = absl::ZeroDuration();
  Scenario s(market);
  s.Apply(ZebFleet(3, "upgrades:\n  enabled: true\n  cooldown: 2h\n"));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 3; }, kToFill));
  s.Run(absl::Hours(3));
  vastsim::OfferView cheap;
  for (const auto& offer : s.sim().Offers()) {
    if (offer.gpus == 1 && offer.verified && offer.gpu == "RTX 3080") cheap = offer;
  }
  if (fails) {
    EXPECT_THAT(s.sim().FailMachine(cheap.machine, {.how = Failure::kStuckBoot}), IsOk());
  }
  EXPECT_THAT(s.sim().SetOfferPrice(cheap.id, 0.015), IsOk());
  const std::size_t before = s.Condemned().size();
  EXPECT_TRUE(s.Until([&] { return s.Condemned().size() > before; }, absl::Hours(4)));
  s.Run(absl::Minutes(5));
  return Explained(s, Condemned(s));
}

std::string CommonCause() {
  Scenario s;
  s.Apply(ZebFleet(6));
  EXPECT_TRUE(s.Until([&] { return s.Healthy("zeb") == 6; }, kToFill));
  int failing = 0;
  for (const auto& instance : s.Alive()) {
    if (failing++ < 4) {
      EXPECT_THAT(s.sim().FailWorker(instance.id, Failure::kFatalError), IsOk());
    }
  }
  EXPECT_TRUE(
      s.Until([&] { return !s.Log(EventKind::kStrikesSuspended).empty(); }, absl::Hours(1)));
  Position suspended = 0;
  EXPECT_THAT(s.store().ReadAll(0, s.store().Head(),
                                [&](const RecordedEvent& event) {
                                  if (event.event.type == TypeName(EventKind::kStrikesSuspended)) {
                                    suspended = event.position;
                                  }
                                  return suspended == 0;
                                }),
              IsOk());
  return Explained(s, Cat(suspended));
}

struct Story {
  std::string name;
  std::function<std::string()> tell;
};
void PrintTo(const Story& story, std::ostream* out) { *out << story.name; }
std::vector<Story> Stories() {
  return {{"over-cost", TooDear},
          {"offline", [] { return Failing(Failure::kExit); }},
          {"stuck-boot", [] { return Failing(Failure::kStuckBoot, /*early=*/true); }},
          {"stuck-setup", [] { return Failing(Failure::kStuckSetup, /*early=*/true); }},
          {"fatal-error", [] { return Failing(Failure::kFatalError); }},
          {"no-progress", [] { return Failing(Failure::kStall); }},
          {"broken-launch", BrokenLaunch},
          {"image-error", [] { return Failing(Failure::kImageError, /*early=*/true); }},
          {"operator", Replaced},
          {"vanished", [] { return Failing(Failure::kVanish); }},
          {"credit-wait", CreditWait},
          {"downscale", Downscale},
          {"down", TakenDown},
          {"orphan-destroyed", OrphanDestroyed},
          {"orphan-adopted", OrphanAdopted},
          {"crash-recovery", CrashBetweenIntentAndAnswer},
          {"upgrade", [] { return Upgraded(/*fails=*/false); }},
          {"upgrade-that-fails", [] { return Upgraded(/*fails=*/true); }},
          {"common-cause", CommonCause}};
}

class Chains : public ::testing::TestWithParam<Story> {};

TEST_P(Chains, AreToldAsInTheGoldenFile) {
  ExpectGolden("explain.txt", GetParam().name, GetParam().tell());
}
INSTANTIATE_TEST_SUITE_P(Explain, Chains, ::testing::ValuesIn(Stories()), [](const auto& info) {
  std::string name = info.param.name;
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace muster
